"""Runs side by side: metrics with ratios, what differs, and whether the difference is noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from mlrepo.differences import Difference, differing, estimated_settings, machine, settings
from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.record import ACCURACY, VALID, Metric
from mlrepo.report.chart import counted
from mlrepo.report.gate import (
    NOT_JUDGED,
    RESULT,
    GateVerdict,
    Measure,
    measure_of,
    noise_words,
    seconds_of,
    state_of,
)
from mlrepo.report.intervals import LEAST_RUNS, Interval, ratio_interval
from mlrepo.report.sides import Kind, Side
from mlrepo.rounds import Rounds
from mlrepo.scenarios import named

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

SAME = "same within noise"


@dataclass(frozen=True)
class Ratio:
    """A side's mean ÷ the first side's, and its interval where both have enough runs."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Figure:
    """One metric: the mean of each side (None: it has none), and the ratio of each further side.

    There is no ratio where a side has no value, the units differ, or the first is zero.
    """

    name: str
    unit: str
    values: tuple[float | None, ...]
    ratios: tuple[Ratio | None, ...]


@dataclass(frozen=True)
class Comparison:
    """One kind of run on all sides.

    Attributes
    ----------
    kind:
        Benchmark, scenario, mode, test.
    runs:
        The runs of each side, newest first.
    result:
        The result; ``metrics`` are all others that LoadGen gave.
    differing_metrics:
        The metrics of an accuracy that are not equal on all sides; the result may be one of them.
    parted:
        The metrics of each further side whose ratio has an interval without 1.
    left_out:
        How many runs of each side are not compared, by why.
    verdicts:
        What the result of each further side is against that of the first, in words.
    systems, settings:
        What differs: of the machines, and of configuration, software and LoadGen's settings.
    """

    kind: Kind
    sides: tuple[str, ...]
    runs: tuple[tuple[RunRecord, ...], ...]
    result: Figure
    metrics: tuple[Figure, ...]
    differing_metrics: tuple[str, ...]
    parted: tuple[tuple[str, ...], ...]
    left_out: tuple[Mapping[str, int], ...]
    lower_is_better: bool
    verdicts: tuple[str, ...]
    systems: tuple[Difference, ...]
    settings: tuple[Difference, ...]


def compare(sides: Sequence[Side], rounds: Rounds) -> tuple[Comparison, ...]:
    """Compare the kinds of runs that all sides have.

    Parameters
    ----------
    rounds:
        Say which results are better when they are smaller.

    Raises
    ------
    UserError
        They have none in common.
    """
    kinds = [kind for kind in sides[0].runs if all(kind in side.runs for side in sides[1:])]
    if not kinds:
        reasons = "; ".join(
            f"{side.name} is {' and '.join(_named(kind) for kind in side.runs)}" for side in sides
        )
        raise UserError(
            f"There is nothing to compare: {reasons}.",
            hint="Compare runs of the same benchmark, scenario and mode.",
        )
    return tuple(_compare(kind, sides, rounds) for kind in sorted(kinds))


def _compare(kind: Kind, sides: Sequence[Side], rounds: Rounds) -> Comparison:
    runs = tuple(side.runs[kind] for side in sides)
    result = _figure("result", [[run.result for run in side] for side in runs])
    names = dict.fromkeys(name for side in runs for run in side for name in run.metrics)
    nothing = Metric(None, "")
    metrics = tuple(
        _figure(name, [[run.metrics.get(name, nothing) for run in side] for side in runs])
        for name in names
    )
    estimated = frozenset.intersection(*(estimated_settings(run) for side in runs for run in side))
    lower = _lower_is_better(runs[0][0], rounds)
    further = range(len(sides) - 1)
    return Comparison(
        kind=kind,
        sides=tuple(side.name for side in sides),
        runs=runs,
        result=result,
        metrics=metrics,
        differing_metrics=tuple(
            figure.name
            for figure in metrics
            if runs[0][0].mode == ACCURACY and len(set(figure.values)) > 1
        ),
        parted=tuple(
            tuple(figure.name for figure in metrics if _parts(figure.ratios[side]))
            for side in further
        ),
        left_out=tuple(side.left_out.get(kind, {}) for side in sides),
        lower_is_better=lower,
        verdicts=tuple(_verdict(ratio, runs, lower=lower) for ratio in result.ratios),
        systems=differing([[machine(run) for run in side] for side in runs]),
        settings=differing([[settings(run) for run in side] for side in runs], estimated),
    )


