"""The compliance tests TEST01 to TEST09 of a closed or network result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mlrepo.checker.accuracy.hash import judge_hash_of_test
from mlrepo.checker.compliance.runs import (
    KEYS,
    TestRun,
    expected_entries,
    judge_belonging,
    judge_copies,
    judge_scores,
    judge_settings,
    run_prints,
)
from mlrepo.checker.compliance.texts import (
    judge_responses,
    judge_test06,
    judge_test06_log,
    judge_test07,
    judge_test08,
    judge_test09,
    judge_test_log,
    judge_verdict,
)
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.runs.old_performance import scan_summary
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.logs.verify import (
    failed_test06_checks,
    has_baseline,
    metrics_of,
    passed,
    passed_on_its_own_line,
)
from mlrepo.tree import Kind, Missing

# Tests with a performance run of their own, by the first letters of their names.
_WITH_RUN = ("TEST01", "TEST04", "TEST05")
_RUN = "performance/run_1"
# What TEST01 is judged by where its responses differ.
_TEXTS = frozenset({"baseline_accuracy.txt", "compliance_accuracy.txt"})
_DETAIL = "mlperf_log_detail.txt"
_SUMMARY = "mlperf_log_summary.txt"


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


def judge_compliance(scope: Scope, judge_run: Callable[[str, str], Run], performance: Run) -> bool:
    """Judge all tests of a result.

    Parameters
    ----------
    scope:
        The result.
    judge_run:
        Judges a test's performance run by the rules of performance runs: ``(directory, test)``.
    performance:
        The performance run of the result.

    Returns
    -------
    bool
        What the round's official checker thinks of the tests, for its summary. Up to v2.0 only
        the last test's performance counts there.
    """
    kind = "compliance" if scope.round.tables["layout"]["measurements"].find("results") < 0 else ""
    base = scope.below(kind or "results")
    binding = _is_binding(scope)
    good_performance, good_accuracy = True, True
    official = _Runs(scope, judge_run) if binding else None
    runs: dict[str, TestRun] = {}
    for test in required_tests(scope):
        path = f"{base}/{test}"
        if not scope.exists(path):
            scope.report("compliance", path, f"The compliance test {test} is missing.")
            good = False
        elif test.startswith(_WITH_RUN):
            good, scan = _judge_run(scope, path, test, official)
            if scan.values:
                runs[test] = TestRun(test, _log(scope, f"{path}/{_RUN}"), scan)
        else:
            good = True
            runs |= _other_run(scope, path, test)
        good_performance = good and (good_performance or not binding)
        good_accuracy &= _judge_accuracy(scope, path, test, runs.get(test))
        Docket(scope).record(judge_hash_of_test(scope, f"{path}/accuracy"))
    own = TestRun("", _log(scope, f"{scope.path}/{_RUN}"), performance.scan)
    _judge_runs(scope, base, runs, own)
    return good_performance and good_accuracy


def _judge_runs(scope: Scope, base: str, runs: Mapping[str, TestRun], own: TestRun) -> None:
    """Strict: are the runs those tests, and are they verified against this performance run?"""
    copied = judge_copies(scope, list(runs.values()), own)
    tests = {test: run for test, run in runs.items() if test not in copied}
    for run in runs.values():
        scope.prints += run_prints(run.test, run.scan)
    for run in tests.values():
        judge_settings(scope, run)
        judge_belonging(scope, run, own)
    for test, run in tests.items():
        path = f"{base}/{test}/verify_performance.txt"
        text = scope.text(path)
        # TEST04-A and -B are verified together; the text is in A.
        if not test.startswith(_WITH_RUN) or test == "TEST04-B" or not passed(text or ""):
            continue
        pairs = {"reference": own, "test": run}
        if test == "TEST04-A":
            pairs = {"test04-a": run, "test04-b": runs.get("TEST04-B", run)}
        judge_verdict(scope, path, text or "")
        _judge_validity(scope, path, run)
        judge_scores(scope, path, text or "", pairs, test)


def _judge_validity(scope: Scope, path: str, run: TestRun) -> None:
    """Report a pass of an INVALID run up to v2.0; later ones are judged as every run is.

    The scripts for TEST04 never asked for a valid run.
    """
    validity = run.values.get("result_validity")
    if not _is_binding(scope) and not run.test.startswith("TEST04") and validity != "VALID":
        scope.report(
            "compliance-text",
            path,
            "The text passes a run that is not VALID.",
            line=scope.line_of(path, "TEST PASS"),
            expected="VALID",
            actual=validity or "no verdict",
            official=False,
        )


def _other_run(scope: Scope, path: str, test: str) -> dict[str, TestRun]:
    """Return the run of a test whose log no official checker reads, where there is one."""
    log = _log(scope, f"{path}/{_RUN}")
    if not scope.exists(log):
        return {}
    scan = _read_form(scope, log)
    return {test: TestRun(test, log, scan)} if scan.values else {}


def _log(scope: Scope, directory: str) -> str:
    """Return what is read of a run: up to v0.7 the summary."""
    return f"{directory}/{_DETAIL if scope.round.has_detail_log() else _SUMMARY}"


def _is_binding(scope: Scope) -> bool:
    return _number(scope) >= (2, 1)


def _number(scope: Scope) -> tuple[int, ...]:
    return tuple(int(part) for part in scope.round.name[1:].split("."))


class _Runs:
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


def _judge_run(scope: Scope, path: str, test: str, runs: _Runs | None) -> tuple[bool, DetailScan]:
    """Return the official verdict on the test's performance, and what its log says."""
    good = True
    if test != "TEST04-B":
        good = _judge_text(scope, f"{path}/verify_performance.txt")
    run = f"{path}/{_RUN}"
    if not scope.exists(run):
        scope.report("compliance", run, f"{test} has no {_RUN} directory.")
        return False, DetailScan()
    entry = scope.tree.entry(run)
    if (
        entry is not None
        and entry.kind is Kind.FILE
        and _is_binding(scope)
        and not is_modular(scope.round)
    ):
        scope.dies(run, "it lists the logs in what is a file")
    wanted = scope.round.tables["required_files"]["compliance_performance"]
    missing = [name for name in wanted if name not in scope.files(run)]
    if missing:
        scope.report("compliance", run, f"{test} lacks {', '.join(missing)}.")
    scan = DetailScan()
    if runs is not None:
        extra = _judge_extra(scope, run, {*wanted, "mlperf_log_accuracy.json"}, test)
        good = good and not missing and not extra
        valid, scan = runs.judged(run, test, decides=good)
        good &= valid
    elif not missing:
        scan = _read_form(scope, _log(scope, run))
    return good, scan


