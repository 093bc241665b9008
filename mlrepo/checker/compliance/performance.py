"""Judge the performance run of a compliance test: its verification, files and log."""

from __future__ import annotations

from mlrepo.checker.breach import Breach, Judging
from mlrepo.checker.compliance.runs import KEYS
from mlrepo.checker.compliance.texts import judge_extra, judge_failure, judge_no_text
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.audits import OfficialAudits
from mlrepo.checker.runs.old_performance import scan_summary
from mlrepo.checker.scope import Scope
from mlrepo.compliance import ComplianceTest
from mlrepo.compliance.evidence import VERIFICATION_FAILED
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.logs.verify import passed
from mlrepo.tree import Missing

_RUN = "performance/run_1"
_DETAIL = "mlperf_log_detail.txt"
_SUMMARY = "mlperf_log_summary.txt"


def log_in(scope: Scope, directory: str) -> str:
    """Return the path of the log that is read: up to v0.7 the summary, then the detail log."""
    return f"{directory}/{_DETAIL if scope.round.has_detail_log() else _SUMMARY}"


def judge_test_run(
    docket: Docket, path: str, test: ComplianceTest, audits: OfficialAudits
) -> tuple[bool, DetailScan]:
    """Return the official verdict on the test's performance, and what its log says."""
    scope, good = docket.scope, True
    if test.performance_text:
        good = _judge_text(docket, f"{path}/{test.performance_text}", audits)
    run = f"{path}/{_RUN}"
    if not scope.exists(run):
        docket.record([Breach("compliance", run, f"{test.name} has no {_RUN} directory.")])
        return False, DetailScan()
    docket.record(audits.no_directory(run))
    _, is_whole = docket.judged(_judge_files(scope, run, test, only=audits.binding))
    scan = DetailScan()
    if audits.binding:
        good = good and is_whole
        valid, scan = audits.judged(run, test.name, decides=good)
        good &= valid
    elif is_whole:
        _, scan = docket.judged(read_form(scope, log_in(scope, run)))
    return good, scan


def _judge_text(docket: Docket, path: str, audits: OfficialAudits) -> bool:
    text = docket.scope.text(path)
    if text is None:
        docket.record(judge_no_text(docket.scope, path))
        docket.record(audits.no_text(path))
    elif not passed(text):
        docket.record(judge_failure(docket.scope, path, VERIFICATION_FAILED))
    return text is not None and passed(text)


def _judge_files(
    scope: Scope, directory: str, test: ComplianceTest, *, only: bool
) -> Judging[bool]:
    """Judge the list of logs; return whether it is what the round asks for.

    ``only``: other files are a breach, too.
    """
    wanted = scope.round.tables["required_files"]["compliance_performance"]
    missing = [name for name in wanted if name not in scope.files(directory)]
    if missing:
        yield Breach("compliance", directory, f"{test.name} lacks {', '.join(missing)}.")
    extra: list[str] = []
    if only:
        known = {*wanted, "mlperf_log_accuracy.json"}
        extra = yield from judge_extra(scope, directory, known, test.name)
    return not missing and not extra


def read_form(scope: Scope, path: str) -> Judging[DetailScan]:
    """Return what a log says that no official checker reads; yield if it is not a log."""
    if not scope.round.has_detail_log():
        scan = scan_summary(scope.text(path, 1 << 20) or "", scope.round)
        if scan.values["effective_scenario"]:
            return scan
        yield _unread(path, "None of its lines is LoadGen's.")
        return DetailScan()
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, KEYS, first_only=True)
    except Missing as missing:
        yield _unread(path, f"It {missing}.")
        return DetailScan()
    if scan.problem or not scan.has_events:
        problem = scan.problem or "it has no line of LoadGen"
        # Where only the texts decide, one broken line in LoadGen's log is just a warning.
        slight = bool(scan.values) and not scope.round.binding_compliance
        yield _unread(path, problem, scan.problem_line, is_slight=slight)
        return DetailScan()
    return scan


def _unread(path: str, message: str, line: int = 0, *, is_slight: bool = False) -> Breach:
    return Breach("unreadable", path, message, line, part="test", is_slight=is_slight)
