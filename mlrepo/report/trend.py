"""Trends: the last runs of a configuration, their levels, and whether the newest one is worse.

A trend has the VALID runs that repeat the newest one of a configuration: of the same machine and
the same LoadGen settings, whatever framework, LoadGen, kernel, power management and profile are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mlrepo.differences import Difference, asked_settings, differing, machine
from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.record import Metric, RunRecord
from mlrepo.report.chart import counted
from mlrepo.report.gate import (
    NOT_JUDGED,
    PASSED,
    RESULT,
    GateVerdict,
    Measure,
    measure_of,
    noise_words,
    seconds_of,
    state_of,
)
from mlrepo.report.histories import changed_words, environment_of, in_words, title_of
from mlrepo.report.intervals import LEAST_RUNS, Interval, mean_interval, ratio_interval
from mlrepo.report.levels import level_starts
from mlrepo.report.reported import ReportedRun, lower_is_better
from mlrepo.rounds import Rounds
from mlrepo.scenarios import named

# Why runs are not compared, beside their verdicts.
MACHINE = "on another machine"
SETTINGS = "with other LoadGen settings"
NO_VALUE = "without the figure"
# Fewer runs have no two levels.
LEAST_IN_ALL = 2 * LEAST_RUNS


@dataclass(frozen=True)
class TrendPoint:
    """A run with its record and the value of the measure."""

    run: ReportedRun
    record: RunRecord
    value: float


@dataclass(frozen=True)
class Level:
    """Runs between two changes.

    Attributes
    ----------
    points:
        Oldest first.
    interval:
        The 95 % confidence interval of the mean; None for fewer than three runs.
    ratio, against:
        The mean ÷ that of the level before, and its interval; None for the first level.
    """

    points: tuple[TrendPoint, ...]
    mean: float
    interval: Interval | None
    ratio: float | None = None
    against: Interval | None = None


@dataclass(frozen=True)
class EnvironmentChange:
    """What changed in the environment before a run, in words."""

    run: str
    words: str


@dataclass(frozen=True)
class Trend:
    """The last runs of one configuration.

    Attributes
    ----------
    title:
        Benchmark, scenario, mode, system, backend and what else tells it from others.
    levels:
        Oldest first; none if no run counts.
    marks:
        Where the environment changed.
    left_out:
        How many runs are not compared, by why.
    systems:
        How the machines differ of which runs were left out: of this one, and of the others.
    """

    title: str
    group: str
    measure: Measure
    levels: tuple[Level, ...]
    marks: tuple[EnvironmentChange, ...]
    left_out: Mapping[str, int]
    systems: tuple[Difference, ...]

    @property
    def points(self) -> tuple[TrendPoint, ...]:
        """All runs, oldest first."""
        return tuple(point for level in self.levels for point in level.points)


def find_trends(
    runs: Sequence[ReportedRun], rounds: Rounds, *, most: int, metric: str = RESULT
) -> list[Trend]:
    """Return the trends of all configurations, as a report orders its histories.

    Parameters
    ----------
    runs:
        Oldest first; probes and runs that may be no result are left out.
    most:
        How many runs of a configuration count, the newest ones.
    metric:
        A metric of LoadGen, or the result.

    Raises
    ------
    UserError
        No run has the metric.
    """
    found: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        said = run.run.trailer
        if run.record is None or not run.may_be_result:
            continue
        if run.is_performance or run.is_accuracy:
            key = (*run.subject, said("Submitter"), said("Scenario"), said("Mode"))
            found.setdefault(key, []).append(run)
    if metric != RESULT:
        _check_metric(runs, metric)
    trends = [_trend(history, words, rounds, most, metric) for history, words in in_words(found)]
    return [trend for trend in trends if trend.levels or metric == RESULT]


def judge_trend(trend: Trend, limit: float) -> GateVerdict:
    """Judge the newest level of a trend against the best one before it.

    Parameters
    ----------
    limit:
        The loss from which on a regression counts, as a share.
    """
    state, words = _state(trend, limit)
    newest = trend.levels[-1].points if trend.levels else ()
    seconds = math.fsum(seconds_of(point.record) for point in newest)
    return GateVerdict(f"{trend.title}, {trend.measure.name}", trend.group, state, words, seconds)


def since_words(trend: Trend, number: int) -> str:
    """Name the run and the commit with which a level begins."""
    first, last = trend.levels[number].points[0], trend.levels[number - 1].points[-1]
    source = first.record.source.commit
    said = f"since the run {first.run.run.run}"
    if not source:
        return said
    if source == last.record.source.commit:
        return f"{said}, at the commit of the run before, {source[:12]}"
    return f"{said}, commit {source[:12]}"


def _state(trend: Trend, limit: float) -> tuple[str, str]:
    points, levels, measure = trend.points, trend.levels, trend.measure
    if len(points) < LEAST_IN_ALL:
        why = f"{counted(len(points), 'VALID run')} that can be compared; {LEAST_IN_ALL} can tell"
        if MACHINE in trend.left_out:
            return NOT_JUDGED, f"THE SYSTEMS DIFFER: {why}"
        return NOT_JUDGED, why
    if len(levels) == 1:
        said = f"no change in {counted(len(points), 'run')}"
        return PASSED, said + _unseen(points, measure, limit)
    newest = levels[-1]
    number, best = min(
        enumerate(levels[:-1]), key=lambda item: measure.loss(item[1].mean / levels[0].mean)
    )
    ratio = newest.mean / best.mean
    interval = ratio_interval(_values(best.points), _values(newest.points))
    said = f"{measure.words(ratio, interval)} {since_words(trend, number + 1)}"
    return (
        state_of(measure, ratio, interval, limit),
        said + _unseen(newest.points, measure, limit),
    )


def _unseen(points: Sequence[TrendPoint], measure: Measure, limit: float) -> str:
    """Say what a level cannot show of its newest commit; '' if it would show a loss."""
    newest = points[-1].record.source.commit
    number = 0
    while number < len(points) and points[-1 - number].record.source.commit == newest:
        number += 1
    if number < LEAST_RUNS and newest:
        few = counted(number, "run")
        return f"; the newest commit has {few}: a change is seen from {LEAST_RUNS} on"
    before, after = _values(points[:-number]), _values(points[-number:])
    if not before or len(before) < LEAST_RUNS:
        before = after
    return noise_words(measure, ratio_interval(before, after), limit)


def _check_metric(runs: Sequence[ReportedRun], metric: str) -> None:
    names = {name for run in runs if run.record is not None for name in run.record.metrics}
    if runs and metric not in names:
        raise UserError(
            f"No run has a metric {metric!r}. {meant(metric, names)}".rstrip(),
            hint="`mlrepo show` lists the metrics of a run.",
        )


def _trend(
    history: Sequence[ReportedRun], words: str, rounds: Rounds, most: int, name: str
) -> Trend:
    left: Counter[str] = Counter()
    points = list(_points(history, name, left))
    others: list[RunRecord] = []
    if points:
        points, others = _alike(points, left)
    points = points[-most:]
    last = points[-1].run if points else history[-1]
    said = last.run.trailer
    measure = measure_of(
        name,
        _metric(points[-1].run, name).unit if points else last.run.result.unit,
        lower=lower_is_better(last, rounds),
        performance=last.is_performance,
    )
    environments = [_environment(point.record) for point in points]
    commits = [point.record.source.commit for point in points]
    borders = {
        number
        for number in range(1, len(points))
        if (commits[number], environments[number])
        != (commits[number - 1], environments[number - 1])
    }
    marks = [
        EnvironmentChange(points[number].run.run.run, changed)
        for number in sorted(borders)
        if (changed := changed_words(environments[number - 1], environments[number]))
    ]
    own = [machine(point.record) for point in points]
    return Trend(
        title_of(last, words),
        ".".join(said(part) for part in ("Benchmark", "Scenario", "Mode")),
        measure,
        tuple(_levels(points, borders)),
        tuple(marks),
        dict(left),
        differing([own, map(machine, others)]) if others else (),
    )


def _points(history: Sequence[ReportedRun], name: str, left: Counter[str]) -> Iterator[TrendPoint]:
    """Yield the VALID runs that have a value; count the others."""
    for run in history:
        value = _metric(run, name).value
        if run.record is None:
            continue
        if not run.is_valid:
            left[run.run.trailer("Validity") or NO_VALUE] += 1
        elif value is None or not math.isfinite(value):
            left[NO_VALUE] += 1
        else:
            yield TrendPoint(run, run.record, value)


def _alike(
    points: Sequence[TrendPoint], left: Counter[str]
) -> tuple[list[TrendPoint], list[RunRecord]]:
    """Return the runs that may be compared with the newest one, and those of other machines."""
    newest = points[-1].record
    of_machine: Callable[[RunRecord], Mapping[str, str]] = machine
    kept, others = [], []
    for point in points:
        if of_machine(point.record) != of_machine(newest):
            left[MACHINE] += 1
            others.append(point.record)
        elif _asked(point.record) != _asked(newest):
            left[SETTINGS] += 1
        else:
            kept.append(point)
    return kept, others


def _asked(record: RunRecord) -> dict[str, str]:
    """Return the LoadGen settings that were asked for; of a Server, the rate is its result."""
    at_random = named(record.scenario).at_random
    return {
        name: value
        for name, value in asked_settings(record).items()
        if not (at_random and name.endswith(".target_qps"))
    }


def _environment(record: RunRecord) -> dict[str, str]:
    rate = record.loadgen.effective.target_qps if named(record.scenario).at_random else None
    offered = {} if rate is None else {"offered queries/s": f"{rate:g}"}
    return {**environment_of(record), **offered}


def _metric(run: ReportedRun, name: str) -> Metric:
    if name == RESULT:
        return run.run.result
    found = run.record.metrics.get(name) if run.record else None
    return found or Metric(None, "")


def _levels(points: Sequence[TrendPoint], borders: set[int]) -> Iterator[Level]:
    if not points:
        return
    starts = level_starts(_values(points), borders)
    before: tuple[TrendPoint, ...] = ()
    for begin, end in zip(starts, [*starts[1:], len(points)], strict=True):
        part = tuple(points[begin:end])
        values = _values(part)
        mean = fmean(values)
        yield Level(
            part,
            mean,
            mean_interval(values),
            mean / fmean(_values(before)) if before else None,
            ratio_interval(_values(before), values) if before else None,
        )
        before = part


def _values(points: Sequence[TrendPoint]) -> list[float]:
    return [point.value for point in points]
