"""Strict: LoadGen's detail log of a run must be consistent.

LoadGen computes everything that it logs of a run from one list of latencies and one clock
(``results.cc``), so its lines determine each other: an edited result contradicts the lines left
unchanged. A comparison is skipped if the log lacks a line for it. In 35,000 published runs of
v1.0 to v6.0 the comparisons find nothing but the runs that were edited.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from mlrepo.checker.runs.scenario_consistency import offline, server, stream
from mlrepo.checker.runs.statements import EARLY_STOPPING_TEXTS, Contradiction, Statements
from mlrepo.logs.moments import clock_moment
from mlrepo.scenarios import named

_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_FLAGS = (
    "result_perf_constraints_met",
    "result_min_duration_met",
    "result_min_queries_met",
    "early_stopping_met",
)
# Phrases by which early stopping rejects a run.
_FAILED = ("Run unsuccessful", "Only processed", "Need to process", "Would need to run")
# Settings that LoadGen adopts as requested.
_TAKEN_OVER = (
    "scenario",
    "test_mode",
    "min_duration_ms",
    "max_duration_ms",
    "max_query_count",
    "qsl_rng_seed",
    "sample_index_rng_seed",
    "schedule_rng_seed",
    "accuracy_log_rng_seed",
    "accuracy_log_probability",
    "accuracy_log_sampling_target",
    "performance_issue_unique",
    "performance_issue_same",
    "performance_issue_same_index",
    "sample_concatenate_permutation",
)


def _latencies(prefix: str = "", infix: str = "percentile_") -> tuple[str, ...]:
    ordered = (f"result_{p}_{infix}{prefix}latency_ns" for p in _PERCENTILES)
    return (f"result_min_{prefix}latency_ns", *ordered, f"result_max_{prefix}latency_ns")


_ORDERED = (
    _latencies(),
    _latencies("query_", "percentile_per_"),
    (
        "result_first_token_min_latency_ns",
        *(f"result_first_token_{p}_percentile_latency_ns" for p in _PERCENTILES),
        "result_first_token_max_latency_ns",
    ),
    (
        "result_time_to_output_token_min",
        *(f"result_time_per_output_token_{p}_percentile_ns" for p in _PERCENTILES),
        "result_time_to_output_token_max",
    ),
)

KEYS = frozenset(
    {
        "result_validity",
        "result_invalid_reason",
        "effective_scenario",
        "result_query_count",
        "generated_query_count",
        "generated_samples_per_query",
        "generated_query_duration",
        "effective_min_query_count",
        "effective_min_sample_count",
        "effective_min_duration_ms",
        "effective_performance_sample_count",
        "effective_target_qps",
        "power_begin",
        "power_end",
        "effective_target_latency_ns",
        "effective_target_latency_percentile",
        "effective_max_duration_ms",
        "effective_max_query_count",
        "requested_use_token_latencies",
        "result_overlatency_query_count",
        "result_mean_latency_ns",
        "result_mean_query_latency_ns",
        "result_qps_with_loadgen_overhead",
        "result_qps_without_loadgen_overhead",
        "result_scheduled_samples_per_sec",
        "result_completed_samples_per_sec",
        "result_samples_per_second",
        "result_completed_tokens_per_second",
        "result_token_throughput_with_loadgen_overhead",
        "early_stopping_latency_ss",
        "early_stopping_latency_ms",
        *_FLAGS,
        *EARLY_STOPPING_TEXTS,
        *(key for keys in _ORDERED for key in keys),
        *(f"{origin}_{name}" for origin in ("requested", "effective") for name in _TAKEN_OVER),
    }
)


def contradictions(values: Mapping[str, object]) -> Iterator[Contradiction]:
    """Yield what cannot be true of a run that LoadGen calls VALID, from its detail log's values."""
    if values.get("result_validity") != "VALID":
        return
    log = Statements(values)
    yield from _verdicts(log)
    yield from _settings(log)
    yield from _orders(log)
    yield from _amounts(log)
    yield from _durations(log)
    scenario = named(values.get("effective_scenario"))
    if scenario.at_once:
        yield from offline(log)
    elif scenario.at_random:
        yield from server(log)
    elif scenario.is_stream:
        yield from stream(log, scenario)


def _verdicts(log: Statements) -> Iterator[Contradiction]:
    for key in _FLAGS:
        if log.values.get(key, True) is not True:
            yield log.against(key, f"The run is called VALID, but {key} is not true.", True)
    if "result_invalid_reason" in log.values:
        yield log.against(
            "result_invalid_reason",
            "The run is called VALID, but has a reason why it is INVALID.",
            "no such line",
        )
    for key in EARLY_STOPPING_TEXTS:
        text = log.values.get(key)
        if isinstance(text, str) and any(phrase in text for phrase in _FAILED[:2]):
            yield log.against(
                key, "The run is called VALID, but its early stopping failed.", "Run successful"
            )


def _settings(log: Statements) -> Iterator[Contradiction]:
    for name in _TAKEN_OVER:
        asked, taken = f"requested_{name}", f"effective_{name}"
        if {asked, taken} <= log.values.keys() and log.values[asked] != log.values[taken]:
            yield log.against(taken, f"{taken} is not what was requested.", log.values[asked])


def _orders(log: Statements) -> Iterator[Contradiction]:
    for keys in _ORDERED:
        known = [key for key in keys if not math.isnan(log.number(key))]
        for before, after in itertools.pairwise(known):
            if log.number(before) > log.number(after):
                yield log.against(
                    before, f"{before} is greater than {after}.", f"<= {log.values[after]}"
                )
                break


def _amounts(log: Statements) -> Iterator[Contradiction]:
    count = log.queries()
    least, most = (log.number(f"effective_{end}_query_count") for end in ("min", "max"))
    if count < least:
        yield log.against(
            "result_query_count",
            "Fewer queries were run than requested.",
            f">= {least:g}",
            "performance-min-queries",
        )
    if count > log.number("generated_query_count"):
        yield log.against(
            "result_query_count",
            "More queries were run than generated.",
            f"<= {log.values['generated_query_count']}",
        )
    if most > 0 and count > most:
        yield log.against(
            "result_query_count", "More queries were run than allowed.", f"<= {most:g}"
        )
    if 0 < log.number("effective_max_duration_ms") < log.number("effective_min_duration_ms"):
        yield log.against(
            "effective_max_duration_ms",
            "max_duration is shorter than the minimum duration.",
            f"0 or >= {log.values['effective_min_duration_ms']} ms",
            "performance-max-duration",
        )


def _durations(log: Statements) -> Iterator[Contradiction]:
    """Compare the duration on the clock with the requested one, and with the latencies."""
    least, span = log.number("effective_min_duration_ms") / 1e3, _span(log)
    if span + 1 < least:
        yield log.against(
            "power_end",
            "The run was shorter than requested.",
            f"{least:g} s after power_begin",
            "performance-min-duration",
        )
    longest = log.number("result_max_latency_ns") / 1e9
    if longest > span + 1:
        yield log.against(
            "result_max_latency_ns", "A latency is longer than the run.", f"<= {span:g} s"
        )


def _span(log: Statements) -> float:
    """Return the seconds from power_begin to power_end, which every run logs since v1.0."""
    begin, end = (clock_moment(log.values.get(f"power_{edge}")) for edge in ("begin", "end"))
    return math.nan if begin is None or end is None else (end - begin).total_seconds()
