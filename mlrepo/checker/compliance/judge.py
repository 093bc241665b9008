"""The compliance tests of a closed or network result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mlrepo.checker.accuracy.hash import judge_hash_of_test
from mlrepo.checker.compliance.accuracy import judge_accuracy
from mlrepo.checker.compliance.performance import (
    OfficialRuns,
    judge_test_run,
    log_in,
    read_form,
)
from mlrepo.checker.compliance.runs import (
    TestRun,
    judge_belonging,
    judge_copies,
    judge_scores,
    judge_settings,
    run_prints,
)
from mlrepo.checker.compliance.texts import report_faults
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.compliance import UnknownTest, compliance_test
from mlrepo.compliance.evidence import TextFault
from mlrepo.compliance.texts import verdict_faults
from mlrepo.logs.verify import passed

_RUN = "performance/run_1"


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
    binding = scope.round.binding_compliance
    good_performance, good_accuracy = True, True
    official = OfficialRuns(scope, judge_run) if binding else None
    runs: dict[str, TestRun] = {}
    for test in required_tests(scope):
        path, about = f"{base}/{test}", compliance_test(test)
        if not scope.exists(path):
            scope.report("compliance", path, f"The compliance test {test} is missing.")
            good = False
        elif about.runs_performance:
            good, scan = judge_test_run(scope, path, about, official)
            if scan.values:
                runs[test] = TestRun(test, log_in(scope, f"{path}/{_RUN}"), scan)
        else:
            good = True
            runs |= _other_run(scope, path, test, binding=binding)
        if isinstance(about, UnknownTest):
            message = f"mlrepo does not know {test}: whether it passed was not judged."
            scope.report("compliance", path, message, official=False, warns=True)
        good_performance = good and (good_performance or not binding)
        good_accuracy &= judge_accuracy(scope, path, about, runs.get(test), binding=binding)
        Docket(scope).record(judge_hash_of_test(scope, f"{path}/accuracy"))
    own = TestRun("", log_in(scope, f"{scope.path}/{_RUN}"), performance.scan)
    _judge_runs(scope, base, runs, own, binding=binding)
    return good_performance and good_accuracy


def _judge_runs(
    scope: Scope, base: str, runs: Mapping[str, TestRun], own: TestRun, *, binding: bool
) -> None:
    """Strict: are the runs those tests, and are they verified against this performance run?"""
    copied = judge_copies(scope, list(runs.values()), own)
    tests = {test: run for test, run in runs.items() if test not in copied}
    for run in runs.values():
        scope.prints += run_prints(run.test, run.scan)
    for run in tests.values():
        judge_settings(scope, run)
        judge_belonging(scope, run, own)
    for test, run in tests.items():
        path = f"{base}/{test}/{run.about.performance_text}"
        text = scope.text(path) or "" if run.about.performance_text else ""
        if not passed(text):
            continue
        pairs = {
            name: run if of == test else runs.get(of, run) if of else own
            for name, of in run.about.scores().items()
        }
        report_faults(scope, path, verdict_faults(text))
        # Since v2.1 the run is judged as every performance run is.
        if not binding and run.about.wants_valid_run:
            report_faults(scope, path, _invalid(run))
        judge_scores(scope, path, text, pairs, test)


def _invalid(run: TestRun) -> Iterator[TextFault]:
    """Yield that a pass is of an INVALID run."""
    validity = run.values.get("result_validity")
    if validity != "VALID":
        yield TextFault(
            "The text passes a run that is not VALID.",
            "TEST PASS",
            expected="VALID",
            actual=validity or "no verdict",
        )


def _other_run(scope: Scope, path: str, test: str, *, binding: bool) -> dict[str, TestRun]:
    """Return the run of a test whose log no official checker reads, where there is one."""
    log = log_in(scope, f"{path}/{_RUN}")
    if not scope.exists(log):
        return {}
    scan = read_form(scope, log, binding=binding)
    return {test: TestRun(test, log, scan)} if scan.values else {}
