"""Judge one performance run: a directory with LoadGen's logs (also one of a compliance test)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlrepo.checker.compliance.runs import KEYS
from mlrepo.checker.docket import Docket
from mlrepo.checker.official.modular import is_modular, judge_log_start
from mlrepo.checker.runs import equal_issue
from mlrepo.checker.runs.log_errors import errors_in, first_error_line
from mlrepo.checker.runs.numbers import Unjudgeable, compared, computed, hold
from mlrepo.checker.runs.old_performance import read_old_run, summary_field
from mlrepo.checker.runs.run_facts import PERFORMANCE_KEYS, judge_performance_facts
from mlrepo.checker.runs.tokens import (
    has_token_latencies,
    has_token_limits,
    token_limits_exceeded,
)
from mlrepo.checker.scope import Scope
from mlrepo.checker.walk.rows import units
from mlrepo.compliance import compliance_test
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.rounds import Round
from mlrepo.rounds.inference import inferred_result, sources_of
from mlrepo.tree import Missing

# LoadGen knows no Interactive: its runs are those of a Server with shorter limits.
_AS_SERVER = ("Interactive", "Server")
# One pass over a data set of fixed size: the modular checker asks no duration of them.
_NO_MIN_DURATION = ("e2e-rag-qna", "e2e-rag-db")
# What an Offline result is inferred from in a log of SingleStream.
_RATE = "result_qps_without_loadgen_overhead"
_SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
_KEYS = (
    frozenset(
        {
            "result_validity",
            "effective_performance_sample_count",
            "effective_scenario",
            "result_99.00_percentile_latency_ns",
            "result_99.00_percentile_per_query_latency_ns",
            "effective_min_query_count",
            "effective_samples_per_query",
            "effective_min_duration_ms",
            _RATE,
            "result_qps_with_loadgen_overhead",
            "result_mean_latency_ns",
            "result_mean_query_latency_ns",
            "early_stopping_met",
            "early_stopping_result",
            "effective_target_latency_ns",
            "early_stopping_latency_ms",
            equal_issue.KEY,
            "sut_name",
            "num_errors",
            "requested_use_token_latencies",
            "result_first_token_99.00_percentile_latency_ns",
            "result_time_per_output_token_99.00_percentile_ns",
            "power_begin",
            "power_end",
            "result_query_count",
            "generated_query_count",
            "generated_samples_per_query",
            "effective_accuracy_log_rng_seed",
            "loadgen_build_date_utc",
            "test_datetime",
            "effective_test_mode",
            "result_invalid_reason",
            *(f"effective_{seed}" for seed in _SEEDS),
            *KEYS,
        }
    )
    | PERFORMANCE_KEYS
)


@dataclass
class Run:
    """A judged run.

    Attributes
    ----------
    official:
        The official verdict on the run.
    value:
        The result in the official checker's unit; None when it reads none.
    copied:
        The log's own value, digits and type included, where the official checker takes it for the
        result as it is; None where it computes.
    raised:
        The official checker ends with an error instead of a verdict on the run.
    inferred:
        The result is computed from a run of another scenario.
    scenario:
        As the log says, in LoadGen's spelling; empty when unknown.
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
        """Return the result as the official summary prints it; None when there is none."""
        return self.value if self.copied is None else self.copied


def judge_run(scope: Scope, directory: str, test: str = "") -> Run:
    """Judge the logs in ``directory``; ``test`` is the compliance test they belong to."""
    modern = scope.round.has_detail_log()
    path = f"{directory}/mlperf_log_{'detail' if modern else 'summary'}.txt"
    before = len(scope.findings)
    run = _read(scope, directory, path)
    if run is None:
        return Run(raised=True)
    try:
        _judge(scope, path, run, test)
    except Unjudgeable as error:
        scope.report("performance-log", path, str(error), official=True)
        run.value = run.copied = None
        run.raised = True
    run.official = not any(finding.breaks_official for finding in scope.findings[before:])
    if scope.round.has_detail_log():
        Docket(scope).record(judge_performance_facts(scope, path, run.scan.values, test))
    return run


