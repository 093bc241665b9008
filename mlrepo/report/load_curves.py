"""Load curves of a Server: latencies and the rate that it achieves at each rate that is offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlrepo.record import FAILED, format_number
from mlrepo.record.latencies import latency_ms, loadgen_limits
from mlrepo.report.chart import Chart, ChartNames, counted, scale_of
from mlrepo.report.measures import offered
from mlrepo.report.reported import ReportedRun, differing_words
from mlrepo.scenarios import named

_LOAD = ("offered", "latency", "percentile", "limit", "verdict", "run")
_ACHIEVED = ("offered", "achieved", "verdict", "run")
# The latency, its percentile and what that is called.
_SHOWN = (
    ("latency", 50.0, "p50"),
    ("latency", 90.0, "p90"),
    ("latency", 99.0, "p99"),
    ("ttft", 99.0, "TTFT p99"),
    ("tpot", 99.0, "TPOT p99"),
)
_NAMES = {"latency": "latency", "ttft": "TTFT", "tpot": "TPOT"}
_Limits = Mapping[str, float]


def load_curves(runs: Sequence[ReportedRun], names: ChartNames) -> list[Chart]:
    """Return for each configuration of a Server the latencies and the rate at each offered rate.

    The probes of `bench peak` are points of it, as are full runs. Runs under other latency limits
    are another curve, since their verdicts are about these. Curves of one rate are left out.
    """
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        scenario = run.run.trailer("Scenario")
        at_random = named(scenario).at_random and run.is_performance
        if run.record is None or not at_random or run.run.trailer("Validity") == FAILED:
            continue
        if offered(run):
            key = (*run.subject, scenario, _limit_words(_limits(run)))
            groups.setdefault(key, []).append(run)
    several: dict[tuple[str, ...], list[list[ReportedRun]]] = {}
    for group in groups.values():
        if len({offered(run) for run in group}) > 1:
            group.sort(key=lambda run: (offered(run), run.run.run))
            said = group[0].run.trailer
            key = tuple(said(name) for name in ("Benchmark", "Scenario", "System", "Backend"))
            several.setdefault(key, []).append(group)
    charts = []
    for place, curves in sorted(several.items()):
        for group, words in zip(curves, _words(curves), strict=True):
            charts += _curve(place, group, words, names)
    return charts


def _words(curves: Sequence[Sequence[ReportedRun]]) -> list[str]:
    """Return what tells curves of one system and backend apart."""
    chosen = differing_words([curve[0] for curve in curves])
    limits = [_limit_words(_limits(curve[0])) for curve in curves]
    if len(set(limits)) == 1:
        return chosen
    return [", ".join(filter(None, both)) for both in zip(chosen, limits, strict=True)]


def _curve(
    place: tuple[str, ...], runs: Sequence[ReportedRun], words: str, names: ChartNames
) -> list[Chart]:
    benchmark, scenario, system, backend = place
    title = f"{benchmark} {scenario} on {system}, {backend}"
    title = f"{title} ({words})" if words else title
    about = _about(runs)
    scale = scale_of([offered(run) for run in runs])
    return [
        Chart(
            names.give("load", *place, what),
            kind,
            f"{title}: {shown} at each load",
            about,
            "offered (queries/s)",
            y,
            columns,
            tuple(rows),
            scale,
        )
        for kind, what, shown, y, columns, rows in (
            ("load", "latency", "latency", "latency (ms)", _LOAD, _latency_rows(runs)),
            (
                *("achieved", "achieved", "achieved rate", "achieved (queries/s)"),
                *(_ACHIEVED, _rate_rows(runs)),
            ),
        )
    ]


def _limits(run: ReportedRun) -> _Limits:
    return loadgen_limits(run.record) if run.record else {}


def _limit_words(limits: _Limits) -> str:
    return " and ".join(
        f"{_NAMES[name]} limit {format_number(limit)} ms" for name, limit in limits.items()
    )


def _latency_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in runs:
        assert run.record is not None
        limits = _limits(run)
        for name, percent, title in _SHOWN:
            value = latency_ms(run.record, name, percent)
            if value is not None:
                said = run.run.trailer("Validity")
                rows.append((offered(run), value, title, limits.get(name), said, run.run.run))
    return rows


def _rate_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in runs:
        rate = run.metric("completed_samples_per_sec") or run.value
        if rate is not None:
            rows.append((offered(run), rate, run.run.trailer("Validity"), run.run.run))
    return rows


def _about(runs: Sequence[ReportedRun]) -> str:
    valid = [offered(run) for run in runs if run.is_valid]
    words = [f"{counted(len(runs), 'run')} at {counted(len(set(map(offered, runs))), 'rate')}"]
    if valid:
        words.append(f"VALID up to {format_number(max(valid))} queries/s")
    failed = [offered(run) for run in runs if not run.is_valid]
    if failed:
        words.append(f"not VALID from {format_number(min(failed))} queries/s on")
    if limits := _limit_words(_limits(runs[0])):
        words.append(limits)
    return "; ".join(words) + "."
