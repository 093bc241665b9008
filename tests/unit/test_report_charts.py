"""What the charts of a report show: repetitions, fronts, load curves, latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlrepo.latencies.documents import Latencies, Series
from mlrepo.latencies.histogram import Histogram
from mlrepo.latencies.thinned import thinned
from mlrepo.record import Metric
from mlrepo.report.chart import Chart, ChartNames
from mlrepo.report.concurrency import concurrency_curves
from mlrepo.report.distributions import RecordedLatencies, latencies, traces
from mlrepo.report.drawing import specification
from mlrepo.report.histories import histories, repetitions
from mlrepo.report.load_curves import load_curves
from mlrepo.report.measures import pareto_fronts, percentile_of
from mlrepo.report.reported import ReportedRun, accelerators, cores
from mlrepo.report.rounds import round_lines
from mlrepo.report.specifications import SPECIFICATIONS
from mlrepo.report.token_charts import token_charts
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.trailers import run_trailers
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record, sample_run_id

_HOST = {
    "number_of_nodes": "2",
    "host_processors_per_node": "2",
    "host_processor_core_count": "8",
    "accelerators_per_node": "0",
}


def _run(number: int, value: float | None, **changes: Any) -> ReportedRun:
    unit = changes.pop("unit", "samples/s")
    record = sample_record(sample_run_id(number), result=Metric(value, unit), **changes)
    return ReportedRun(RecordedRun(record.run, f"{number:040x}", run_trailers(record)), record)


def _runs(values: Sequence[float], first: int = 0, **changes: Any) -> list[ReportedRun]:
    return [_run(first + number, value, **changes) for number, value in enumerate(values)]


def _column(chart: Chart, name: str) -> list[object]:
    return [row[chart.columns.index(name)] for row in chart.rows]


_SLOW, _ALSO_SLOW, _FAST = (99.0, 100.0, 101.0), (99.5, 100.5, 101.5), (109.0, 110.0, 111.0)


def test_repeated_runs_have_the_interval_of_students_t() -> None:
    """99, 100, 101: the mean ± 4.303 × 1 ÷ √3; two runs have none."""
    [group] = repetitions(_runs(_SLOW), lower=False)
    assert group.mean == 100.0
    assert group.low == pytest.approx(100 - 2.48414, abs=1e-4)
    assert group.high == pytest.approx(100 + 2.48414, abs=1e-4)
    [pair] = repetitions(_runs(_SLOW[:2]), lower=False)
    assert (pair.low, pair.high) == (None, None)


@pytest.mark.parametrize(("lower", "words"), [(False, "better"), (True, "worse")])
def test_a_change_is_said_only_where_intervals_part(lower: bool, words: str) -> None:
    """Of three commits, the second is the first's equal and the third is not."""
    runs = [
        run
        for place, values in enumerate((_SLOW, _ALSO_SLOW, _FAST))
        for run in _runs(values, 10 * place, source={"commit": f"{place:040x}"})
    ]
    assert [group.change for group in repetitions(runs, lower=lower)] == ["", "", words]


def test_few_runs_never_change_anything() -> None:
    """Without an interval there is no claim, and the next interval is compared with the last."""
    commits = [{"commit": f"{place:040x}"} for place in range(3)]
    runs = _runs(_SLOW, 0, source=commits[0]) + _runs((500.0,), 10, source=commits[1])
    runs += _runs(_ALSO_SLOW, 20, source=commits[2])
    assert [group.change for group in repetitions(runs, lower=False)] == ["", "", ""]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backend": {"name": "onnx", "framework": "ONNX Runtime 1.33"}}, "framework: - → ONNX"),
        ({"loadgen": {"version": "6.1"}}, "LoadGen: - → 6.1"),
        ({"host": {"kernel": "Linux 7"}}, "kernel: - → Linux 7"),
        ({"host": {"power_management": "performance"}}, "power management: - → performance"),
        ({"platform": "quiet"}, "platform profile: none → quiet"),
        ({"host": {"host_memory_capacity": "1 GiB"}}, "host_memory_capacity: - → 1 GiB"),
    ],
    ids=["framework", "LoadGen", "kernel", "governor", "profile", "machine"],
)
def test_a_change_of_the_environment_is_marked_and_goes_on_in_one_history(
    changes: dict[str, Any], words: str
) -> None:
    """It is the same configuration, but no repetition."""
    runs = _runs(_SLOW[:1], backend={"name": "onnx"}) + _runs(
        _SLOW, 10, **{"backend": {"name": "onnx"}, **changes}
    )
    [chart] = histories(runs, SHIPPED, ChartNames())
    marks = [mark for mark in _column(chart, "environment") if mark]
    assert len(marks) == 1
    assert str(marks[0]).startswith(words)
    [changed] = [name for name in _column(chart, "changed") if name]
    assert changed == ("machine" if words.startswith("host_") else words.partition(":")[0])
    assert f"the environment changed 1 time; before the run {runs[1].run.run}: " in chart.about
    assert _column(chart, "runs") == [1, None, None, 3]


