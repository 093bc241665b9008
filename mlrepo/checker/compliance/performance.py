"""The performance run of a compliance test, as the official checkers look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlrepo.checker.compliance.runs import KEYS
from mlrepo.checker.compliance.texts import judge_extra, report_failure, report_no_text
from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.runs.old_performance import scan_summary
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import VERIFICATION_FAILED
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.logs.verify import passed
from mlrepo.tree import Kind, Missing

_RUN = "performance/run_1"
_DETAIL = "mlperf_log_detail.txt"
_SUMMARY = "mlperf_log_summary.txt"


def log_in(scope: Scope, directory: str) -> str:
    """Return what is read of a run: up to v0.7 the summary."""
    return f"{directory}/{_DETAIL if scope.round.has_detail_log() else _SUMMARY}"


class OfficialRuns:
    """The performance runs of a result's tests, as the official checkers look at them in turn."""

    def __init__(self, scope: Scope, judge_run: Callable[[str, str], Run]) -> None:
        self._scope, self._judge_run = scope, judge_run
        self._last: bool | None = None

    def judged(self, directory: str, test: str, *, decides: bool) -> tuple[bool, DetailScan]:
        """Judge a test's run; return the verdict and what its log says.

        Up to v5.1 the official checker keeps the verdict on the test before when it cannot compute
        with a log; on the first test it dies where the run ``decides``: all else is in order.
        """
        scope = self._scope
        before = len(scope.findings)
        run = self._judge_run(directory, test)
        if not run.raised or is_modular(scope.round):
            self._last = run.official
            return run.official, run.scan
        if self._last is None and decides:
            scope.dies(directory, f"it has no verdict on a test before {test}")
        if self._last:
            for at, finding in enumerate(scope.findings[before:], start=before):
                scope.findings[at] = replace(finding, breaks_official=False)
        return bool(self._last), run.scan


def judge_test_run(
    scope: Scope, path: str, test: ComplianceTest, runs: OfficialRuns | None
) -> tuple[bool, DetailScan]:
    """Return the official verdict on the test's performance, and what its log says.

    ``runs`` is None where the round's checker does not look at the runs of tests.
    """
    good = True
    if test.performance_text:
        good = _judge_text(scope, f"{path}/{test.performance_text}")
    run = f"{path}/{_RUN}"
    if not scope.exists(run):
        scope.report("compliance", run, f"{test.name} has no {_RUN} directory.")
        return False, DetailScan()
    entry = scope.tree.entry(run)
    if (
        entry is not None
        and entry.kind is Kind.FILE
        and runs is not None
        and not is_modular(scope.round)
    ):
        scope.dies(run, "it lists the logs in what is a file")
    wanted = scope.round.tables["required_files"]["compliance_performance"]
    missing = [name for name in wanted if name not in scope.files(run)]
    if missing:
        scope.report("compliance", run, f"{test.name} lacks {', '.join(missing)}.")
    scan = DetailScan()
    if runs is not None:
        extra = judge_extra(scope, run, {*wanted, "mlperf_log_accuracy.json"}, test.name)
        good = good and not missing and not extra
        valid, scan = runs.judged(run, test.name, decides=good)
        good &= valid
    elif not missing:
        scan = read_form(scope, log_in(scope, run), binding=False)
    return good, scan


def read_form(scope: Scope, path: str, *, binding: bool) -> DetailScan:
    """Return what a log says that no official checker reads; report a damaged one."""
    if not scope.round.has_detail_log():
        scan = scan_summary(scope.text(path, 1 << 20) or "", scope.round)
        if scan.values["effective_scenario"]:
            return scan
        scope.report("unreadable", path, "No line of it is LoadGen's.", official=False)
        return DetailScan()
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, KEYS, first_only=True)
    except Missing as missing:
        scope.report("unreadable", path, f"It {missing}.", official=False)
        return DetailScan()
    if scan.problem or not scan.has_events:
        problem = scan.problem or "no line of LoadGen stands in it"
        # Up to v2.0 the texts are judged alone: one broken line in LoadGen's log is no breach.
        warns = bool(scan.values) and not binding
        scope.report(
            "unreadable", path, problem, line=scan.problem_line, official=False, warns=warns
        )
        return DetailScan()
    return scan


def _judge_text(scope: Scope, path: str) -> bool:
    text = scope.text(path)
    if text is None:
        report_no_text(scope, path)
        return False
    if not passed(text):
        report_failure(scope, path, VERIFICATION_FAILED)
        return False
    return True
