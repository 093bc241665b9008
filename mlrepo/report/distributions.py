"""Charts of latencies: how they are distributed, and how they went over the time of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.errors import UserError
from mlrepo.latencies.documents import (
    FIRST_TOKEN,
    LATENCIES_FILE,
    PER_TOKEN,
    QUERY,
    SAMPLE,
    TITLES,
    TRACE_FILE,
    Latencies,
    Series,
    Trace,
)
from mlrepo.latencies.histogram import Histogram
from mlrepo.record import format_number
from mlrepo.report.chart import Chart, ChartNames, counted
from mlrepo.report.measures import percentile_of
from mlrepo.report.reported import ReportedRun
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.left_out import note_left_out
from mlrepo.repository.process import BlobReader
from mlrepo.repository.recorder import RUNS

# How many runs a chart of latencies begins with: more lines cannot be distinguished.
MOST_LINES = 6
# Fewer of traces, whose lines cross, and of so many benchmarks, scenarios and systems at most.
_MOST_TRACES, _MOST_TRACED = 3, 100
# The points of a line: fewer where there are thousands of lines, so that a page stays small.
_MOST_POINTS, _LEAST_POINTS, _ALL_POINTS = 50, 8, 8_000
_MS = 1e-6
_SUBJECT = ("Benchmark", "Scenario", "System")
_Group = tuple[tuple[str, ...], Sequence[ReportedRun]]


@dataclass(frozen=True)
class RecordedLatencies:
    """What runs recorded of their latencies, by run; ``unread`` are the runs whose file is bad."""

    latencies: Mapping[str, Latencies] = field(default_factory=dict)
    traces: Mapping[str, Trace] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


def read_recorded(repository: ResultsRepository, runs: Sequence[ReportedRun]) -> RecordedLatencies:
    """Read the distributions and traces that the charts of these runs show."""
    latencies: dict[str, Latencies] = {}
    traces: dict[str, Trace] = {}
    unread = set()
    blobs = BlobReader(repository.root)
    try:
        groups = _groups(runs)
        for name, chosen, most in (
            (LATENCIES_FILE, groups, MOST_LINES),
            (TRACE_FILE, _traced(groups), _MOST_TRACES),
        ):
            shown = [run.run for _, group in chosen for run in group[-most:]]
            names = [f"{run.commit}:{RUNS}/{run.run}/{name}" for run in shown]
            for run, data in zip(shown, blobs.contents(names), strict=True):
                try:
                    if data and name == LATENCIES_FILE:
                        latencies[run.run] = Latencies.from_json(data)
                    elif data:
                        traces[run.run] = Trace.from_json(data)
                except UserError as error:
                    unread.add(run.run)
                    note_left_out(repository, run.run, error.message)
    finally:
        blobs.close()
    return RecordedLatencies(latencies, traces, frozenset(unread))


def _groups(runs: Sequence[ReportedRun]) -> list[_Group]:
    """Return the VALID performance runs of each benchmark, scenario and system, oldest first."""
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        if run.record is not None and run.is_valid and run.is_performance and run.may_be_result:
            key = tuple(run.run.trailer(name) for name in _SUBJECT)
            groups.setdefault(key, []).append(run)
    return sorted(groups.items(), key=lambda group: group[0])


def _traced(groups: Sequence[_Group]) -> list[_Group]:
    """Return the groups whose traces are shown: those that were measured last."""
    newest = sorted(groups, key=lambda group: group[1][-1].run.run)[-_MOST_TRACED:]
    return sorted(newest, key=lambda group: group[0])


_LATENCY = ("latency", "slower", "run", "share")
# Of which the text beside a chart tells the latencies.
_SHARES = (0.5, 0.9, 0.99, 0.999)
# What one chart is of, by the names of its histograms; the first is what LoadGen's are called.
_CHARTS = ((TITLES[QUERY], (QUERY, SAMPLE)), *((TITLES[n], (n,)) for n in (FIRST_TOKEN, PER_TOKEN)))


def latencies(
    runs: Sequence[ReportedRun], names: ChartNames, recorded: RecordedLatencies | None = None
) -> list[Chart]:
    """Return the distributions of latencies of the newest VALID runs of each system and benchmark.

    They are of all latencies, or for runs that recorded none, LoadGen's percentiles. With a
    logarithmic share of slower queries the tail is visible.
    """
    recorded = recorded or RecordedLatencies()
    points = _points_each(sum(len(one.distributions) for one in recorded.latencies.values()))
    charts = []
    for (benchmark, scenario, system), group in _groups(runs):
        shown = group[-MOST_LINES:]
        for what, keys in _CHARTS:
            found = [_histogram(recorded, run, keys) for run in shown]
            rows: list[tuple[object, ...]] = []
            for run, histogram in zip(shown, found, strict=True):
                if histogram is None:
                    rows += _percentiles(run, what)
                else:
                    rows += _tail(run, histogram, points)
            if rows:
                told = _told(shown[-1], found[-1], what)
                whole = sum(one is not None for one in found)
                left = f" of {len(group)}" if len(group) > len(shown) else ""
                charts.append(
                    Chart(
                        names.give("latency", benchmark, scenario, system, what),
                        "latency",
                        f"{benchmark} {scenario} on {system}: {what}",
                        _about_latencies(shown, left, told, whole, recorded.unread),
                        f"{what} (ms)",
                        "share that is slower",
                        _LATENCY,
                        tuple(rows),
                    )
                )
    return charts


def _percentiles(run: ReportedRun, what: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, metric in run.record.metrics.items() if run.record else ():
        found = percentile_of(name)
        if found is not None and found.of == what and metric.value and metric.value > 0:
            slower = round(1 - found.share, 6)
            rows.append((metric.value, slower, run.run.run, f"p{found.share * 100:g}"))
    # One point is no distribution.
    return sorted(rows, key=lambda row: str(row[3])) if len(rows) > 1 else []


def _points_each(lines: int) -> int:
    """Return how many points each of so many lines has at most."""
    return max(_LEAST_POINTS, min(_MOST_POINTS, _ALL_POINTS // max(1, lines)))


def _tail(run: ReportedRun, histogram: Histogram, points: int) -> Iterator[tuple[object, ...]]:
    """Yield points of the tail, equally far from each other on the axis of shares."""
    for latency, slower in histogram.tail(points):
        share = f"p{(1 - slower) * 100:.6g}"
        yield round(latency * _MS, 6), float(f"{slower:.4g}"), run.run.run, share


def _histogram(
    recorded: RecordedLatencies, run: ReportedRun, keys: Sequence[str]
) -> Histogram | None:
    found = recorded.latencies.get(run.run.run, Latencies()).distributions
    return next((found[key] for key in keys if key in found), None)


def _told(run: ReportedRun, histogram: Histogram | None, what: str) -> list[tuple[object, ...]]:
    """Return the points of which the text beside a chart tells some."""
    if histogram is None:
        return _percentiles(run, what)
    return [
        (
            round(histogram.percentile(share) * _MS, 6),
            round(1 - share, 6),
            run.run.run,
            f"p{share * 100:g}",
        )
        for share in _SHARES
    ]


def _about_latencies(
    runs: Sequence[ReportedRun],
    left: str,
    newest: Sequence[tuple[object, ...]],
    whole: int,
    unread: frozenset[str],
) -> str:
    few = [_nearest(newest, 1 - share) for share in _SHARES] if newest else []
    last = [f"{row[3]} {format_number(float(str(row[0])))} ms" for row in dict.fromkeys(few)]
    if whole == len(runs):
        how = "by all latencies that LoadGen measured"
    elif whole:
        how = f"{whole} by all latencies that LoadGen measured, the others by its percentiles"
    else:
        how = "by the percentiles that LoadGen logged"
    bad = sorted(run.run.run for run in runs if run.run.run in unread)
    damaged = f" What {', '.join(bad)} recorded of latencies cannot be read." if bad else ""
    said = f" {runs[-1].run.run}: {', '.join(last)}." if last else ""
    return f"{counted(len(runs), 'VALID run')}{left}, the newest, {how}.{said}{damaged}"


def _nearest(rows: Sequence[tuple[object, ...]], slower: float) -> tuple[object, ...]:
    return min(rows, key=lambda row: abs(math.log(float(str(row[1])) / slower)))


_TRACE = ("seconds", "value", "run")
_Together = Callable[[Sequence[float]], float]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# Of a trace: the column, what it is called, its axis, and how the values of one point become one.
_OVER_TIME: Sequence[tuple[str, str, str, _Together]] = (
    ("p99_ms", "latency over the run", "99th percentile (ms)", max),
    ("in_flight", "queries in flight over the run", "most queries in flight", max),
    ("rate", "rate over the run", "completed (samples/s)", _mean),
    ("busy", "load over the run", "share of all CPUs that is busy", _mean),
    ("lowest_mhz", "clock over the run", "lowest clock of all CPUs (MHz)", min),
    ("celsius", "temperature over the run", "highest temperature (degrees Celsius)", max),
    ("throttle_events", "throttling over the run", "throttle events", sum),
    ("gpu_busy", "load of accelerators over the run", "share of the time they work", _mean),
    ("gpu_mhz", "clock of accelerators over the run", "lowest clock (MHz)", min),
    ("gpu_celsius", "heat of accelerators over the run", "highest temperature (degrees C)", max),
    ("gpus_held_back", "throttling of accelerators over the run", "accelerators held back", max),
)


# Those that are shown only if anything happened.
_IF_ANY = ("throttle_events", "gpus_held_back")


def traces(
    runs: Sequence[ReportedRun], names: ChartNames, recorded: RecordedLatencies
) -> list[Chart]:
    """Return what happened over the time of the newest VALID runs, several on one pair of axes."""
    all_groups = _groups(runs)
    left_out = len(all_groups) - _MOST_TRACED
    others = (
        f" Traces of the {_MOST_TRACED} systems and scenarios measured last are drawn here; "
        f"`mlrepo show RUN` draws those of the other {left_out}."
        if left_out > 0
        else ""
    )
    groups = [
        (
            subject,
            [
                (run.run.run, trace)
                for run in group[-_MOST_TRACES:]
                if (trace := recorded.traces.get(run.run.run)) is not None
            ],
        )
        for subject, group in _traced(all_groups)
    ]
    lines = sum(
        bool(_column(trace, column)[1])
        for _, known in groups
        for _, trace in known
        for column, *_ in _OVER_TIME
    )
    points = _points_each(lines)
    charts = []
    for (benchmark, scenario, system), known in groups:
        for column, what, axis, together in _OVER_TIME:
            rows = [
                row
                for name, trace in known
                for row in _points(name, trace, column, together, points)
            ]
            if not rows or (column in _IF_ANY and not any(row[1] for row in rows)):
                continue
            values = [float(str(row[1])) for row in rows]
            shown = counted(len({row[2] for row in rows}), "VALID run")
            low, high = map(format_number, (min(values), max(values)))
            charts.append(
                Chart(
                    names.give("trace", benchmark, scenario, system, column),
                    "trace",
                    f"{benchmark} {scenario} on {system}: {what}",
                    f"{shown}, the newest. {axis}: from {low} to {high}.{others}",
                    "seconds since the first query",
                    axis,
                    _TRACE,
                    tuple(rows),
                )
            )
    return charts


def _points(
    run: str, trace: Trace, column: str, together: _Together, points: int
) -> Iterator[tuple[object, ...]]:
    series, values = _column(trace, column)
    width = max(1, math.ceil(len(values) / points))
    for start in range(0, len(values), width):
        known = [value for value in values[start : start + width] if value is not None]
        if known:
            yield round(series.seconds[start], 3), float(f"{together(known):.4g}"), run


def _column(trace: Trace, column: str) -> tuple[Series, Sequence[float | None]]:
    if column == "rate":  # where there are latencies over time, they say it
        offline = "p99_ms" not in trace.queries.columns and trace.interval > 0
        completed = trace.queries.columns.get("completed", ()) if offline else ()
        return trace.queries, [one and one / trace.interval for one in completed]
    for series in (trace.queries, trace.machine):
        if column in series.columns:
            return series, series.columns[column]
    return trace.queries, ()
