"""A log that LoadGen wrote is consistent; edits are detected."""

from __future__ import annotations

from typing import Any

import pytest

from mlrepo.checker.runs.consistency import contradictions
from mlrepo.logs.summary import counted_errors, estimates, logged_as, summary_fields

_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")


def _log(scenario: str, **changes: Any) -> dict[str, Any]:
    """Return what LoadGen logs of a run of 1,000 queries of 1 to 3 ms in 600 s and more."""
    values: dict[str, Any] = {
        "result_validity": "VALID",
        "result_min_duration_met": True,
        "result_min_queries_met": True,
        "early_stopping_met": True,
        "effective_scenario": scenario,
        "requested_scenario": scenario,
        "requested_test_mode": "PerformanceOnly",
        "effective_test_mode": "PerformanceOnly",
        "effective_min_duration_ms": 600000,
        "effective_max_duration_ms": 0,
        "effective_min_query_count": 100,
        "effective_max_query_count": 0,
        "effective_performance_sample_count": 1024,
        "power_begin": "02-13-2025 23:33:19.012",
        "power_end": "02-13-2025 23:50:19.012",
    }
    values |= _OF[scenario]
    return values | changes


def _latencies(*values: int, query: str = "") -> dict[str, int]:
    per = "per_" if query else ""
    names = [
        f"result_min_{query}latency_ns",
        *(f"result_{p}_percentile_{per}{query}latency_ns" for p in _PERCENTILES),
        f"result_max_{query}latency_ns",
    ]
    return dict(zip(names, values, strict=True))


_TEXT = (
    " * Processed at least 64 queries (1000000).  * Would discard 99000 highest latency queries.  "
    "* Early stopping 90.0th percentile estimate: 910000  * Early stopping 99.0th percentile "
    "estimate: 991000"
)
_OF: dict[str, dict[str, Any]] = {
    "SingleStream": {
        **_latencies(500000, 600000, 900000, 950000, 970000, 990000, 999000, 1200000),
        "result_query_count": 1000000,
        "generated_query_count": 1100000,
        "result_mean_latency_ns": 650000,
        "result_qps_without_loadgen_overhead": 1538.46,
        "result_qps_with_loadgen_overhead": 1500.0,
        "effective_target_latency_percentile": 0.9,
        "early_stopping_latency_ss": 910000,
        "early_stopping_latency_ms": 991000,
        "early_stopping_result": _TEXT,
    },
    "MultiStream": {
        **_latencies(
            5000000, 6000000, 7000000, 7100000, 7200000, 7300000, 7400000, 9000000, query="query_"
        ),
        "result_query_count": 100000,
        "generated_query_count": 100000,
        "result_mean_query_latency_ns": 6100000,
        "effective_target_latency_percentile": 0.99,
        "early_stopping_latency_ms": 7350000,
        "early_stopping_result": " * Early stopping 99.0th percentile estimate: 7350000",
    },
    "Server": {
        **_latencies(500000, 600000, 900000, 950000, 970000, 990000, 999000, 1200000),
        "result_query_count": 700000,
        "generated_query_count": 700000,
        "generated_query_duration": 700 * 10**9,
        "effective_target_latency_ns": 15000000,
        "effective_target_latency_percentile": 0.99,
        "result_overlatency_query_count": 6000,
        "result_scheduled_samples_per_sec": 999.999,
        "result_completed_samples_per_sec": 999.9,
        "result_token_throughput_with_loadgen_overhead": 5000.0,
        "result_completed_tokens_per_second": 4999.5,
        "early_stopping_result": " * Run successful.",
    },
    "Offline": {
        **_latencies(10**9, *(at * 10**11 for at in (1, 2, 3, 4, 5, 6)), 7 * 10**11),
        "effective_min_query_count": 1,
        "result_query_count": 1,
        "generated_query_count": 1,
        "generated_samples_per_query": 699500,
        # As many as are needed for each of 1,024 samples to be issued equally often.
        "result_samples_per_second": 700416 / 700,
        "effective_min_sample_count": 24576,
    },
}


@pytest.mark.parametrize("scenario", _OF)
def test_what_loadgen_writes_agrees_with_itself(scenario: str) -> None:
    """An honest log has no contradiction."""
    assert list(contradictions(_log(scenario))) == []


