"""Charts of what an endpoint does with a number of requests at one time."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.record import FAILED, format_number
from mlrepo.record.latencies import percentiles
from mlrepo.report.chart import Chart, ChartNames, counted
from mlrepo.report.reported import ReportedRun, differing_words
from mlrepo.scenarios import named

_LATENCY = ("offered", "latency", "percentile", "limit", "verdict", "run")
_THROUGHPUT = ("concurrency", "throughput", "verdict", "run")
_SHOWN = (
    ("latency", 50.0, "p50"),
    ("latency", 90.0, "p90"),
    ("latency", 99.0, "p99"),
    ("ttft", 99.0, "TTFT p99"),
)


def concurrency_curves(runs: Sequence[ReportedRun], names: ChartNames) -> list[Chart]:
    """Return latencies and throughput at each concurrency, for each configuration of an endpoint.

    The latencies begin when the client sends a request. Curves of one concurrency are left out.
    """
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        if concurrency(run) is not None and run.run.trailer("Validity") != FAILED:
            groups.setdefault(run.subject, []).append(run)
    curves = [
        sorted(group, key=lambda run: (concurrency(run) or 0, run.run.run))
        for _, group in sorted(groups.items())
        if len({concurrency(run) for run in group}) > 1
    ]
    charts = []
    for group, words in zip(curves, differing_words([c[0] for c in curves]), strict=True):
        said = group[0].run.trailer
        place = [said(name) for name in ("Benchmark", "System", "Backend")]
        title = f"{place[0]} on {place[1]}, {place[2]}" + (f" ({words})" if words else "")
        unit = group[-1].run.result.unit
        about = _about(group, unit)
        for kind, what, y, columns, rows in (
            ("load", "latency", "latency (ms)", _LATENCY, _latency_rows(group)),
            ("throughput", "throughput", f"throughput ({unit})", _THROUGHPUT, _rate_rows(group)),
        ):
            if rows:
                charts.append(
                    Chart(
                        names.give("concurrency", *place, what),
                        kind,
                        f"{title}: {what} at each concurrency",
                        about,
                        "requests under way",
                        y,
                        columns,
                        tuple(rows),
                    )
                )
    return charts


def concurrency(run: ReportedRun) -> int | None:
    """Return how many requests the client kept under way; None if nobody chose it."""
    if run.record is None or not run.is_performance or run.record.backend.endpoint is None:
        return None
    text = run.record.backend.asked_options.get("connections", "")
    known = named(run.run.trailer("Scenario"))
    return int(text) if known.at_once and text.isdecimal() and len(text) < 10 else None


def _latency_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in runs:
        assert run.record is not None
        for name, percent, title in _SHOWN:
            value = percentiles(run.record, name).get(percent)
            if value:
                said = run.run.trailer("Validity")
                rows.append((concurrency(run), value, title, None, said, run.run.run))
    return rows


def _rate_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    return [
        (concurrency(run), run.value, run.run.trailer("Validity"), run.run.run)
        for run in runs
        if run.value is not None
    ]


def _about(runs: Sequence[ReportedRun], unit: str) -> str:
    number = len({concurrency(run) for run in runs})
    words = f"{counted(len(runs), 'run')} at {counted(number, 'concurrency', 'concurrencies')}"
    best = max((run for run in runs if run.value is not None), key=_value, default=None)
    if best is None:
        return f"{words}."
    return (
        f"{words}; most with {concurrency(best)} requests under way: "
        f"{format_number(_value(best))} {unit}."
    )


def _value(run: ReportedRun) -> float:
    return run.value or 0.0
