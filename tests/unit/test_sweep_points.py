"""What the points of a sweep say: which hold a limit, the goodput, the best, the front."""

from __future__ import annotations

from typing import Any

import pytest

from mlrepo.bench.sweep.points import load_point
from mlrepo.layout.eligibility import why_not_eligible
from mlrepo.record import INVALID, Metric, RunRecord
from mlrepo.report.chart import ChartNames
from mlrepo.report.goodput import Goodput, goodput
from mlrepo.report.histories import histories
from mlrepo.report.measures import pareto_fronts
from mlrepo.report.reported import ReportedRun
from mlrepo.report.sweep import curve_rows, rankings
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.trailers import run_trailers
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record, sample_run_id


def _server(number: int, rate: float, p99: float, **changes: Any) -> RunRecord:
    """Return a run of a Server with a bound of 15 ms."""
    metrics = {
        "50.00_percentile_latency": Metric(p99 / 3, "ms"),
        "90.00_percentile_latency": Metric(p99 / 2, "ms"),
        "99.00_percentile_latency": Metric(p99, "ms"),
        "scheduled_samples_per_sec": Metric(rate, "samples/s"),
        **changes.pop("metrics", {}),
    }
    effective = {"target_qps": rate, "target_latency_ns": 15_000_000}
    loadgen = changes.pop("loadgen", {"effective": effective})
    return sample_record(
        sample_run_id(number),
        **{
            "scenario": "Server",
            "tags": ("sweep", "sweep-a", f"cell-{number}"),
            "result": Metric(rate, "queries/s"),
            "metrics": metrics,
            "loadgen": loadgen,
            **changes,
        },
    )


def _reported(record: RunRecord) -> ReportedRun:
    return ReportedRun(RecordedRun(record.run, "0" * 40, run_trailers(record)), record)


def test_a_point_of_a_sweep_is_no_result() -> None:
    """Otherwise the last cell of a grid would stand in the layout."""
    record = _server(0, 100, 10)
    assert why_not_eligible(record, SHIPPED["v6.1"]) == "the run is a point of a sweep"
    assert histories([_reported(record)], SHIPPED, ChartNames()) == []


@pytest.mark.parametrize(
    ("record", "limits", "held"),
    [
        (_server(0, 100, 10), {}, True),
        # LoadGen says that the bound does not hold, whatever the percentile of this run.
        (
            _server(
                0, 100, 14, validity=INVALID, reasons=("Performance constraints not satisfied",)
            ),
            {},
            False,
        ),
        # Too few queries for early stopping: the percentile decides.
        (
            _server(0, 100, 14, validity=INVALID, reasons=("Early stopping not satisfied",)),
            {},
            True,
        ),
        (
            _server(0, 100, 16, validity=INVALID, reasons=("Early stopping not satisfied",)),
            {},
            False,
        ),
        # A typed limit replaces LoadGen's.
        (_server(0, 100, 10), {"latency": 9.0}, False),
        (_server(0, 100, 14, validity=INVALID, reasons=("x",)), {"latency": 14.0}, True),
        (_server(0, 100, 10), {"ttft": 100.0}, False),
        # It did 90 of 100.
        (_server(0, 100, 10, result=Metric(90.0, "queries/s")), {}, False),
    ],
)
def test_a_load_holds_if_its_limits_do_and_it_keeps_up(
    record: RunRecord, limits: dict[str, float], held: bool
) -> None:
    """By LoadGen's verdict, by percentiles, and by what was done of what was offered."""
    point = load_point(100, [record], limits)
    assert (point.good, point.bad) == (int(held), int(not held))


def test_goodput_is_counted_by_loadgen_or_bounded_by_percentiles() -> None:
    """3 of 300 queries over LoadGen's own bound; else what each percentile keeps at least."""
    counts = {"overlatency_query_count": Metric(3, ""), "query_count": Metric(300, "")}
    record = _server(0, 100, 20, metrics=counts)
    assert goodput(record, {"latency": 15.0}) == Goodput(99.0, exact=True)
    # p90 is 10 ms, p99 is 20 ms.
    assert goodput(record, {"latency": 12.0}) == Goodput(90.0, exact=False)
    assert goodput(record, {"latency": 20.0}) == Goodput(99.0, exact=False)
    assert goodput(record, {"latency": 1.0}) == Goodput(0.0, exact=False)
    assert str(goodput(record, {"latency": 12.0})) == "≥ 90"
    assert goodput(record, {}) is None
    tokens = {
        "first_token_99.00_percentile_latency": Metric(100, "ms"),
        "time_per_output_token_90.00_percentile": Metric(30, "ms"),
    }
    both = goodput(_server(0, 100, 20, metrics=tokens), {"ttft": 100.0, "tpot": 30.0})
    assert both is not None
    assert both.rate == pytest.approx(89)


def test_points_are_ranked_with_the_best_first_and_those_without_a_result_last() -> None:
    """By the mean of the VALID runs; for a latency the smallest is the best."""
    runs = [
        _server(0, 100, 5),
        _server(1, 300, 9),
        _server(2, 310, 9, validity=INVALID, result=Metric(None, "queries/s")),
        _server(3, 200, 7),
        _server(4, 220, 7),
    ]
    reported = [_reported(record) for record in runs]
    cells: list[tuple[dict[str, str], list[ReportedRun]]] = [
        ({"qps": "100"}, reported[:1]),
        ({"qps": "300"}, reported[1:2]),
        ({"qps": "310"}, reported[2:3]),
        ({"qps": "210"}, reported[3:]),
        ({"qps": "400"}, []),
    ]
    [ranking] = rankings(cells, SHIPPED)
    assert [point.values["qps"] for point in ranking.points] == ["300", "210", "100", "310"]
    assert (ranking.points[1].mean, ranking.points[1].low, ranking.points[1].high) == (
        210,
        200,
        220,
    )
    assert ranking.points[-1].valid == 0
    stream = [
        (
            {"threads": name},
            [_reported(_server(number, 1, 1, scenario="SingleStream", result=Metric(value, "ms")))],
        )
        for number, (name, value) in enumerate((("1", 3.0), ("2", 2.0)))
    ]
    [latencies] = rankings(stream, SHIPPED)
    assert [point.values["threads"] for point in latencies.points] == ["2", "1"]


def test_the_front_of_a_sweep_has_a_point_for_each_rate() -> None:
    """Of a result only the newest run is one; a slower and later one is not on the front."""
    runs = [
        _reported(_server(number, *at)) for number, at in enumerate(((100, 5), (300, 9), (200, 12)))
    ]
    [chart] = [one for one in pareto_fronts(runs, SHIPPED, ChartNames()) if " per " not in one.y]
    points = {row[1]: (row[0], row[4]) for row in chart.rows}
    assert points == {100: (5, 1), 300: (9, 1), 200: (12, 0)}
    assert "at 300 queries/s" in str(chart.rows[1][2])


def test_the_rows_of_a_curve_have_what_each_load_gave() -> None:
    """By load, with LoadGen's limit for the goodput where none was typed."""
    counts = {"overlatency_query_count": Metric(0, ""), "query_count": Metric(300, "")}
    runs = [
        _reported(_server(number, rate, 6, metrics=counts))
        for number, rate in ((0, 200.0), (1, 100.0))
    ]
    rows = curve_rows([(200.0, runs[0]), (100.0, runs[1])], {})
    assert [(row.load, row.achieved, row.p50, row.p90, row.p99) for row in rows] == [
        (100, 100, 2, 3, 6),
        (200, 200, 2, 3, 6),
    ]
    assert rows[0].goodput == Goodput(100.0, exact=True)
    assert rows[0].ttft is None
