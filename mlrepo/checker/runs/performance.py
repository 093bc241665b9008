"""Judge one performance run: a directory with LoadGen's logs (also one of a compliance test)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs import equal_issue
from mlrepo.checker.runs.limits import judge_limits, line_of_key
from mlrepo.checker.runs.log_errors import errors_in, first_error_line
from mlrepo.checker.runs.numbers import Unjudgeable
from mlrepo.checker.runs.old_performance import read_old_run
from mlrepo.checker.runs.result import RATE, in_unit_of_summary, inferred, result_of, scan_log
from mlrepo.checker.runs.run_facts import judge_performance_facts
from mlrepo.checker.runs.tokens import has_token_latencies
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import DetailScan
from mlrepo.rounds.inference import sources_of
from mlrepo.scenarios import named
from mlrepo.tree import Missing


@dataclass
class Run:
    """A judged run.

    Attributes
    ----------
    official:
        The official verdict on the run.
    value:
        The result in the official checker's unit; None if it reads none.
    copied:
        The log's own value, digits and type included, if the official checker takes it unchanged as
        the result; None if it computes the result.
    raised:
        Whether the official checker ends with an error instead of a verdict on the run.
    inferred:
        Whether the result is computed from a run of another scenario.
    scenario:
        As the log says, in LoadGen's spelling; empty if unknown.
    scan:
        What the detail log says.
    """

    official: bool = False
    value: float | None = None
    copied: object = None
    raised: bool = False
    inferred: bool = False
    scenario: str = ""
    scan: DetailScan = field(default_factory=DetailScan)

    @property
    def printed(self) -> object:
        """Return the result as the official summary prints it; None if there is none."""
        return self.value if self.copied is None else self.copied


def judge_run(docket: Docket, directory: str, test: str = "") -> Run:
    """Judge the logs in ``directory``; ``test`` is the compliance test they belong to."""
    scope, modern = docket.scope, docket.scope.round.has_detail_log()
    path = f"{directory}/mlperf_log_{'detail' if modern else 'summary'}.txt"
    accepted, scan = docket.judged(_read(scope, path) if modern else read_old_run(scope, directory))
    if scan is None or (modern and not accepted):
        return Run(raised=True)
    run = Run(scan=scan)
    if modern:
        accepted &= docket.record(docket.official.first_line(scope, path))
        docket.record(_judge_conflicts(path, scan))
    try:
        run.official = _judge(docket, path, run, test) and accepted
    except Unjudgeable as error:
        docket.record([Breach("performance-log", path, str(error))])
        run.value = run.copied = None
        run.raised = True
    if modern:
        docket.record(judge_performance_facts(scope, path, scan.values, test))
    return run


def _read(scope: Scope, path: str) -> Judging[DetailScan | None]:
    """Yield why a detail log cannot be read; return its content, None if it is missing.

    A checker that trusts an error count of zero does not look at lines that are not events.
    """
    try:
        scan = scan_log(scope, path)
    except Missing:
        yield Breach("performance-log", path, "The detail log is missing.")
        return None
    if scan.problem:
        part = "line" if scan.loads else "form"
        if not scan.stops(True):
            part = "line past the count"
        problem, line = scan.problem, scan.problem_line
        yield Breach("performance-log", path, problem, line=line, part=part, subject=problem)
    return scan


def _judge_conflicts(path: str, scan: DetailScan) -> Breaches:
    for key, line in scan.conflicts.items():
        yield Breach(
            "log-conflict",
            path,
            f"{key} has two values.",
            line=line,
            expected=scan.values[key],
        )


def _judge(docket: Docket, path: str, run: Run, test: str) -> bool:
    """Judge a run's log, and set the run's result; return the official verdict."""
    scope, values = docket.scope, run.scan.values
    accepted = docket.record(_judge_outcome(scope, path, run.scan))
    run.scenario = str(values.get("effective_scenario"))
    key, value = result_of(scope.round, scope.model, run.scenario, values)
    if not math.isfinite(value) or value <= 0:
        message, line = "The result is not a positive number.", line_of_key(scope, path, key)
        docket.record([Breach("performance-result", path, message, line=line, actual=value)])
    accepted &= docket.record(judge_limits(scope, path, run.scenario, values, test))
    run.value = in_unit_of_summary(scope.round, scope.model, run.scenario, key, value)
    accepted &= docket.record(_infer(scope, path, run))
    run.inferred = docket.official.is_inferred(scope, run.scenario, follows=run.inferred)
    accepted &= docket.record(_judge_network(scope, path, values))
    issues = docket.record(equal_issue.judge_equal_issue(scope, path, values, test=test))
    if not issues and scope.round.reads_equal_issue_of_configuration:
        run.value = run.copied = None
    return accepted and issues


def _judge_outcome(scope: Scope, path: str, scan: DetailScan) -> Breaches:
    """Yield a run that LoadGen does not call VALID, and errors that it logged or counted."""
    if scan.values.get("result_validity") != "VALID":
        by_tokens = has_token_latencies(scope.round, scope.model)
        yield Breach(
            "performance-validity",
            path,
            "LoadGen does not call the run VALID.",
            line=line_of_key(scope, path, "result_validity"),
            expected="VALID",
            actual=scan.values.get("result_validity", "no verdict"),
            # The checkers of v4.0 and v4.1 check the token latencies instead.
            part="token latencies" if by_tokens else "",
        )
    count = scan.error_count(scope.round.trusts_the_error_count)
    if scan.errors or count:
        log = path.replace("_summary.txt", "_detail.txt")
        yield Breach(
            "performance-loadgen-error",
            log,
            errors_in(scope, log, scan),
            line=first_error_line(scope, log, scan),
            actual=scan.errors[0] if scan.errors else count,
            part="" if scan.error_count(True) else "not counted",
        )


def _infer(scope: Scope, path: str, run: Run) -> Breaches:
    """Infer the result from a run of another scenario; yield why it cannot be inferred."""
    values, wanted = run.scan.values, scope.scenario
    if wanted == run.scenario:
        return
    as_server = named(wanted).loadgen == run.scenario
    if scope.round.inference_category not in scope.category and not as_server:
        yield _of_other_scenario(scope, path, "Only edge systems infer a result.", run)
        return
    if run.scenario in sources_of(scope.round, wanted, scope.category):
        if named(wanted).at_once and named(run.scenario).samples_per_query == 1:
            # The official checkers use the value unchanged: 157 is not printed as 157.0.
            run.copied = values.get(RATE)
        run.value = inferred(wanted, run.scenario, values)
        run.inferred = True
        if named(wanted).is_stream and not run.value:
            yield Breach(
                "performance-early-stopping",
                path,
                "There is no early-stopping estimate.",
                line=line_of_key(scope, path, "early_stopping_latency_ms"),
                part="no estimate",
            )
        return
    if named(wanted).at_once and scope.round.infers_every_offline:
        raise Unjudgeable(f"No Offline result can be inferred from a run of {run.scenario}.")
    if not as_server:
        yield _of_other_scenario(scope, path, "The log is of another scenario.", run)


def _of_other_scenario(scope: Scope, path: str, message: str, run: Run) -> Breach:
    return Breach(
        "performance-scenario",
        path,
        message,
        line=line_of_key(scope, path, "effective_scenario"),
        expected=scope.scenario,
        actual=run.scenario,
        part=scope.scenario if named(scope.scenario).suffix else "",
    )


def _judge_network(scope: Scope, path: str, values: Mapping[str, object]) -> Breaches:
    if "network" not in scope.round.tables["divisions"]:
        return
    over_network = str(scope.system.get("is_network")).lower() == "true"
    expected = {"network": True, "closed": False}.get(scope.place.division, over_network)
    if over_network is not expected:
        description = f"{scope.root}/systems/{scope.place.system}.json"
        yield Breach(
            "network-mode",
            description,
            "is_network does not agree with the division.",
            line=scope.line_of(description, '"is_network"'),
            expected=expected,
            actual=scope.system.get("is_network", "absent"),
        )
    name = values.get("sut_name")
    if over_network and "Network SUT" not in str(name):
        yield Breach(
            "network-mode",
            path,
            "is_network is true, but the SUT's name does not say so.",
            line=line_of_key(scope, path, "sut_name"),
            expected="Network SUT",
            actual=name,
        )