def test_each_configuration_and_scenario_has_its_history() -> None:
    """Their titles say what differs; probes, and what gave no result, have none."""
    one, two = ({"name": "onnx", "threads": number} for number in (1, 2))
    runs = [
        *_runs(_SLOW, 0, backend=one),
        *_runs(_SLOW, 10, backend=two),
        *_runs(_SLOW, 20, backend=one, scenario="SingleStream", unit="ms"),
        _run(30, 5.0, backend=one, tags=("probe",)),
        _run(31, None, backend=one, validity="FAILED"),
        _run(32, 90.0, backend=one, validity="INVALID"),
    ]
    charts = histories(runs, SHIPPED, ChartNames())
    assert [chart.title for chart in charts] == [
        "resnet50 Offline performance on alpha, onnx (threads 1)",
        "resnet50 Offline performance on alpha, onnx (threads 2)",
        "resnet50 SingleStream performance on alpha, onnx",
    ]
    assert _column(charts[0], "verdict") == ["VALID"] * 3 + ["INVALID"]
    assert "best 101 samples/s (higher is better)" in charts[0].about
    assert "best 99 ms (lower is better)" in charts[2].about
    assert len({chart.name for chart in charts}) == 3


def _configuration(number: int, rate: float, accuracy: float, host: dict[str, str]) -> Any:
    backend = {"name": "onnx", "threads": number}
    yield _run(10 * number, rate, backend=backend, host=host)
    yield _run(10 * number + 1, accuracy, backend=backend, mode="accuracy", unit="%", host=host)


def test_a_front_is_what_no_other_configuration_beats() -> None:
    """Of four configurations, one is slower and less accurate than another."""
    points = ((1, 100.0, 76.0), (2, 200.0, 75.0), (3, 150.0, 74.0), (4, 300.0, 73.0))
    runs = [run for point in points for run in _configuration(*point, host=_HOST)]
    charts = {chart.y: chart for chart in pareto_fronts(runs, SHIPPED, ChartNames())}
    assert set(charts) == {"result (samples/s)", "result (samples/s per core)"}
    whole = charts["result (samples/s)"]
    assert [row[:2] + row[4:] for row in whole.rows] == [
        (73.0, 300.0, 1),
        (74.0, 150.0, 0),
        (75.0, 200.0, 1),
        (76.0, 100.0, 1),
    ]
    assert _column(charts["result (samples/s per core)"], "y") == [300 / 32, 150 / 32, 6.25, 3.125]
    assert "threads 4" in str(_column(whole, "configuration")[0])


def test_equal_points_and_latency_on_a_front() -> None:
    """A Server's rate against its own tail, where less is better; a twin is not on the front."""
    runs = [
        _run(
            number,
            rate,
            scenario="Server",
            backend={"name": "onnx", "threads": 1 + number},
            metrics={"99.00_percentile_latency": Metric(tail, "ms")},
            host=_HOST,
        )
        for number, (rate, tail) in enumerate(((100, 5.0), (200, 9.0), (150, 9.5), (200, 9.0)))
    ]
    [whole, _] = pareto_fronts(runs, SHIPPED, ChartNames())
    assert whole.x == "99th percentile (ms)"
    assert _column(whole, "x") == [5.0, 9.0, 9.0, 9.5]
    assert _column(whole, "front") == [1, 1, 0, 0]


