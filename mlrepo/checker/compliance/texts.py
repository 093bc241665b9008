"""Report what is found in the files of a test: verifications, accuracy logs, files too many."""

from __future__ import annotations

from collections.abc import Iterable

from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import TextFault
from mlrepo.tree import Missing

_LARGEST_COPY = 1 << 20


def report_faults(scope: Scope, path: str, faults: Iterable[TextFault]) -> None:
    """Report faults of the file at the path; no official checker sees them."""
    for fault in faults:
        needle = fault.needle and scope.line_of(path, fault.needle)
        scope.report(
            fault.rule,
            path,
            fault.message,
            line=fault.line or needle or 0,
            expected=fault.expected,
            actual=fault.actual,
            official=False,
        )


def report_no_text(scope: Scope, path: str) -> None:
    """Report a verification that is missing; of one that it cannot read the checker dies."""
    why = scope.no_text(path)
    problem = f"cannot be read: {why}" if why else "is missing"
    scope.report("compliance", path, f"The verification {problem}.")
    if why and not is_modular(scope.round):
        scope.dies(path, why)


def report_failure(scope: Scope, path: str, fault: TextFault) -> None:
    """Report a verification that failed."""
    scope.report(
        "compliance",
        path,
        fault.message,
        expected=fault.expected,
        line=scope.line_of(path, fault.needle),
    )


def judge_answers(scope: Scope, path: str, test: ComplianceTest) -> None:
    """Judge the accuracy log of a test that passed, where its answers are submitted whole."""
    if test.answers_limit:
        try:
            log = scope.tree.read(path, test.answers_limit)
        except Missing:
            return  # which other rules say
        report_faults(scope, path, test.answer_faults(log))


def judge_test_log(scope: Scope, path: str, test: ComplianceTest) -> None:
    """Report a test's accuracy log that holds nothing, or that is the log of the accuracy run."""
    own = f"{scope.path}/accuracy/mlperf_log_accuracy.json"
    entry, other = scope.tree.entry(path), scope.tree.entry(own)
    if entry is None or not 0 <= entry.size <= _LARGEST_COPY:
        return
    try:
        log = scope.tree.read(path, _LARGEST_COPY)
        if not log.strip():
            message = f"The test passes, but the accuracy log of {test.name} is empty."
            scope.report("compliance-text", path, message, official=False)
        elif (
            b'"data"' in log
            and other is not None
            and other.size == entry.size
            and log == scope.tree.read(own, _LARGEST_COPY)
        ):
            message = f"{test.name} holds the log of the accuracy run."
            scope.report(test.copied_log, path, message)
    except Missing:
        return  # which other rules say


def judge_extra(scope: Scope, directory: str, wanted: set[str], test: str) -> list[str]:
    """Report and return the files that do not belong there; since v2.1 they break the test."""
    wanted = wanted | set(scope.round.tables["required_files"]["always_optional"])
    extra = sorted(set(scope.files(directory)) - wanted)
    if extra:
        scope.report(
            "compliance",
            directory,
            f"{test} holds files that do not belong there.",
            expected=", ".join(sorted(wanted)),
            actual=", ".join(extra),
        )
    return extra
