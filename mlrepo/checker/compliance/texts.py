"""Judge the files of a compliance test: verifications, accuracy logs, extra files."""

from __future__ import annotations

from collections.abc import Iterable

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import TextFault
from mlrepo.tree import Missing

_LARGEST_COPY = 1 << 20


def breaches_of(scope: Scope, path: str, faults: Iterable[TextFault]) -> Breaches:
    """Yield faults of the file at the path as breaches."""
    for fault in faults:
        line = scope.line_of(path, fault.needle) if fault.needle else fault.line
        yield Breach(fault.rule, path, fault.message, line, fault.expected, fault.actual)


def judge_no_text(scope: Scope, path: str) -> Breaches:
    """Yield that a verification is missing, or cannot be read."""
    why = scope.no_text(path)
    problem = f"cannot be read: {why}" if why else "is missing"
    yield Breach("compliance", path, f"The verification {problem}.")


def judge_failure(scope: Scope, path: str, fault: TextFault) -> Breaches:
    """Yield that a verification failed."""
    line = scope.line_of(path, fault.needle)
    yield Breach("compliance", path, fault.message, line, fault.expected)


def judge_answers(scope: Scope, path: str, test: ComplianceTest) -> Breaches:
    """Judge the accuracy log of a test that passed, where its answers are submitted in full."""
    if test.answers_limit:
        try:
            log = scope.tree.read(path, test.answers_limit)
        except Missing:
            return  # reported by other rules
        yield from breaches_of(scope, path, test.answer_faults(log))


def judge_test_log(scope: Scope, path: str, test: ComplianceTest) -> Breaches:
    """Yield a test's accuracy log that is empty or a copy of the accuracy run's log."""
    own = f"{scope.path}/accuracy/mlperf_log_accuracy.json"
    entry, other = scope.tree.entry(path), scope.tree.entry(own)
    if entry is None or not 0 <= entry.size <= _LARGEST_COPY:
        return
    try:
        log = scope.tree.read(path, _LARGEST_COPY)
        if not log.strip():
            message = f"The test passes, but the accuracy log of {test.name} is empty."
            yield Breach("compliance-text", path, message)
        elif (
            b'"data"' in log
            and other is not None
            and other.size == entry.size
            and log == scope.tree.read(own, _LARGEST_COPY)
        ):
            message = f"{test.name} contains the log of the accuracy run."
            yield Breach(test.copied_log, path, message)
    except Missing:
        return  # reported by other rules


def judge_extra(scope: Scope, directory: str, wanted: set[str], test: str) -> Judging[list[str]]:
    """Yield that a directory holds files that do not belong there, and return them."""
    wanted = wanted | set(scope.round.tables["required_files"]["always_optional"])
    extra = sorted(set(scope.files(directory)) - wanted)
    if extra:
        yield Breach(
            "compliance",
            directory,
            f"{test} contains files that do not belong there.",
            expected=", ".join(sorted(wanted)),
            actual=", ".join(extra),
        )
    return extra