@pytest.mark.parametrize(
    ("scenario", "rule", "changes"),
    [
        ("Offline", "performance-contradiction", {"result_min_duration_met": False}),
        ("Offline", "performance-contradiction", {"result_min_queries_met": False}),
        ("Server", "performance-contradiction", {"result_perf_constraints_met": False}),
        ("Server", "performance-contradiction", {"early_stopping_met": False}),
        ("Server", "performance-contradiction", {"result_invalid_reason": "Reduce target QPS."}),
        (
            "Server",
            "performance-contradiction",
            {"early_stopping_result": " * Run unsuccessful.  * Processed 700000 queries."},
        ),
        (
            "SingleStream",
            "performance-contradiction",
            {"early_stopping_result": " * Only processed 10 queries."},
        ),
        ("Offline", "performance-contradiction", {"requested_test_mode": "AccuracyOnly"}),
        ("Offline", "performance-contradiction", {"result_samples_per_second": 2000.0}),
        ("Offline", "performance-contradiction", {"result_samples_per_second": 1000.0}),
        ("Offline", "performance-contradiction", {"result_max_latency_ns": 55 * 10**10}),
        (
            "Offline",
            "performance-min-duration",
            {"result_max_latency_ns": 3 * 10**11, "result_samples_per_second": 700416 / 300},
        ),
        ("Offline", "performance-min-queries", {"effective_min_sample_count": 800000}),
        ("Server", "performance-contradiction", {"result_completed_samples_per_sec": 1299.9}),
        (
            "Server",
            "performance-contradiction",
            {
                "result_completed_samples_per_sec": 1299.9,
                "result_scheduled_samples_per_sec": 1300.0,
            },
        ),
        ("Server", "performance-contradiction", {"result_completed_tokens_per_second": 9999.0}),
        ("Server", "performance-contradiction", {"result_overlatency_query_count": 9000}),
        ("Server", "performance-min-queries", {"result_query_count": 10}),
        ("Server", "performance-contradiction", {"result_query_count": 800000}),
        ("Server", "performance-max-duration", {"effective_max_duration_ms": 60000}),
        ("Server", "performance-contradiction", {"effective_max_query_count": 500000}),
        ("SingleStream", "performance-contradiction", {"early_stopping_latency_ss": 455000}),
        ("SingleStream", "performance-contradiction", {"early_stopping_latency_ss": 0.91}),
        ("SingleStream", "performance-contradiction", {"early_stopping_latency_ss": 920000}),
        ("SingleStream", "performance-contradiction", {"early_stopping_latency_ms": 1300000}),
        ("SingleStream", "performance-contradiction", {"result_mean_latency_ns": 325000}),
        (
            "SingleStream",
            "performance-contradiction",
            {"result_qps_without_loadgen_overhead": 3000.0},
        ),
        ("SingleStream", "performance-contradiction", {"result_qps_with_loadgen_overhead": 1600.0}),
        (
            "SingleStream",
            "performance-contradiction",
            {"result_90.00_percentile_latency_ns": 450000},
        ),
        ("SingleStream", "performance-min-duration", {"result_query_count": 800000}),
        ("MultiStream", "performance-contradiction", {"early_stopping_latency_ms": 3000000}),
        ("MultiStream", "performance-min-duration", {"result_query_count": 40000}),
        ("MultiStream", "performance-min-duration", {"power_end": "02-13-2025 23:34:19.012"}),
    ],
)
def test_an_edited_line_contradicts_the_others(
    scenario: str, rule: str, changes: dict[str, Any]
) -> None:
    """Each change of one or two lines is found, and named by the rule that it breaks."""
    found = list(contradictions(_log(scenario, **changes)))
    assert rule in {each.rule for each in found}, found


def test_an_invalid_run_needs_no_contradiction() -> None:
    """LoadGen's INVALID is a finding of its own."""
    log = _log("Offline", result_validity="INVALID", result_min_duration_met=False)
    assert list(contradictions(log)) == []


@pytest.mark.parametrize("scenario", _OF)
@pytest.mark.parametrize("value", [None, "many", True, [], float("nan"), 10**400, 0, -1])
def test_no_value_of_a_line_stops_the_comparison(scenario: str, value: object) -> None:
    """A log holds anything: what is no number is compared with nothing."""
    for key in _log(scenario):
        list(contradictions(_log(scenario, **{key: value})))


def test_the_summary_is_read_as_the_detail_log_calls_its_lines() -> None:
    """Names differ from scenario to scenario, digits from version to version."""
    text = (
        "SUT name : PySUT\0\nScenario : Multi Stream\nResult is : VALID\n"
        "  Early stopping satisfied: Yes\n * Early stopping 99th percentile estimate: 12\n"
        "Max latency (ns)                : 7\n\n1 ERROR encountered. See detailed log.\n"
    )
    fields = summary_fields(text)
    assert fields["SUT name"] == "PySUT"
    assert fields["Early stopping satisfied"] == "Yes"
    assert logged_as("MultiStream")["Max latency (ns)"] == "result_max_query_latency_ns"
    assert logged_as("Server")["Max latency (ns)"] == "result_max_latency_ns"
    assert estimates(text) == [12]
    assert counted_errors(text) == 1
    assert counted_errors("No errors encountered during test.\n") == 0
    assert counted_errors("") is None
