"""The result of a sweep: its points from the best on, and the points of its load curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mlrepo.record import VALID
from mlrepo.record.latencies import latency_ms, loadgen_limits
from mlrepo.report.goodput import Goodput, goodput
from mlrepo.report.reported import ReportedRun, lower_is_better
from mlrepo.rounds import Rounds


@dataclass(frozen=True)
class SweepPoint:
    """One cell and its measurements.

    Attributes
    ----------
    values:
        Of each axis.
    runs:
        Oldest first; VALID and INVALID ones.
    mean, low, high:
        Of the VALID results; None if there is none.
    """

    values: Mapping[str, str]
    runs: tuple[ReportedRun, ...]
    unit: str
    mean: float | None
    low: float | None
    high: float | None

    @property
    def valid(self) -> int:
        """How many of its runs are VALID."""
        return sum(run.is_valid for run in self.runs)


@dataclass(frozen=True)
class Ranking:
    """The points that can be compared by their result, the best first.

    ``kind`` are benchmark, scenario, mode and unit.
    """

    kind: tuple[str, str, str, str]
    lower: bool
    points: tuple[SweepPoint, ...]


def rankings(
    cells: Sequence[tuple[Mapping[str, str], Sequence[ReportedRun]]], rounds: Rounds
) -> list[Ranking]:
    """Return the points of each benchmark, scenario and mode; those without a result come last."""
    measured = [(values, tuple(runs)) for values, runs in cells if runs]
    units = {_task(runs[0]): unit for _, runs in measured if (unit := _unit(runs))}
    groups: dict[tuple[str, str, str, str], list[SweepPoint]] = {}
    lower: dict[tuple[str, str, str, str], bool] = {}
    for values, runs in measured:
        task = _task(runs[0])
        # A run without a result has no unit.
        unit = _unit(runs) or units.get(task, "")
        valid = [run.value for run in runs if run.is_valid and run.value is not None]
        mean = fmean(valid) if valid else None
        low, high = min(valid, default=None), max(valid, default=None)
        kind = (*task, unit)
        groups.setdefault(kind, []).append(SweepPoint(values, runs, unit, mean, low, high))
        lower[kind] = lower_is_better(runs[-1], rounds)
    return [
        Ranking(kind, lower[kind], tuple(sorted(points, key=lambda one: _rank(one, lower[kind]))))
        for kind, points in sorted(groups.items())
    ]


def _task(run: ReportedRun) -> tuple[str, str, str]:
    said = run.run.trailer
    return said("Benchmark"), said("Scenario"), said("Mode")


def _unit(runs: Sequence[ReportedRun]) -> str:
    return next((unit for run in runs if (unit := run.run.result.unit)), "")


def _rank(point: SweepPoint, lower: bool) -> tuple[bool, float]:
    mean = point.mean
    return mean is None, 0.0 if mean is None else mean if lower else -mean


@dataclass(frozen=True)
class CurveRow:
    """One run of a load curve; rates per second, latencies in milliseconds, None for unknown.

    ``load`` is the value of the axis: the offered rate, or how many requests are under way.
    ``ttft`` and ``tpot`` are 99th percentiles.
    """

    load: float
    achieved: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    ttft: float | None
    tpot: float | None
    goodput: Goodput | None
    verdict: str
    run: str


def curve_rows(
    runs: Sequence[tuple[float, ReportedRun]], limits: Mapping[str, float]
) -> list[CurveRow]:
    """Return the points of a curve by load.

    Parameters
    ----------
    runs:
        The load of each run, and the run.
    limits:
        Typed ones in milliseconds; empty for those that LoadGen had.
    """
    rows = []
    for load, run in sorted(runs, key=lambda one: (one[0], one[1].run.run)):
        record = run.record
        if record is None:
            continue
        rows.append(
            CurveRow(
                load,
                record.rate,
                latency_ms(record, "latency", 50),
                latency_ms(record, "latency", 90),
                latency_ms(record, "latency", 99),
                latency_ms(record, "ttft"),
                latency_ms(record, "tpot"),
                goodput(record, limits or loadgen_limits(record)),
                run.run.trailer("Validity") or VALID,
                run.run.run,
            )
        )
    return rows
