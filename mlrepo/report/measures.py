"""Pareto fronts of what runs measured, and what configurations are called in charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.latencies.documents import FIRST_TOKEN, PER_TOKEN, QUERY, TITLES
from mlrepo.record import format_number
from mlrepo.report.chart import Chart, ChartNames, counted, listed
from mlrepo.report.reported import (
    ReportedRun,
    accelerators,
    benchmark_of,
    cores,
    differing_words,
)
from mlrepo.scenarios import SCENARIOS, named

if TYPE_CHECKING:
    from mlrepo.rounds import Rounds

# LoadGen logs those of MultiStream a second time, as `_per_query_latency`.
_PERCENTILE = re.compile(
    r"(first_token_|time_per_output_token_)?([0-9]{2}\.[0-9]{2})_percentile(?:_latency)?"
)
_MEASURED = {
    "": TITLES[QUERY],
    "first_token_": TITLES[FIRST_TOKEN],
    "time_per_output_token_": TITLES[PER_TOKEN],
}
# The scenario that measures the latency of one sample.
_ONE_BY_ONE = next(
    name for name, one in SCENARIOS.items() if one.is_stream and one.samples_per_query == 1
)


@dataclass(frozen=True)
class Percentile:
    """A percentile of latencies: what was measured, and the share of it that was not slower."""

    of: str
    share: float


def percentile_of(metric: str) -> Percentile | None:
    """Return which percentile a metric of LoadGen is; None if it is none."""
    found = _PERCENTILE.fullmatch(metric)
    if found is None:
        return None
    return Percentile(_MEASURED[found[1] or ""], round(float(found[2]) / 100, 6))


def pareto_fronts(
    runs: Sequence[ReportedRun], rounds: Rounds, names: ChartNames, submitter: str = ""
) -> list[Chart]:
    """Return charts of throughput against accuracy and against latency.

    A point is the newest VALID performance run of a configuration in a scenario that measures a
    rate, or a result in the summary of a round; of a sweep of a Server also at each offered rate.
    Its accuracy is that of the newest VALID accuracy run of the same configuration, its latency the
    99th percentile of a Server's queries, or for Offline the SingleStream result of the same
    configuration. Charts of fewer than two points are left out. Where others published some, the
    text says where those of ``submitter`` stand.
    """
    newest: dict[tuple[str, ...], ReportedRun] = {}
    accuracies: dict[tuple[str, ...], ReportedRun] = {}
    for run in runs:  # oldest first, so that the newest one stays
        if run.record is None or not run.is_result or not (run.may_be_result or run.is_of_sweep):
            continue
        if run.is_accuracy:
            accuracies[run.subject] = run
        elif run.is_performance:
            scenario = run.run.trailer("Scenario")
            of_rate = run.is_of_sweep and named(scenario).at_random
            key = (*run.subject, scenario, *([str(offered(run))] if of_rate else []))
            newest[key] = run
    groups: dict[tuple[str, str, str], list[ReportedRun]] = {}
    for run in newest.values():
        scenario = run.run.trailer("Scenario")
        if named(scenario).name and not named(scenario).lower_is_better:
            key = (benchmark_of(run, rounds), scenario, run.run.result.unit)
            groups.setdefault(key, []).append(run)

    def latency(run: ReportedRun) -> float | None:
        if named(run.run.trailer("Scenario")).bounded:
            return run.metric("99.00_percentile_latency")
        stream = newest.get((*run.subject, _ONE_BY_ONE))
        return stream.value if stream else None

    def accuracy_of(run: ReportedRun) -> ReportedRun | None:
        return accuracies.get(run.subject)

    def accuracy(run: ReportedRun) -> float | None:
        found = accuracy_of(run)
        return found.value if found else None

    charts = []
    for (benchmark, scenario, unit), group in sorted(groups.items()):
        bounded = named(scenario).bounded
        axes = (
            ("accuracy", _accuracy_title(map(accuracy_of, group)), accuracy, False),
            (
                "latency",
                "99th percentile (ms)" if bounded else "SingleStream result (ms)",
                latency,
                True,
            ),
        )
        for name, title, value, lower in axes:
            for per, share in _SHARES.items():
                points = _points(group, value, share, lower=lower)
                if len(points) > 1:
                    charts.append(
                        Chart(
                            names.give("pareto", benchmark, scenario, name, *per.split()),
                            "pareto",
                            f"{benchmark} {scenario}: {unit}{per} against {name}",
                            _about_front(points, group, submitter),
                            title,
                            f"result ({unit}{per})",
                            _POINT,
                            tuple(points),
                        )
                    )
    return charts


def _whole(run: ReportedRun) -> int | None:
    return 1


_SHARES: dict[str, Callable[[ReportedRun], int | None]] = {
    "": _whole,
    " per core": cores,
    " per accelerator": accelerators,
}


def _accuracy_title(runs: Iterable[ReportedRun | None]) -> str:
    units = {run.run.result.unit for run in runs if run is not None}
    return f"accuracy ({' or '.join(sorted(units))})"


_POINT = ("x", "y", "configuration", "run", "front")


def _points(
    runs: Sequence[ReportedRun],
    value: Callable[[ReportedRun], float | None],
    share: Callable[[ReportedRun], int | None],
    *,
    lower: bool,
) -> list[tuple[object, ...]]:
    """Return a row for each run with both values, by x; ``front`` is 1 where none dominates it."""
    found = []
    for run, words in zip(runs, labels_of(runs), strict=True):
        x, parts = value(run), share(run)
        if x is not None and run.value is not None and parts:
            found.append((x, run.value / parts, words, run.run.run))
    found.sort(key=lambda point: (point[0] if lower else -point[0], -point[1], point[3]))
    rows, best = [], float("-inf")
    for x, y, words, name in found:  # from the best x on: on the front is what has a higher y
        rows.append((x, y, words, name, int(y > best)))
        best = max(best, y)
    return sorted(rows, key=lambda row: (row[0], row[1], row[3]))


def labels_of(runs: Sequence[ReportedRun]) -> list[str]:
    """Return what distinguishes the configurations of runs of one benchmark."""
    labels = []
    for run, words in zip(runs, differing_words(runs), strict=True):
        precision = run.record.backend.precision if run.record else ""
        said = f"{run.run.trailer('System')}, {run.run.trailer('Backend')} {precision}".rstrip()
        if run.is_imported:
            opened = " open" if run.run.trailer("Division") == "open" else ""
            said = f"{run.run.trailer('Submitter')} {run.run.trailer('Round')}{opened}: {said}"
        said = f"{said} ({words})" if words else said
        if run.is_of_sweep and named(run.run.trailer("Scenario")).at_random:
            said = f"{said} at {format_number(offered(run))} queries/s"
        labels.append(said)
    return labels


def _about_front(
    points: Sequence[tuple[object, ...]], runs: Sequence[ReportedRun], submitter: str
) -> str:
    front = [str(point[2]) for point in points if point[4]]
    words = (
        f"{counted(len(points), 'configuration')}; on the front, where no other is better in one "
        f"and as good in the other: {listed(front)}"
    )
    if not submitter or not any(run.is_imported for run in runs):
        return f"{words}."
    own = {run.run.run for run in runs if run.run.trailer("Submitter").lower() == submitter.lower()}
    mine = [point for point in points if point[3] in own]
    return (
        f"{words}; {len(mine)} of them of {submitter}, "
        f"{sum(bool(point[4]) for point in mine)} on the front."
    )


def offered(run: ReportedRun) -> float:
    """Return the queries per second that LoadGen sent; 0 if the record does not say."""
    return (run.record.loadgen.effective.target_qps or 0.0) if run.record else 0.0