def _read(scope: Scope, directory: str, path: str) -> Run | None:
    if not scope.round.has_detail_log():
        scan = read_old_run(scope, directory)
        return Run(scan=scan) if scan is not None else None
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, _KEYS | _result_keys(scope.round))
    except Missing:
        scope.report("performance-log", path, "The detail log is missing.", official=True)
        return None
    if scan.problem:
        stops = scan.stops(scope.round.version == (5, 1))
        scope.report("performance-log", path, scan.problem, line=scan.problem_line, official=stops)
        if is_modular(scope.round) and not scan.loads:
            scope.dies(path, scan.problem, line=scan.problem_line)
        if stops:
            return None
    judge_log_start(scope, path)
    for key, line in scan.conflicts.items():
        scope.report(
            "log-conflict",
            path,
            f"{key} stands there with two values.",
            line=line,
            expected=scan.values[key],
            official=False,
        )
    return Run(scan=scan)


def _result_keys(round: Round) -> frozenset[str]:
    keys = set(round.tables["result_field"].values())
    for by_scenario in (round.tables.get("result_field_per_model") or {}).values():
        keys |= set(by_scenario.values())
    return frozenset(keys)


def _judge(scope: Scope, path: str, run: Run, test: str) -> None:
    values, round = run.scan.values, scope.round
    if values.get("result_validity") != "VALID":
        scope.report(
            "performance-validity",
            path,
            "LoadGen does not call the run VALID.",
            line=_line(scope, path, "result_validity"),
            expected="VALID",
            actual=values.get("result_validity", "no verdict"),
            # These checkers put the verdict on the token latencies in the place of LoadGen's.
            official=False
            if (4, 0) <= round.version <= (4, 1) and has_token_latencies(round, scope.model)
            else None,
        )
    count = run.scan.error_count(round.version >= (5, 1))
    if run.scan.errors or count:
        log = path.replace("_summary.txt", "_detail.txt")
        scope.report(
            "performance-loadgen-error",
            log,
            errors_in(scope, log, run.scan),
            line=first_error_line(scope, log, run.scan),
            actual=run.scan.errors[0] if run.scan.errors else count,
            official=bool(count) and round.version < (6, 0),
        )
    run.scenario = str(values.get("effective_scenario"))
    key, run.value = _result(round, scope.model, run.scenario, values)
    if not math.isfinite(run.value) or run.value <= 0:
        scope.report(
            "performance-result",
            path,
            "The result is no positive number.",
            line=_line(scope, path, key),
            actual=run.value,
            official=False,
        )
    _judge_settings(scope, path, values, test)
    _judge_latency(scope, path, run)
    _judge_amount(scope, path, run)
    if (
        round.version >= (2, 0) and run.scenario in ("SingleStream", "MultiStream")
    ) or run.scenario == "SingleStream":
        run.value /= 1e6
        if units(round, scope.model, run.scenario) == "Latency (s)":
            run.value /= 1e3
    _infer(scope, path, run)
    if round.version >= (6, 0):
        run.inferred = scope.place.scenario != run.scenario
    _judge_network(scope, path, values)
    line = _line(scope, path, equal_issue.KEY) if equal_issue.is_asked(scope, scope.model) else 0
    if not equal_issue.judge_equal_issue(scope, path, values, line=line, test=test):
        run.value = run.copied = None


def _hold(
    scope: Scope,
    rule: str,
    path: str,
    message: str,
    values: dict[str, Any],
    key: str,
    **bounds: Any,
) -> None:
    """Hold the value of a key to its bounds."""
    value = compared(values, key)
    hold(scope, rule, path, message, value, line=lambda: _line(scope, path, key), **bounds)


def compute_result(scope: Scope, path: str) -> float:
    """Return the result in a detail log as the official checkers read it of a ranging run.

    Raises
    ------
    Unjudgeable
        They end with an error.
    """
    try:
        with scope.tree.open(path) as stream:
            scan = scan_detail(stream, _KEYS | _result_keys(scope.round))
    except Missing as missing:
        raise Unjudgeable(f"It {missing}.") from missing
    if scan.problem:
        raise Unjudgeable(scan.problem)
    scenario = str(scan.values.get("effective_scenario"))
    _, result = _result(scope.round, scope.model, scenario, scan.values)
    if scenario not in sources_of(scope.round, scope.scenario, scope.category):
        return result
    return _inferred(scope.scenario, scenario, scan.values)


def _inferred(wanted: str, source: str, values: Mapping[str, Any]) -> float:
    if (wanted, source) == ("Offline", "SingleStream"):
        values = {**values, _RATE: computed(values, _RATE)}
    try:
        return inferred_result(wanted, source, lambda key: compared(values, key))
    except ZeroDivisionError as error:
        raise Unjudgeable("The mean latency is zero.") from error


