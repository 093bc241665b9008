"""Strict: a detail log has all lines that LoadGen writes; a missing one hides what it said.

The rules that compare lines with each other are silent if one of them is absent. So the lines that
all published logs of v1.0 to v6.0 (more than 50,000) have are required, with numbers as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from mlrepo.checker.runs.statements import Statements
from mlrepo.scenarios import SCENARIOS, Scenario, named

_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
# Keys that the rules read from an accuracy run's log.
_TEXTS = (
    "loadgen_version",
    "loadgen_build_date_utc",
    "test_datetime",
    "effective_scenario",
    "effective_test_mode",
)
_SAMPLES = "qsl_reported_total_count"
_RUN_TEXTS = ("power_begin", "power_end")
_RUN_SWITCHES = (
    "effective_performance_issue_unique",
    "effective_performance_issue_same",
    "result_min_duration_met",
    "result_min_queries_met",
)
_RUN_NUMBERS = (
    "effective_samples_per_query",
    "effective_target_qps",
    "effective_target_latency_ns",
    "effective_target_latency_percentile",
    "effective_min_duration_ms",
    "effective_max_duration_ms",
    "effective_min_query_count",
    "effective_max_query_count",
    "effective_min_sample_count",
    "effective_accuracy_log_probability",
    "effective_accuracy_log_sampling_target",
    "effective_performance_sample_count",
    "generated_query_count",
    "generated_samples_per_query",
    "generated_query_duration",
)
_LATENCIES = (
    *(f"result_{name}_latency_ns" for name in ("min", "mean", "max")),
    *(f"result_{name}_percentile_latency_ns" for name in _PERCENTILES),
)
_EARLY_STOPPING = "early_stopping_met"
_TOKENS = "requested_use_token_latencies"
_OF_TOKENS = ("result_completed_tokens_per_second", "result_token_throughput_with_loadgen_overhead")


def _of_scenario(scenario: Scenario) -> tuple[str, ...]:
    if scenario.at_once:
        return ("result_samples_per_second",)
    if scenario.at_random:
        return "result_scheduled_samples_per_sec", "result_completed_samples_per_sec"
    if scenario.samples_per_query > 1:
        return tuple(f"result_{name}_percentile_per_query_latency_ns" for name in _PERCENTILES)
    if scenario.is_stream:
        return "result_qps_with_loadgen_overhead", "result_qps_without_loadgen_overhead"
    return ()


def _since_early_stopping(scenario: Scenario) -> tuple[str, ...]:
    """Return the keys that LoadGen writes since it has early stopping (v2.0)."""
    if scenario.at_random:
        return ("result_overlatency_query_count",)
    if scenario.samples_per_query > 1:
        return tuple(f"result_{name}_query_latency_ns" for name in ("min", "mean", "max"))
    return ()


KEYS = frozenset(
    {
        *_TEXTS,
        _SAMPLES,
        *_RUN_TEXTS,
        *_RUN_SWITCHES,
        *_RUN_NUMBERS,
        *_LATENCIES,
        *_OF_TOKENS,
        _EARLY_STOPPING,
        _TOKENS,
        "result_validity",
        "result_query_count",
        *(key for each in SCENARIOS.values() for key in _of_scenario(each)),
        *(key for each in SCENARIOS.values() for key in _since_early_stopping(each)),
    }
)


def absent_lines(values: Mapping[str, object], *, has_result: bool) -> list[str]:
    """Return the keys that LoadGen writes into each log but that lack a value of their type here.

    Parameters
    ----------
    values:
        The log's values of :data:`KEYS`.
    has_result:
        Whether the log is of a performance run.
    """
    log = Statements(values)
    texts = [*_TEXTS, *(_RUN_TEXTS if has_result else ())]
    numbers = [_SAMPLES, *(_run_numbers(values) if has_result else ())]
    switches = _RUN_SWITCHES if has_result else ()
    return [
        *(key for key in texts if not isinstance(values.get(key), str)),
        *(key for key in switches if not isinstance(values.get(key), bool)),
        *(key for key in (_TOKENS, _EARLY_STOPPING) if isinstance(values.get(key), str)),
        *(key for key in numbers if math.isnan(log.number(key))),
    ]


def _run_numbers(values: Mapping[str, object]) -> Iterator[str]:
    scenario = named(values.get("effective_scenario"))
    yield from _RUN_NUMBERS
    yield from _LATENCIES
    yield from _of_scenario(scenario)
    if _EARLY_STOPPING in values:
        yield "result_query_count"
        yield from _since_early_stopping(scenario)
    if scenario.at_random and values.get(_TOKENS):
        yield from _OF_TOKENS
