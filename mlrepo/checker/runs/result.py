"""Read the result in a performance run's log as the official checkers do."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.checker.compliance.runs import KEYS as OF_TESTS
from mlrepo.checker.official.rows import units
from mlrepo.checker.runs import equal_issue
from mlrepo.checker.runs.numbers import Unjudgeable, compared, computed
from mlrepo.checker.runs.run_facts import PERFORMANCE_KEYS
from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import DetailScan, scan_detail
from mlrepo.rounds import Round
from mlrepo.rounds.inference import inferred_result, sources_of
from mlrepo.scenarios import named
from mlrepo.tree import Missing

# The key in a SingleStream log from which an Offline result is inferred.
RATE = "result_qps_without_loadgen_overhead"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
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
            RATE,
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
            *(f"effective_{seed}" for seed in SEEDS),
            *OF_TESTS,
        }
    )
    | PERFORMANCE_KEYS
)


def scan_log(scope: Scope, path: str) -> DetailScan:
    """Scan a performance run's detail log for all keys that rules need; may raise `Missing`."""
    with scope.tree.open(path) as stream:
        return scan_detail(stream, _KEYS | _result_keys(scope.round))


def _result_keys(round: Round) -> frozenset[str]:
    keys = set(round.tables["result_field"].values())
    for by_scenario in (round.tables.get("result_field_per_model") or {}).values():
        keys |= set(by_scenario.values())
    return frozenset(keys)


def result_of(
    round: Round, model: str, scenario: str, values: Mapping[str, object]
) -> tuple[str, float]:
    """Return the key of the result, and its value.

    Raises
    ------
    Unjudgeable
        There is no number, or the round has no such scenario.
    """
    fields = round.tables["result_field"]
    if scenario not in fields:
        raise Unjudgeable(f"The log names a scenario that the round does not have: {scenario}.")
    key = str(fields[scenario])
    # The official checkers require a number there even if the model has a field of its own.
    result = computed(values, key)
    own = (round.tables.get("result_field_per_model") or {}).get(model) or {}
    if scenario in own:
        key = str(own[scenario])
        result = computed(values, key)
    return key, result


def in_unit_of_summary(round: Round, model: str, scenario: str, key: str, result: float) -> float:
    """Return the result as in the official summary: latencies in milliseconds or seconds."""
    if "latency" not in key:
        return result
    result /= 1e6
    return result / 1e3 if units(round, model, scenario) == "Latency (s)" else result


def inferred(wanted: str, source: str, values: Mapping[str, object]) -> float:
    """Return the result of a scenario, inferred from a run of another one.

    Raises
    ------
    Unjudgeable
        The log lacks the numbers for it.
    """
    if named(wanted).at_once and named(source).samples_per_query == 1:
        values = {**values, RATE: computed(values, RATE)}
    try:
        return inferred_result(wanted, source, lambda key: compared(values, key))
    except ZeroDivisionError as error:
        raise Unjudgeable("The mean latency is zero.") from error


def compute_result(scope: Scope, path: str) -> float:
    """Return the result in a ranging run's detail log as the official checkers read it.

    Raises
    ------
    Unjudgeable
        The official checkers end with an error.
    """
    try:
        scan = scan_log(scope, path)
    except Missing as missing:
        raise Unjudgeable(f"It {missing}.") from missing
    if scan.problem:
        raise Unjudgeable(scan.problem)
    scenario = str(scan.values.get("effective_scenario"))
    _, result = result_of(scope.round, scope.model, scenario, scan.values)
    if scenario not in sources_of(scope.round, scope.scenario, scope.category):
        return result
    return inferred(scope.scenario, scenario, scan.values)