def test_cores_and_accelerators_are_those_of_all_nodes_and_never_of_a_client() -> None:
    """Two nodes of two processors with eight cores; a served model hides its machine."""
    here = _run(0, 1.0, host={**_HOST, "accelerators_per_node": "4"})
    assert (cores(here), accelerators(here)) == (32, 8)
    assert accelerators(_run(0, 1.0, host=_HOST)) is None
    assert cores(_run(0, 1.0, host={**_HOST, "number_of_nodes": "N/A"})) is None
    served = {"name": "openai", "endpoint": {"url": "http://far", "model": "m", "kind": "chat"}}
    assert cores(_run(0, 1.0, host=_HOST, backend=served)) is None


def test_a_load_curve_has_the_probes_and_the_limit() -> None:
    """Offered and achieved rates, percentiles, verdicts; a single rate is no curve."""

    def at(number: int, offered: float, **changes: Any) -> ReportedRun:
        percentiles = {"50.00": 1.0, "90.00": 2.0, "99.00": offered / 10}
        return _run(
            number,
            min(offered, 120.0),
            scenario="Server",
            metrics={f"{p}_percentile_latency": Metric(v, "ms") for p, v in percentiles.items()},
            loadgen={"effective": {"target_qps": offered, "target_latency_ns": 15_000_000}},
            **changes,
        )

    runs = [
        at(0, 200, tags=("probe",), validity="INVALID"),
        at(1, 100, tags=("probe",)),
        at(2, 110),
        at(3, 300, system="other"),
    ]
    latency, achieved = load_curves(runs, ChartNames())
    assert (latency.kind, achieved.kind) == ("load", "achieved")
    assert _column(latency, "offered") == [100] * 3 + [110] * 3 + [200] * 3
    assert _column(latency, "percentile") == ["p50", "p90", "p99"] * 3
    assert set(_column(latency, "limit")) == {15.0}
    assert _column(achieved, "achieved") == [100, 110, 120]
    assert latency.about == (
        "3 runs at 3 rates; VALID up to 110 queries/s; not VALID from 200 queries/s on; "
        "latency limit 15 ms."
    )
    assert (latency.scale, load_curves([*runs, at(4, 9000)], ChartNames())[0].scale) == (
        "linear",
        "log",
    )