def _figure(name: str, sides: Sequence[Sequence[Metric]]) -> Figure:
    numbers = [[one.value for one in side if one.value is not None] for side in sides]
    units = dict.fromkeys(one.unit for side in sides for one in side if one.value is not None)
    first = numbers[0]
    comparable = len(units) == 1 and bool(first) and fmean(first) != 0
    return Figure(
        name,
        " or ".join(units),
        tuple(fmean(side) if side else None for side in numbers),
        tuple(
            Ratio(fmean(side) / fmean(first), ratio_interval(first, side))
            if comparable and side
            else None
            for side in numbers[1:]
        ),
    )


def _verdict(ratio: Ratio | None, runs: Sequence[Sequence[RunRecord]], *, lower: bool) -> str:
    if ratio is None:
        return "cannot be compared"
    if ratio.value == 1.0:
        return "equal"
    if ratio.interval is None:
        fewest = min(len(side) for side in runs)
        few = "one run" if fewest == 1 else f"{fewest} runs"
        return f"whether that is noise, {few} cannot tell; {LEAST_RUNS} can"
    if ratio.interval.holds_one:
        return SAME
    return "better" if (ratio.value < 1) == lower else "worse"


def _parts(ratio: Ratio | None) -> bool:
    return ratio is not None and ratio.interval is not None and not ratio.interval.holds_one


def judge(one: Comparison, limit: float, metric: str = RESULT) -> list[GateVerdict]:
    """Judge each further side of a comparison against the first.

    Parameters
    ----------
    limit:
        The loss from which on a regression counts, as a share.
    metric:
        The metric of LoadGen that is judged; by default the result.

    Raises
    ------
    UserError
        No run has the metric.
    """
    figure = one.result
    if metric != RESULT:
        figures = {figure.name: figure for figure in one.metrics}
        if metric not in figures:
            raise UserError(
                f"The runs of {_named(one.kind)} have no metric {metric!r}. "
                f"{meant(metric, figures)}".rstrip(),
                hint="`mlrepo show` lists the metrics of a run.",
            )
        figure = figures[metric]
    measure = measure_of(
        metric,
        figure.unit,
        lower=one.lower_is_better,
        performance=one.runs[0][0].mode != ACCURACY,
    )
    benchmark, scenario, mode, test = one.kind
    found = []
    for side, (name, ratio) in enumerate(zip(one.sides[1:], figure.ratios, strict=True), start=1):
        state, words = _state(one, side, ratio, measure, limit)
        found.append(
            GateVerdict(
                f"{_named(one.kind)}, {measure.name}: {name} against {one.sides[0]}",
                f"{benchmark}.{scenario}.{test or mode}",
                state,
                words,
                math.fsum(map(seconds_of, one.runs[side])),
            )
        )
    return found


def _state(
    one: Comparison, side: int, ratio: Ratio | None, measure: Measure, limit: float
) -> tuple[str, str]:
    """Return what the gate says of one side, and why."""
    bad = [run for run in (*one.runs[0], *one.runs[side]) if run.validity != VALID]
    if bad:
        return NOT_JUDGED, f"the run {bad[0].run} is {bad[0].validity}"
    if any(len({one.values[0], one.values[side]}) > 1 for one in one.systems):
        return NOT_JUDGED, "THE SYSTEMS DIFFER: the ratio is not that of two settings"
    if ratio is None:
        return NOT_JUDGED, "the sides have no figures of one unit"
    said = measure.words(ratio.value, ratio.interval)
    if ratio.interval is None:
        fewest = min(len(one.runs[0]), len(one.runs[side]))
        return (
            NOT_JUDGED,
            f"{said}; {counted(fewest, 'run')} a side cannot tell whether it is noise",
        )
    said += noise_words(measure, ratio.interval, limit)
    return state_of(measure, ratio.value, ratio.interval, limit), said


def _lower_is_better(record: RunRecord, rounds: Rounds) -> bool:
    if record.mode == ACCURACY:
        return False
    if record.round not in rounds:
        return named(record.scenario).lower_is_better
    return rounds[record.round].lower_is_better(record.benchmark, record.scenario)


def _named(kind: Kind) -> str:
    benchmark, scenario, mode, test = kind
    return f"{benchmark} {scenario} {test or mode}"