def _read_form(scope: Scope, path: str) -> DetailScan:
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
        warns = bool(scan.values) and not _is_binding(scope)
        scope.report(
            "unreadable", path, problem, line=scan.problem_line, official=False, warns=warns
        )
        return DetailScan()
    return scan


def _judge_extra(scope: Scope, directory: str, wanted: set[str], test: str) -> list[str]:
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


def _report_no_text(scope: Scope, path: str) -> None:
    """Report a verification that is missing; of one that it cannot read the checker dies."""
    why = scope.no_text(path)
    problem = f"cannot be read: {why}" if why else "is missing"
    scope.report("compliance", path, f"The verification {problem}.")
    if why and not is_modular(scope.round):
        scope.dies(path, why)


def _judge_text(scope: Scope, path: str, passes: Callable[[str], bool] = passed) -> bool:
    text = scope.text(path)
    if text is None:
        _report_no_text(scope, path)
        return False
    if not passes(text):
        scope.report(
            "compliance",
            path,
            "The verification failed.",
            expected="TEST PASS",
            line=scope.line_of(path, "TEST FAIL"),
        )
        return False
    return True


def _judge_accuracy(scope: Scope, path: str, test: str, run: TestRun | None) -> bool:
    if test in ("TEST07", "TEST08", "TEST09"):
        name = "verify_output_len.txt" if test == "TEST09" else "verify_accuracy.txt"
        verdict = f"{path}/{name}"
        good = _judge_text(scope, verdict, passed_on_its_own_line if test == "TEST08" else passed)
        if good:
            _judge_answers(scope, verdict, test)
        return good
    if test not in ("TEST01", "TEST06"):
        return True
    verdict = f"{path}/verify_accuracy.txt"
    text = scope.text(verdict)
    if text is None:
        _report_no_text(scope, verdict)
        return False
    if test == "TEST06":
        failed = failed_test06_checks(text)
        if failed:
            scope.report(
                "compliance",
                verdict,
                "TEST06 failed.",
                expected="; ".join(failed),
                line=scope.line_of(verdict, failed[0].partition(":")[0]),
            )
        else:
            judge_test06(scope, verdict, text)
            judge_test06_log(scope, f"{path}/accuracy/mlperf_log_accuracy.json")
            judge_test_log(scope, test, f"{path}/accuracy/mlperf_log_accuracy.json")
        return not failed
    modular = _number(scope) >= (6, 0)
    sure = passed_on_its_own_line(text) if modular else passed(text)
    if sure:
        judge_verdict(scope, verdict, text)
        judge_test_log(scope, test, f"{path}/accuracy/mlperf_log_accuracy.json")
        judge_responses(scope, verdict, text, expected_entries(run.values) if run else 0)
        if has_baseline(text):
            _judge_delta(scope, f"{path}/accuracy", official=False)
    return _judge_test01(scope, path, sure, files_matter=not (modular and sure))


def _judge_answers(scope: Scope, path: str, test: str) -> None:
    """Strict: judge the numbers in the text of a test that judges answers alone."""
    text = scope.text(path) or ""
    judge_verdict(scope, path, text)
    if test == "TEST07":
        judge_test07(scope, path, text)
    elif test == "TEST08":
        judge_test08(scope, path, text)
    else:
        judge_test09(scope, path, text)


def _judge_test01(scope: Scope, path: str, sure: bool, *, files_matter: bool) -> bool:
    directory = f"{path}/accuracy"
    files = scope.files(directory)
    key = "test01_accuracy_if_pass" if sure else "test01_accuracy_if_fail"
    wanted = scope.round.tables["required_files"][key]
    missing = [name for name in wanted if name not in files]
    if (
        files_matter
        and not missing
        and _is_binding(scope)
        and _judge_extra(scope, directory, set(wanted), "TEST01")
    ):
        return False
    if missing:
        # Up to v2.0 the texts count, and not what is kept beside them.
        warns = not _is_binding(scope) and _TEXTS.isdisjoint(missing)
        scope.report(
            "compliance",
            directory,
            f"TEST01 lacks {', '.join(missing)}.",
            official=None if files_matter else False,
            warns=warns,
        )
        if warns and not sure:
            _judge_delta(scope, directory, official=False)
        binding = files_matter and _is_binding(scope)
        return scope.exists(directory) if not binding else False
    return sure or _judge_delta(scope, directory)


def _judge_delta(scope: Scope, directory: str, official: bool | None = None) -> bool:
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
                "compliance",
                directory,
                f"TEST01: {metric} differs from the accuracy run's.",
                expected=f"within {allowed} %",
                actual=f"{before[metric]}, {after[metric]}",
                official=official,
            )
            # Up to v2.0 the official checker lets TEST01's accuracy fail.
            return not _is_binding(scope)
    return True