def test_other_limits_are_another_load_curve_and_tokens_have_their_own() -> None:
    """A verdict is about a limit; with token latencies LoadGen ignores that of the query."""

    def at(number: int, offered: float, limit: int, **requested: int) -> ReportedRun:
        metrics = {
            "99.00_percentile_latency": Metric(9.0, "ms"),
            "first_token_99.00_percentile_latency": Metric(5.0, "ms"),
        }
        loadgen = {
            "effective": {"target_qps": offered, "target_latency_ns": limit},
            "requested": requested,
        }
        return _run(number, offered, scenario="Server", metrics=metrics, loadgen=loadgen)

    runs = [at(n, 10 * (1 + n % 2), 10**6 * (1 + n // 2)) for n in range(4)]
    titles = [chart.title for chart in load_curves(runs, ChartNames()) if chart.kind == "load"]
    assert [title.partition("(")[2] for title in titles] == [
        "latency limit 1 ms): latency at each load",
        "latency limit 2 ms): latency at each load",
    ]
    tokens = {"use_token_latencies": 1, "server_ttft_latency": 2 * 10**9}
    [curve, _] = load_curves([at(5, 10, 1, **tokens), at(6, 20, 1, **tokens)], ChartNames())
    assert set(zip(_column(curve, "percentile"), _column(curve, "limit"), strict=True)) == {
        ("p99", None),
        ("TTFT p99", 2000.0),
    }
    assert "TTFT limit 2000 ms" in curve.about


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("99.90_percentile_latency", ("query latency", 0.999)),
        ("50.00_percentile_latency", ("query latency", 0.5)),
        ("50.00_percentile_per_query_latency", None),
        ("first_token_99.00_percentile_latency", ("time to first token", 0.99)),
        ("time_per_output_token_97.00_percentile", ("time per output token", 0.97)),
        ("mean_latency", None),
        ("99.90_percentile_latency\n", None),
    ],
)
def test_loadgens_percentiles_are_known_by_their_names(
    name: str, expected: tuple[str, float] | None
) -> None:
    """Of queries, first tokens and later tokens."""
    found = percentile_of(name)
    assert (None if found is None else (found.of, found.share)) == expected


def test_latencies_are_shares_that_are_slower_and_tokens_are_seen_by_users() -> None:
    """At p99, one in a hundred; a time per token of 50 ms is 20 tokens/s."""
    metrics = {
        "50.00_percentile_latency": Metric(2.0, "ms"),
        "99.00_percentile_latency": Metric(9.0, "ms"),
        "time_per_output_token_50.00_percentile": Metric(50.0, "ms"),
        "time_per_output_token_99.00_percentile": Metric(70.0, "ms"),
        "tokens_per_second": Metric(640.0, "tokens/s"),
    }
    runs = [_run(number, 10.0, metrics=metrics) for number in range(8)]
    chart, *_ = latencies(runs, ChartNames())
    assert chart.rows[:2] == (
        (2.0, 0.5, runs[2].run.run, "p50"),
        (9.0, 0.01, runs[2].run.run, "p99"),
    )
    assert len(set(_column(chart, "run"))) == 6
    assert "6 VALID runs of 8, the newest," in chart.about
    per_user, per_token = token_charts(runs, ChartNames())
    assert per_user.rows[0][:2] == (640.0, 20.0)
    assert (per_token.kind, per_token.y) == ("token-latency", "TPOT, 99th percentile (ms)")
    assert per_token.rows[0][:4] == (640.0, 70.0, 50.0, None)


def _concurrent(number: int, **changes: Any) -> ReportedRun:
    """Return a run with so many requests under way at an endpoint that has four slots."""
    wait = 20.0 * max(1, number / 4)
    served = {"latency": {"50": wait, "99": wait + 5}, "ttft": {"99": wait / 2}}
    backend = {
        "name": "openai",
        "endpoint": {"url": "http://127.0.0.1:1/v1", "model": "m"},
        "asked_options": {"connections": str(number)},
        "traffic": {"served": served},
    }
    rate = 50.0 * min(number, 4)
    return _run(number, rate, unit="tokens/s", backend=backend, **changes)


def test_an_endpoint_is_shown_at_each_concurrency() -> None:
    """From the client's own latencies; a curve of one concurrency is none."""
    runs = [_concurrent(number) for number in (8, 1, 4)]
    latency, throughput = concurrency_curves(runs, ChartNames())
    assert (latency.kind, throughput.kind) == ("load", "throughput")
    assert _column(throughput, "concurrency") == [1, 4, 8]
    assert _column(throughput, "throughput") == [50, 200, 200]
    assert _column(latency, "percentile")[:3] == ["p50", "p99", "TTFT p99"]
    assert _column(latency, "latency")[-3:] == [40, 45, 20]
    assert "3 runs at 3 concurrencies; most with 4 requests under way: 200" in latency.about
    assert concurrency_curves(runs[:1], ChartNames()) == []
    others = [_concurrent(number, scenario="Server") for number in (1, 2)]
    assert concurrency_curves(others, ChartNames()) == []


_TAKEN = np.random.default_rng(0).lognormal(14, 1, 5000).astype(np.int64)


def _recorded(runs: Sequence[ReportedRun]) -> RecordedLatencies:
    times = np.arange(0, 10**9, 200_000)
    trace = thinned(times, times + _TAKEN, queued=True)
    machine = Series((0.2, 0.7), {"busy": (0.5, 1.0), "throttle_events": (0.0, 0.0)})
    found = Latencies({"query": Histogram.of(_TAKEN), "first_token": Histogram.of(_TAKEN // 2)})
    return RecordedLatencies(
        {run.run.run: found for run in runs},
        {run.run.run: replace(trace, machine=machine) for run in runs},
    )


def test_recorded_latencies_are_drawn_whole_and_others_by_their_percentiles() -> None:
    """On one pair of axes, and the text says which is which."""
    metrics = {f"{p}_percentile_latency": Metric(2.0, "ms") for p in ("50.00", "99.00")}
    runs = [_run(number, 10.0, metrics=metrics, scenario="Server") for number in range(3)]
    recorded = _recorded(runs[:2])
    charts = latencies(runs, ChartNames(), recorded)
    assert [chart.title.rpartition(": ")[2] for chart in charts] == [
        "query latency",
        "time to first token",
    ]
    rows = [row for row in charts[0].rows if row[2] == runs[0].run.run]
    assert 20 <= len(rows) <= 60
    shares = [float(str(row[1])) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(1 / 5000)
    for latency, slower, *_ in rows:
        found = (float(str(latency)) * 1e6 < _TAKEN).mean()
        assert found == pytest.approx(float(str(slower)), rel=0.01, abs=1.5 / 5000)
    assert len([row for row in charts[0].rows if row[2] == runs[2].run.run]) == 2
    assert "2 by all latencies" in charts[0].about
    assert "the others by its percentiles" in charts[0].about
    bad = latencies(runs, ChartNames(), RecordedLatencies(unread=frozenset({runs[1].run.run})))
    assert f"{runs[1].run.run} recorded of latencies cannot be read" in bad[0].about


def test_traces_are_drawn_over_the_time_of_a_run() -> None:
    """Only what was measured, and throttling only where there was some."""
    runs = [_run(number, 10.0, scenario="Server") for number in range(5)]
    charts = traces(runs, ChartNames(), _recorded(runs))
    assert [chart.y for chart in charts] == [
        "99th percentile (ms)",
        "most queries in flight",
        "share of all CPUs that is busy",
    ]
    for chart in charts:
        assert len(set(_column(chart, "run"))) == 3
        assert max(float(str(second)) for second in _column(chart, "seconds")) < 1.1
        assert len(chart.rows) <= 150
    assert _column(charts[2], "value")[:2] == [0.5, 1.0]


def test_traces_of_very_many_systems_are_left_out_in_words() -> None:
    """Those of the runs that are newest are drawn."""
    runs = [_run(n, 10.0, scenario="Server", system=f"box{(7 * n) % 103}") for n in range(103)]
    charts = traces(runs, ChartNames(), _recorded(runs))
    drawn = {run for chart in charts for run in _column(chart, "run")}
    assert drawn == {run.run.run for run in runs[3:]}
    assert all("draws those of the other 3" in chart.about for chart in charts)


def test_every_kind_is_drawn_from_its_columns_only() -> None:
    """A field that no row has would be an empty chart."""
    run = _run(0, 1.0)
    runs = [run, *_curve()]
    names = ChartNames()
    charts = [
        *histories(runs, SHIPPED, names),
        *load_curves(runs, names),
        *concurrency_curves([_concurrent(number) for number in (1, 2, 8)], names),
        *latencies(runs, names),
        *traces(runs, names, _recorded(runs)),
        *token_charts(runs, names),
        *pareto_fronts(runs, SHIPPED, names),
        *round_lines([_run(8, 1.0, round="v5.1"), _run(9, 1.0)], SHIPPED, names, "Acme"),
    ]
    drawn = {chart.kind: chart for chart in charts}
    assert set(drawn) | {"history-commits"} == set(SPECIFICATIONS)
    for chart in drawn.values():
        spec = specification(chart)
        assert set(_fields(spec.get("encoding", {}))) | set(_fields(spec.get("layer", []))) <= {
            *chart.columns
        }
        drawn_from = {name: spec[name] for name in ("encoding", "layer") if name in spec}
        assert "@" not in str(drawn_from)


def _curve() -> list[ReportedRun]:
    metrics = {
        "99.00_percentile_latency": Metric(9.0, "ms"),
        "50.00_percentile_latency": Metric(2.0, "ms"),
        "time_per_output_token_50.00_percentile": Metric(50.0, "ms"),
        "first_token_99.00_percentile_latency": Metric(90.0, "ms"),
        "tokens_per_second": Metric(640.0, "tokens/s"),
    }
    return [
        _run(
            number,
            float(number),
            scenario="Server",
            metrics=metrics,
            backend={"name": "onnx", "threads": 1 + number // 4},
            loadgen={"effective": {"target_qps": float(number)}},
        )
        for number in (3, 4, 5)
    ] + [_run(9, 1.0, scenario="Server", metrics=metrics, backend={"name": "tvm-onnx"})]


def _fields(value: object) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("field"), str):
            yield value["field"]
        for item in value.values():
            yield from _fields(item)
    elif isinstance(value, list):
        for item in value:
            yield from _fields(item)


def test_names_of_charts_are_unique_and_plain() -> None:
    """Whatever the systems are called."""
    names = ChartNames()
    given = [names.give("history", "a b/../c\x1b[31m"), names.give("history", "a b/../c\x1b[31m")]
    assert given == ["history-a-b-..-c--31m", "history-a-b-..-c--31m-2"]
