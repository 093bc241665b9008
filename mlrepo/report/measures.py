"""Charts of what runs measured: Pareto fronts, load curves, tokens per user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.latencies.documents import FIRST_TOKEN, PER_TOKEN, QUERY, TITLES
from mlrepo.record import FAILED, format_number
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
_PER_TOKEN = "time_per_output_token_50.00_percentile"
# The scenario that measures the latency of one sample.
_ONE_BY_ONE = next(
    name for name, one in SCENARIOS.items() if one.is_stream and one.samples_per_query == 1
)
_TOKEN_RATES = ("completed_tokens_per_second", "tokens_per_second")


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
            offered = run.is_of_sweep and named(scenario).at_random
            key = (*run.subject, scenario, *([str(_offered(run))] if offered else []))
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
    for run, words in zip(runs, _labels(runs), strict=True):
        x, parts = value(run), share(run)
        if x is not None and run.value is not None and parts:
            found.append((x, run.value / parts, words, run.run.run))
    found.sort(key=lambda point: (point[0] if lower else -point[0], -point[1], point[3]))
    rows, best = [], float("-inf")
    for x, y, words, name in found:  # from the best x on: on the front is what has a higher y
        rows.append((x, y, words, name, int(y > best)))
        best = max(best, y)
    return sorted(rows, key=lambda row: (row[0], row[1], row[3]))


def _labels(runs: Sequence[ReportedRun]) -> list[str]:
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
            said = f"{said} at {format_number(_offered(run))} queries/s"
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


def load_curves(runs: Sequence[ReportedRun], names: ChartNames) -> list[Chart]:
    """Return for each configuration of a Server the latencies and the rate at each offered rate.

    The probes of `bench peak` are points of it, as are full runs. Curves of one rate are left out.
    """
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        scenario = run.run.trailer("Scenario")
        at_random = named(scenario).at_random and run.is_performance
        if run.record is None or not at_random or run.run.trailer("Validity") == FAILED:
            continue
        if run.record.loadgen.effective.target_qps:
            groups.setdefault((*run.subject, scenario), []).append(run)
    several: dict[tuple[str, ...], list[list[ReportedRun]]] = {}
    for group in groups.values():
        if len({_offered(run) for run in group}) > 1:
            group.sort(key=lambda run: (_offered(run), run.run.run))
            said = group[0].run.trailer
            key = tuple(said(name) for name in ("Benchmark", "Scenario", "System", "Backend"))
            several.setdefault(key, []).append(group)
    charts = []
    for (benchmark, scenario, system, backend), curves in sorted(several.items()):
        for group, words in zip(curves, differing_words([c[0] for c in curves]), strict=True):
            title = f"{benchmark} {scenario} on {system}, {backend}"
            title = f"{title} ({words})" if words else title
            about = _about_load(group)
            for kind, what, y, columns, rows in (
                ("load", "latency", "latency (ms)", _LOAD, _latency_rows(group)),
                ("achieved", "achieved", "achieved (queries/s)", _ACHIEVED, _rate_rows(group)),
            ):
                charts.append(
                    Chart(
                        names.give("load", benchmark, scenario, system, backend, what),
                        kind,
                        f"{title}: {'latency' if kind == 'load' else 'achieved rate'} at each load",
                        about,
                        "offered (queries/s)",
                        y,
                        columns,
                        tuple(rows),
                    )
                )
    return charts


_LOAD = ("offered", "latency", "percentile", "limit", "verdict", "run")
_ACHIEVED = ("offered", "achieved", "verdict", "run")


def _offered(run: ReportedRun) -> float:
    return (run.record.loadgen.effective.target_qps or 0.0) if run.record else 0.0


def _limit(run: ReportedRun) -> float | None:
    bound = run.record.loadgen.effective.target_latency_ns if run.record else None
    return bound / 1e6 if bound else None


def _latency_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in runs:
        for percentile in ("50.00", "90.00", "99.00"):
            value = run.metric(f"{percentile}_percentile_latency")
            if value is not None:
                name = f"p{percentile.removesuffix('.00')}"
                said = run.run.trailer("Validity")
                rows.append((_offered(run), value, name, _limit(run), said, run.run.run))
    return rows


def _rate_rows(runs: Sequence[ReportedRun]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for run in runs:
        rate = run.metric("completed_samples_per_sec") or run.value
        if rate is not None:
            rows.append((_offered(run), rate, run.run.trailer("Validity"), run.run.run))
    return rows


def _about_load(runs: Sequence[ReportedRun]) -> str:
    valid = [_offered(run) for run in runs if run.is_valid]
    words = [f"{counted(len(runs), 'run')} at {counted(len(set(map(_offered, runs))), 'rate')}"]
    if valid:
        words.append(f"VALID up to {format_number(max(valid))} queries/s")
    failed = [_offered(run) for run in runs if not run.is_valid]
    if failed:
        words.append(f"not VALID from {format_number(min(failed))} queries/s on")
    limits = {limit for limit in map(_limit, runs) if limit}
    if limits:
        words.append(f"latency limit {' or '.join(map(format_number, sorted(limits)))} ms")
    return "; ".join(words) + "."


_TOKENS = ("per_user", "tokens", "configuration", "verdict", "run")


def tokens_per_user(runs: Sequence[ReportedRun], names: ChartNames) -> list[Chart]:
    """Return tokens/s against the tokens/s that one user sees (the median; 1 ÷ TPOT)."""
    groups: dict[tuple[str, str], list[ReportedRun]] = {}
    for run in runs:
        if run.record is not None and run.metric(_PER_TOKEN) and _token_rate(run) is not None:
            key = (run.run.trailer("Benchmark"), run.run.trailer("Scenario"))
            groups.setdefault(key, []).append(run)
    charts = []
    for (benchmark, scenario), group in sorted(groups.items()):
        rows: list[tuple[object, ...]] = []
        for run, words in zip(group, _labels(group), strict=True):
            said = run.run.trailer("Validity")
            user = 1e3 / (run.metric(_PER_TOKEN) or 1.0)
            rows.append((user, _token_rate(run), words, said, run.run.run))
        best = max(group, key=lambda run: _token_rate(run) or 0.0)
        charts.append(
            Chart(
                names.give("tokens", benchmark, scenario),
                "tokens",
                f"{benchmark} {scenario}: tokens/s against tokens/s per user",
                f"{counted(len(group), 'run')}; most tokens/s: "
                f"{format_number(_token_rate(best) or 0.0)} in the run {best.run.run}.",
                "tokens/s per user (median)",
                "tokens/s",
                _TOKENS,
                tuple(rows),
            )
        )
    return charts


def _token_rate(run: ReportedRun) -> float | None:
    return next((rate for name in _TOKEN_RATES if (rate := run.metric(name))), None)
