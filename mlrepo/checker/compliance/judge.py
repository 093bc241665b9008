"""Judge the compliance tests of a closed or network result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mlrepo.checker.accuracy.hash import judge_hash_of_test
from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.compliance.accuracy import judge_accuracy
from mlrepo.checker.compliance.performance import judge_test_run, log_in, read_form
from mlrepo.checker.compliance.runs import (
    TestRun,
    judge_belonging,
    judge_copies,
    judge_scores,
    judge_settings,
    run_prints,
)
from mlrepo.checker.compliance.texts import breaches_of
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.audits import OfficialAudits
from mlrepo.checker.runs.performance import Run
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest, UnknownTest, compliance_test
from mlrepo.compliance.evidence import TextFault
from mlrepo.compliance.texts import verdict_faults
from mlrepo.logs.scan import DetailScan
from mlrepo.logs.verify import passed

_RUN = "performance/run_1"


def required_tests(scope: Scope) -> list[str]:
    """Return the names of the tests that the round requires of this result; none in open."""
    if scope.is_open:
        return []
    tests = scope.round.tables["compliance_tests"].get(scope.model) or []
    if isinstance(tests, dict):
        # Up to v1.1 the directory's name was compared with MultiStream, case included.
        name = scope.place.scenario
        other = scope.scenario if name != "multistream" else "Offline"
        return list(tests.get(name) or tests.get(other) or [])
    return list(tests)


def judge_compliance(
    docket: Docket, judge_run: Callable[[str, str], Run], performance: Run
) -> bool:
    """Judge all tests of a result.

    Parameters
    ----------
    docket:
        The docket of the result.
    judge_run:
        Judges a test's performance run by the rules of performance runs: ``(directory, test)``.
    performance:
        The performance run of the result.

    Returns
    -------
    bool
        The official checker's verdict on the tests, for its summary. Where tests are not binding,
        only the last test's performance counts there.
    """
    scope = docket.scope
    kind = "compliance" if scope.round.tables["layout"]["measurements"].find("results") < 0 else ""
    base = scope.below(kind or "results")
    audits = OfficialAudits(docket, judge_run)
    good_performance, good_accuracy = True, True
    runs: dict[str, TestRun] = {}
    for name in required_tests(scope):
        path, test = f"{base}/{name}", compliance_test(name)
        good, scan = _judge_performance(docket, path, test, audits)
        if scan.values:
            runs[name] = TestRun(name, log_in(scope, f"{path}/{_RUN}"), scan)
        good_performance = good and (good_performance or not audits.binding)
        good_accuracy &= judge_accuracy(docket, path, test, runs.get(name), audits)
        docket.record(judge_hash_of_test(scope, f"{path}/accuracy"))
    own = TestRun("", log_in(scope, f"{scope.path}/{_RUN}"), performance.scan)
    docket.record(_judge_runs(scope, base, runs, own))
    return good_performance and good_accuracy


def _judge_performance(
    docket: Docket, path: str, test: ComplianceTest, audits: OfficialAudits
) -> tuple[bool, DetailScan]:
    """Return the official verdict on a test without its accuracy, and what its run's log says."""
    scope, scan = docket.scope, DetailScan()
    if not scope.exists(path):
        docket.record([Breach("compliance", path, f"The compliance test {test.name} is missing.")])
        return False, scan
    if isinstance(test, UnknownTest):
        message = f"mlrepo does not know {test.name}: whether it passed was not checked."
        docket.record([Breach("compliance", path, message, part="unknown", is_slight=True)])
    if test.runs_performance:
        return judge_test_run(docket, path, test, audits)
    log = log_in(scope, f"{path}/{_RUN}")
    if scope.exists(log):  # which no official checker reads
        _, scan = docket.judged(read_form(scope, log))
    return True, scan


def _judge_runs(scope: Scope, base: str, runs: Mapping[str, TestRun], own: TestRun) -> Breaches:
    """Strict: is each run really that test, and verified against this performance run?"""
    copied = yield from judge_copies(list(runs.values()), own)
    tests = {test: run for test, run in runs.items() if test not in copied}
    for run in runs.values():
        scope.prints += run_prints(run.test, run.scan)
    for run in tests.values():
        yield from judge_settings(scope, run)
        yield from judge_belonging(scope, run, own)
    for test, run in tests.items():
        path = f"{base}/{test}/{run.about.performance_text}"
        text = scope.text(path) or "" if run.about.performance_text else ""
        if not passed(text):
            continue
        pairs = {
            name: run if of == test else runs.get(of, run) if of else own
            for name, of in run.about.scores().items()
        }
        yield from breaches_of(scope, path, verdict_faults(text))
        # Where tests are binding, their runs are judged like any performance run.
        if not scope.round.binding_compliance and run.about.wants_valid_run:
            yield from breaches_of(scope, path, _invalid(run))
        yield from judge_scores(scope, path, text, pairs, test)


def _invalid(run: TestRun) -> Iterator[TextFault]:
    """Yield a fault if the run is not VALID."""
    validity = run.values.get("result_validity")
    if validity != "VALID":
        yield TextFault(
            "The verification passes a run that is not VALID.",
            "TEST PASS",
            expected="VALID",
            actual=validity or "no verdict",
        )
