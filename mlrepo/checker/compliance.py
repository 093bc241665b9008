"""The compliance tests TEST01 to TEST09 of a closed or network result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlrepo.checker.modular import is_modular
from mlrepo.checker.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import scan_detail
from mlrepo.logs.verify import (
    failed_test06_checks,
    metrics_of,
    passed,
    passed_on_its_own_line,
    scores,
)
from mlrepo.tree import Missing

# Tests with a performance run of their own, by the first letters of their names.
_WITH_RUN = ("TEST01", "TEST04", "TEST05")
_RUN = "performance/run_1"
_DETAIL = "mlperf_log_detail.txt"
# How far the score may lie from the performance run's, and latencies so short that 20 % may.
_TOLERANCES = {"TEST01": 0.1, "TEST05": 0.05}
_SHORT_NS = {"SingleStream": 200_000, "MultiStream": 1_600_000}
_SAME_LOG_LIMIT = 64 << 20


def required_tests(scope: Scope) -> list[str]:
    """Return the names of the tests that the round asks of this result; none in open."""
    if scope.is_open:
        return []
    tests = scope.round.tables["compliance_tests"].get(scope.model) or []
    if isinstance(tests, dict):
        # Up to v1.1 the directory's name was compared with MultiStream, case included.
        name = scope.place.scenario
        tests = tests.get(name) or tests.get(scope.scenario if name != "multistream" else "Offline")
    return list(tests or [])


def judge_compliance(scope: Scope, judge_run: Callable[[str, str], Run]) -> bool:
    """Judge all tests of a result.

    Parameters
    ----------
    scope:
        The result.
    judge_run:
        Judges a test's performance run by the rules of performance runs: ``(directory, test)``.

    Returns
    -------
    bool
        What the round's official checker thinks of the tests, for its summary. Up to v2.0 only
        the last test's performance counts there.
    """
    kind = "compliance" if scope.round.tables["layout"]["measurements"].find("results") < 0 else ""
    base = scope.below(kind or "results")
    tests = required_tests(scope)
    binding = _is_binding(scope)
    performance, accuracy = True, True
    runs = _Runs(scope, judge_run) if binding else None
    for test in tests:
        path = f"{base}/{test}"
        if not scope.exists(path):
            scope.report("compliance", path, f"The compliance test {test} is missing.")
            good = False
        else:
            looked_at = test.startswith(_WITH_RUN)
            good = not looked_at or _judge_run(scope, path, test, runs)
        performance = good and (performance or not binding)
        accuracy &= _judge_accuracy(scope, path, test)
    return performance and accuracy


def _is_binding(scope: Scope) -> bool:
    return _number(scope) >= (2, 1)


def _number(scope: Scope) -> tuple[int, ...]:
    return tuple(int(part) for part in scope.round.name[1:].split("."))


class _Runs:
    """The performance runs of a result's tests, as the official checkers look at them in turn."""

    def __init__(self, scope: Scope, judge_run: Callable[[str, str], Run]) -> None:
        self._scope, self._judge_run = scope, judge_run
        self._last: bool | None = None

    def is_valid(self, directory: str, test: str, *, decides: bool) -> bool:
        """Judge a test's run.

        Up to v5.1 the official checker keeps the verdict on the test before when it cannot compute
        with a log; on the first test it dies where the run ``decides``: all else is in order.
        """
        scope = self._scope
        before = len(scope.findings)
        run = self._judge_run(directory, test)
        if not run.raised or is_modular(scope.round):
            self._last = run.official
            return run.official
        if self._last is None and decides:
            message = f"The official checker dies: it has no verdict on a test before {test}."
            scope.report("official-crash", directory, message, official=True)
        if self._last:
            for at, finding in enumerate(scope.findings[before:], start=before):
                scope.findings[at] = replace(finding, breaks_official=False)
        return bool(self._last)


def _judge_run(scope: Scope, path: str, test: str, runs: _Runs | None) -> bool:
    good = True
    if test != "TEST04-B":
        # TEST04-A and -B are verified together; the text stands in A.
        good = _judge_text(scope, f"{path}/verify_performance.txt")
        _judge_scores(scope, f"{path}/verify_performance.txt", test)
    run = f"{path}/{_RUN}"
    if not scope.exists(run):
        scope.report("compliance", run, f"{test} has no {_RUN} directory.")
        return False
    wanted = scope.round.tables["required_files"]["compliance_performance"]
    missing = [name for name in wanted if name not in scope.files(run)]
    if missing:
        scope.report("compliance", run, f"{test} lacks {', '.join(missing)}.")
    if runs is not None:
        extra = _judge_extra(scope, run, {*wanted, "mlperf_log_accuracy.json"}, test)
        good = good and not missing and not extra
        good &= runs.is_valid(run, test, decides=good)
    elif not missing:
        _judge_form(scope, f"{run}/{_DETAIL}")
    _judge_copy(scope, f"{run}/{_DETAIL}", test)
    return good


def _judge_form(scope: Scope, path: str) -> None:
    """Report a damaged log in the rounds whose official checkers read no log of a test."""
    if not scope.round.has_detail_log():
        return
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, ())
    except Missing as missing:
        scope.report("unreadable", path, f"It {missing}.", official=False)
        return
    if scan.problem or not scan.has_events:
        problem = scan.problem or "no line of LoadGen stands in it"
        scope.report("unreadable", path, problem, line=scan.problem_line, official=False)


