"""INVALID runs in plain words: the condition, by how much it failed, and what to change."""

from __future__ import annotations

from typing import Any

import pytest

from mlrepo.bench.advice import advise, attempts, next_request
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.request import BenchRequest
from mlrepo.record import Metric, RunRecord
from tests.samples import sample_record

SLOW = "Performance constraints not satisfied"
SHORT = "Min duration not satisfied"
FEW = "Early stopping not satisfied"


def _invalid(
    scenario: str, *reasons: str, result: float | None, metrics: dict[str, float], **effective: Any
) -> RunRecord:
    return sample_record(
        scenario=scenario,
        validity="INVALID",
        reasons=reasons,
        result=Metric(result, "x"),
        metrics={name: Metric(value, "ms") for name, value in metrics.items()},
        loadgen={"effective": effective},
    )


def test_an_offline_run_that_was_too_short() -> None:
    """LoadGen prepared samples for 100 per second, and the system did 150."""
    record = _invalid(
        "Offline",
        SHORT,
        result=150.0,
        metrics={"query_count": 1.0},
        samples_per_query=66_000,
        min_duration_ms=600_000,
        target_qps=100,
    )
    advice = advise(record)
    assert advice.words == (
        "LoadGen ran out of samples. It lasted 440 s, and 600 s are needed. It prepared them for "
        "100 per second, and the system did 150: raise --qps to 165.",
    )
    assert dict(advice.change) == {"qps": pytest.approx(165.0)}


@pytest.mark.parametrize("mean", ["mean_latency", "mean_query_latency"])
def test_a_stream_that_ran_out_of_queries(mean: str) -> None:
    """The expected latency was longer than the real one."""
    record = _invalid(
        "SingleStream",
        SHORT,
        result=5.0,
        metrics={mean: 2.0, "query_count": 150_000.0},
        min_duration_ms=600_000,
        target_qps=250,
    )
    advice = advise(record)
    assert "It lasted 300 s, and 600 s are needed" in advice.words[0]
    assert "for 4 ms per query, and the system took 2 ms" in advice.words[0]
    assert dict(advice.change) == {"max_latency": pytest.approx(0.0016)}
    assert advice.options == "--max-latency 0.0016"


def test_a_server_that_was_too_slow() -> None:
    """Latency and share against what is allowed; under overload the rate that it did counts."""
    metrics = {
        "99.00_percentile_latency": 24.5,
        "overlatency_query_count": 40.0,
        "query_count": 1000.0,
    }
    allowed = {"target_latency_ns": 15_000_000, "target_latency_percentile": 0.99}
    record = _invalid("Server", SLOW, FEW, result=99.5, metrics=metrics, target_qps=100, **allowed)
    advice = advise(record)
    assert len(advice.words) == 1
    assert "24.5 ms at the 99th percentile, 15 ms allowed" in advice.words[0]
    assert "4 % of the queries took longer, 1 % may" in advice.words[0]
    assert dict(advice.change) == {"qps": pytest.approx(85.0)}
    metrics["scheduled_samples_per_sec"] = 400.0
    record = _invalid("Server", SLOW, result=100.0, metrics=metrics, target_qps=400, **allowed)
    assert dict(advise(record).change) == {"qps": pytest.approx(85.0)}
    assert "did 100 of the 400 queries per second" in advise(record).words[0]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Only processed 100 queries. Need to process at least 662 queries for …", 695),
        ("Processed 100 queries. Would need to run at least 562 more queries, with …", 695),
    ],
)
def test_too_few_queries_for_the_percentile(text: str, count: int) -> None:
    """LoadGen says how many it needs, in all or more; the shortest duration stays."""
    record = _invalid(
        "Server", FEW, text, result=9.0, metrics={"query_count": 100.0}, min_duration_ms=10_000
    )
    assert advise(record).change == {"count": count, "time": 10.0}
    assert "needs 662 at least" in advise(record).words[0]


def test_a_run_that_a_limit_cut_short_has_no_next_attempt() -> None:
    """No other target mends it: the limit has to go."""
    record = _invalid(
        "Offline",
        SHORT,
        result=150.0,
        metrics={"query_count": 1.0},
        max_query_count=10,
        min_duration_ms=600_000,
    )
    assert advise(record).change == {}
    assert "Remove max_query_count" in advise(record).words[0]