def _line(scope: Scope, path: str, key: str) -> int:
    """Return where the key stands in the log; asked only when a finding is made."""
    return scope.line_of(path, f'"{key}"' if scope.round.has_detail_log() else summary_field(key))


def _result(
    round: Round, model: str, scenario: str, values: Mapping[str, Any]
) -> tuple[str, float]:
    """Return the key of the result, and its value."""
    fields = round.tables["result_field"]
    if scenario not in fields:
        raise Unjudgeable(f"The log names no scenario of the round: {scenario}.")
    key = str(fields[scenario])
    # The official checkers want a number there even where the model has a field of its own.
    result = computed(values, key)
    own = (round.tables.get("result_field_per_model") or {}).get(model) or {}
    if scenario in own:
        key = str(own[scenario])
        result = computed(values, key)
    return key, result


def _judge_settings(scope: Scope, path: str, values: dict[str, Any], test: str) -> None:
    tables = scope.round.tables
    least = tables["performance_sample_count_min"].get(scope.model)
    if least is None:
        raise Unjudgeable(f"The round does not know the benchmark {scope.model}.")
    _hold(
        scope,
        "performance-sample-count",
        path,
        "Too few samples are loaded.",
        values,
        "effective_performance_sample_count",
        least=least,
    )
    for name, seed in (compliance_test(test).seeds(scope.round) or scope.round.seeds()).items():
        if values.get(f"effective_{name}") != seed:
            scope.report(
                "performance-seeds",
                path,
                f"{name} is not the round's.",
                line=_line(scope, path, f"effective_{name}"),
                expected=seed,
                actual=values.get(f"effective_{name}"),
            )
    _judge_tokens(scope, path, values)


def _judge_tokens(scope: Scope, path: str, values: dict[str, Any]) -> None:
    modular = is_modular(scope.round)
    if not has_token_latencies(scope.round, scope.model):
        return
    if not values.get("requested_use_token_latencies"):
        scope.report(
            "performance-token-latency",
            path,
            "Token latencies are off.",
            line=_line(scope, path, "requested_use_token_latencies"),
        )
        return
    logged = str(values.get("effective_scenario"))
    if modular and logged != scope.scenario:
        # The modular checker holds what LoadGen ran as Server to the limits of Server, wherever
        # the run stands.
        _hold_to_token_limits(scope, path, values, scope.scenario, official=False)
        _hold_to_token_limits(scope, path, values, logged)
    else:
        _hold_to_token_limits(scope, path, values, scope.scenario)


def _hold_to_token_limits(
    scope: Scope, path: str, values: dict[str, Any], scenario: str, official: bool | None = None
) -> None:
    if not has_token_limits(scope.round, scenario):
        return
    exceeded = token_limits_exceeded(scope.round, scope.model, scenario, values)
    if exceeded is not None:
        key, expected, actual = exceeded
        scope.report(
            "performance-token-latency",
            path,
            "Token latencies exceed the limits.",
            line=_line(scope, path, key),
            expected=expected,
            actual=actual,
            official=official,
        )


def stops_early(round: Round, scenario: str) -> bool:
    """Say whether LoadGen's early stopping rules the scenario in the round (v2.0 and later)."""
    return scenario in (round.tables.get("early_stopping_scenarios") or ())


def _judge_latency(scope: Scope, path: str, run: Run) -> None:
    values, round = run.scan.values, scope.round
    limit = (round.tables["latency_limit_ns"].get(scope.model) or {}).get(run.scenario)
    if stops_early(round, run.scenario):
        if not values.get("early_stopping_met"):
            scope.report(
                "performance-early-stopping",
                path,
                "Early stopping is not satisfied.",
                line=_line(scope, path, "early_stopping_met"),
                actual=values.get("early_stopping_result", "no word"),
            )
        if limit:
            _hold(
                scope,
                "performance-target-latency",
                path,
                "The target latency is too long.",
                values,
                "effective_target_latency_ns",
                most=limit,
                unit=" ns",
            )
        return
    if not limit:
        return
    per_query = "per_query_" if run.scenario == "MultiStream" else ""
    key = f"result_99.00_percentile_{per_query}latency_ns"
    _hold(
        scope,
        "performance-latency",
        path,
        "The 99th percentile latency is too long.",
        values,
        key,
        most=limit,
        unit=" ns",
    )
    target = values.get("effective_target_latency_ns")
    if run.scenario == "Server" and isinstance(target, int | float) and target > limit:
        scope.report(
            "performance-target-latency",
            path,
            "The target latency is too long.",
            line=_line(scope, path, "effective_target_latency_ns"),
            expected=f"<= {limit} ns",
            actual=target,
            official=False,
        )