def _judge_scores(scope: Scope, path: str, test: str) -> None:
    """Hold the scores in the verification against the tolerance that its TEST PASS stands for.

    TEST04 is left out: there only a faster run fails, and which is faster depends on the metric.
    """
    found = scores(scope.text(path) or "")
    if test not in _TOLERANCES or found is None:
        return
    reference, score = found
    short = reference <= _SHORT_NS.get(scope.scenario, 0)
    tolerance = 0.2 if short else _TOLERANCES[test]
    if not abs(score - reference) <= tolerance * reference:
        scope.report(
            "compliance-unlike-performance", path, f"{test} and the performance run differ.",
            line=scope.line_of(path, "est score"),
            expected=f"{reference:g} within {tolerance:.0%}", actual=f"{score:g}",
        )  # fmt: skip


def _judge_extra(scope: Scope, directory: str, wanted: set[str], test: str) -> list[str]:
    """Report and return the files that do not belong there; since v2.1 they break the test."""
    wanted = wanted | set(scope.round.tables["required_files"]["always_optional"])
    extra = sorted(set(scope.files(directory)) - wanted)
    if extra:
        scope.report(
            "compliance", directory, f"{test} holds files that do not belong there.",
            expected=", ".join(sorted(wanted)), actual=", ".join(extra),
        )  # fmt: skip
    return extra


def _judge_text(scope: Scope, path: str, passes: Callable[[str], bool] = passed) -> bool:
    text = scope.text(path)
    if text is None:
        scope.report("compliance", path, "The verification is missing or cannot be read.")
        return False
    if not passes(text):
        scope.report("compliance", path, "The verification failed.", expected="TEST PASS",
                     line=scope.line_of(path, "TEST FAIL"))  # fmt: skip
        return False
    return True


def _judge_accuracy(scope: Scope, path: str, test: str) -> bool:
    if test == "TEST09":
        return _judge_text(scope, f"{path}/verify_output_len.txt")
    if test == "TEST07":
        return _judge_text(scope, f"{path}/verify_accuracy.txt")
    if test == "TEST08":
        return _judge_text(scope, f"{path}/verify_accuracy.txt", passed_on_its_own_line)
    if test not in ("TEST01", "TEST06"):
        return True
    verdict = f"{path}/verify_accuracy.txt"
    text = scope.text(verdict)
    if text is None:
        scope.report("compliance", verdict, "The verification is missing or cannot be read.")
        return False
    if test == "TEST06":
        failed = failed_test06_checks(text)
        if failed:
            scope.report("compliance", verdict, "TEST06 failed.", expected="; ".join(failed),
                         line=scope.line_of(verdict, failed[0].partition(":")[0]))  # fmt: skip
        return not failed
    modular = _number(scope) >= (6, 0)
    sure = passed_on_its_own_line(text) if modular else passed(text)
    return _judge_test01(scope, path, sure, files_matter=not (modular and sure))


def _judge_test01(scope: Scope, path: str, sure: bool, *, files_matter: bool) -> bool:
    directory = f"{path}/accuracy"
    files = scope.files(directory)
    key = "test01_accuracy_if_pass" if sure else "test01_accuracy_if_fail"
    wanted = scope.round.tables["required_files"][key]
    missing = [name for name in wanted if name not in files]
    if (
        files_matter and not missing and _is_binding(scope)
        and _judge_extra(scope, directory, set(wanted), "TEST01")
    ):  # fmt: skip
        return False
    if missing:
        scope.report(
            "compliance", directory, f"TEST01 lacks {', '.join(missing)}.",
            official=None if files_matter else False,
        )  # fmt: skip
        binding = files_matter and _is_binding(scope)
        return scope.exists(directory) if not binding else False
    return sure or _judge_delta(scope, directory)


def _judge_delta(scope: Scope, directory: str) -> bool:
    """Judge a test that is not deterministic: both accuracies must lie near each other."""
    tables = scope.round.tables
    metrics = [t["metric"] for t in scope.round.accuracy_targets(scope.model, scope.scenario)]
    texts = [
        scope.text(f"{directory}/{name}_accuracy.txt") or "" for name in ("baseline", "compliance")
    ]
    before, after = (metrics_of(text, tables["accuracy_pattern"], metrics) for text in texts)
    default = tables.get("accuracy_delta_percent_default") or {"99.9": 0.1, "other": 1.0}
    own = (tables.get("accuracy_delta_percent") or {}).get(scope.model) or {}
    for metric in metrics:
        allowed = own.get(metric, default["99.9" if "99.9" in scope.model else "other"])
        known = before[metric] and after[metric]
        delta = abs(1 - before[metric] / after[metric]) * 100 if known else float("inf")
        if not delta <= allowed:
            scope.report(
                "compliance", directory, f"TEST01: {metric} differs from the accuracy run's.",
                expected=f"within {allowed} %", actual=f"{before[metric]}, {after[metric]}",
            )  # fmt: skip
            # Up to v2.0 the official checker lets TEST01's accuracy fail.
            return not _is_binding(scope)
    return True


def _judge_copy(scope: Scope, path: str, test: str) -> None:
    own = f"{scope.path}/{_RUN}/{_DETAIL}"
    here, there = scope.tree.entry(path), scope.tree.entry(own)
    if here is None or there is None or here.size != there.size or here.size <= 0:
        return
    try:
        same = scope.tree.read(path, _SAME_LOG_LIMIT) == scope.tree.read(own, _SAME_LOG_LIMIT)
    except Missing:
        return
    if same:
        scope.report("compliance-copied", path, f"{test} holds the log of the performance run.")