def test_other_runs_need_no_advice() -> None:
    """VALID ones, and INVALID ones of other modes or reasons."""
    assert advise(sample_record()).words == ()
    assert advise(sample_record(validity="FAILED", reasons=(SHORT,))).words == ()
    assert advise(sample_record(validity="INVALID", mode="accuracy", reasons=(SHORT,))).words == ()
    other = sample_record(validity="INVALID", reasons=("LoadGen gave no usable result (nan).",))
    assert advise(other).change == {}


def test_the_next_request_replaces_what_set_said() -> None:
    """`--set target_qps=…` would contradict the new --qps."""
    extra = {"digits.Offline.target_qps": "5", "min_query_count": "7"}
    request = BenchRequest("digits", "onnx", "Offline", "performance", extra=extra)
    changed = next_request(request, {"qps": 9.0})
    assert changed.extra == {"min_query_count": "7"}
    assert changed.loadgen_settings("digits")["digits.Offline.target_qps"] == "9"


def test_attempts_end_with_the_first_valid_run() -> None:
    """Each attempt expects a tenth more than the last one did."""
    asked: list[float] = []

    def run(request: BenchRequest) -> ConcludedRun:
        asked.append(request.qps or 0.0)
        if asked[-1] > 100:
            return ConcludedRun(sample_record(), "0" * 40)
        did = 1.4 * asked[-1]
        record = _invalid(
            "Offline",
            SHORT,
            result=did,
            metrics={"query_count": 1.0},
            samples_per_query=10,
            min_duration_ms=1000,
        )
        return ConcludedRun(record, "0" * 40)

    request = BenchRequest("digits", "onnx", "Offline", "performance", qps=50.0)
    tried = list(attempts(run, request))
    assert [one.record.validity for _, one in tried] == ["INVALID", "INVALID", "VALID"]
    assert asked == [50.0, pytest.approx(77.0), pytest.approx(118.58)]
    assert len(list(attempts(run, request, most=1))) == 1


@pytest.mark.parametrize(
    ("value", "judged", "name", "far"),
    [
        (44.1, 50_000, "mine", True),
        (75.7, 50_000, "mine", False),
        # Below nine tenths of 76.456, but twelve images say little.
        (58.333, 12, "mine", False),
        (8.333, 12, "mine", True),
        # Nine tenths of 76.014, not of the default's 76.456.
        (68.35, 50_000, "resnet50-v1.5-pytorch", False),
        (68.35, 50_000, "resnet50-v1.5-opset-11", True),
    ],
)
def test_a_score_far_below_the_known_one_names_the_other_ways(
    value: float, judged: int, name: str, far: bool
) -> None:
    """The way that was taken, and those that there are."""
    record = sample_record(
        benchmark="resnet50",
        mode="accuracy",
        result=Metric(value, "%"),
        model={"name": name},
        dataset={"preprocessing": "vgg"},
        accuracy={"judged": judged, "of": 50_000},
    )
    words = " ".join(advise(record).words)
    assert bool(words) == far
    if far:
        assert "in the way vgg" in words
        assert "--way mobilenet, pytorch or efficientnet-lite" in words
        assert advise(record).change == {}


@pytest.mark.parametrize(("value", "judged", "near"), [(0.1, 500, True), (0.0, 12, False)])
def test_where_no_score_is_known_chance_is_the_bound(value: float, judged: int, near: bool) -> None:
    """Nobody published one of EfficientNet-Lite0's weights; twelve images say nothing then."""
    record = sample_record(
        benchmark="efficientnet-lite0",
        mode="accuracy",
        result=Metric(value, "%"),
        dataset={"preprocessing": "vgg"},
        accuracy={"judged": judged},
    )
    words = " ".join(advise(record).words)
    assert ("hardly better than chance" in words) == near


def test_nothing_is_said_of_a_score_where_there_are_no_ways() -> None:
    """Digits and random weights have none."""
    record = sample_record(
        benchmark="digits", mode="accuracy", result=Metric(1.0, "%"), accuracy={"judged": 500}
    )
    assert advise(record).words == ()