def _judge_amount(scope: Scope, path: str, run: Run) -> None:
    values, tables = run.scan.values, scope.round.tables
    if scope.round.version < (0, 7):
        return  # v0.5 sets none
    if not stops_early(scope.round, run.scenario):
        if scope.model not in tables["min_queries"]:
            raise Unjudgeable(f"The round has no query count for {scope.model}.")
        least = tables["min_queries"][scope.model].get(run.scenario)
        if least:
            _hold(
                scope,
                "performance-min-queries",
                path,
                "Too few queries are asked for.",
                values,
                "effective_min_query_count",
                least=least,
            )
    if run.scenario == "Offline":
        per_model = tables["offline_min_samples_per_query"].get("per_model") or {}
        modular = is_modular(scope.round)
        if modular and scope.model not in per_model:
            raise Unjudgeable(f"The round has no samples per query for {scope.model}.")
        least = scope.round.min_offline_samples(scope.model)
        _hold(
            scope,
            "performance-samples-per-query",
            path,
            "The query is too small.",
            values,
            "effective_samples_per_query",
            least=least,
            official=False if modular and scope.place.division != "closed" else None,
        )
    if is_modular(scope.round) and scope.model in _NO_MIN_DURATION:
        return
    _hold(
        scope,
        "performance-min-duration",
        path,
        "The run is too short.",
        values,
        "effective_min_duration_ms",
        least=scope.round.min_duration_ms(),
        unit=" ms",
    )


def _infer(scope: Scope, path: str, run: Run) -> None:
    values, wanted = run.scan.values, scope.scenario
    if wanted == run.scenario:
        return
    modular = is_modular(scope.round)
    if modular and "edge" not in scope.category and (wanted, run.scenario) != _AS_SERVER:
        scope.report(
            "performance-scenario",
            path,
            "Only edge systems infer a result.",
            line=_line(scope, path, "effective_scenario"),
            expected=wanted,
            actual=run.scenario,
            official=True,
        )
        return
    if run.scenario in sources_of(scope.round, wanted, scope.category):
        if (wanted, run.scenario) == ("Offline", "SingleStream"):
            # The official checkers take the value as it is: 157 is not printed as 157.0.
            run.copied = values.get(_RATE)
        run.value = _inferred(wanted, run.scenario, values)
        run.inferred = True
        if wanted == "MultiStream" and not run.value:
            scope.report(
                "performance-early-stopping",
                path,
                "There is no estimate.",
                official=True,
                line=_line(scope, path, "early_stopping_latency_ms"),
            )
        return
    if wanted == "Offline" and scope.round.version < (2, 0):
        raise Unjudgeable(f"No Offline result follows from a run of {run.scenario}.")
    if (wanted, run.scenario) == _AS_SERVER:
        return
    scope.report(
        "performance-scenario",
        path,
        "The log is of another scenario.",
        line=_line(scope, path, "effective_scenario"),
        expected=wanted,
        actual=run.scenario,
        official=modular or (wanted == "Interactive" and run.scenario != "Server"),
    )


def _judge_network(scope: Scope, path: str, values: dict[str, Any]) -> None:
    if scope.round.version < (2, 1):
        return
    over_network = str(scope.system.get("is_network")).lower() == "true"
    expected = {"network": True, "closed": False}.get(scope.place.division, over_network)
    if over_network is not expected:
        description = f"{scope.root}/systems/{scope.place.system}.json"
        scope.report(
            "network-mode",
            description,
            "is_network does not agree with the division.",
            line=scope.line_of(description, '"is_network"'),
            expected=expected,
            actual=scope.system.get("is_network", "absent"),
        )
    name = values.get("sut_name")
    if over_network and "Network SUT" not in str(name):
        scope.report(
            "network-mode",
            path,
            "The SUT's name does not say so.",
            line=_line(scope, path, "sut_name"),
            expected="Network SUT",
            actual=name,
        )
