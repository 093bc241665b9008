"""What ``mlrepo bench sweep`` prints: the plan, each run, and the result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlrepo.bench.sweep.axes import LOAD
from mlrepo.cli.progress import duration_words
from mlrepo.cli.render import print_table, style, verdict
from mlrepo.cli.table import output_width
from mlrepo.record import FAILED, format_number
from mlrepo.record.request import argv
from mlrepo.report.chart import counted
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.sweep.curves import LoadCurve
    from mlrepo.bench.sweep.plan import Sweep
    from mlrepo.cli.bench.sweep_result import Ended
    from mlrepo.record import RunRecord
    from mlrepo.report.chart import Chart
    from mlrepo.report.sweep import Ranking, SweepPoint

# A plan and a ranking of more rows are longer than a screen.
_MOST_CELLS = 40
_BEST = 10


def print_plan(sweep: Sweep, *, whole: bool) -> None:
    """Print the axes, and how many runs are wanted; with ``whole`` also the cells."""
    varying = [axis for axis in sweep.axes if axis.varies]
    for axis in sweep.axes:
        values = axis.values() if axis.size <= _MOST_CELLS else axis.words
        text = click.wrap_text(
            f"{axis.name:<14} {', '.join(values)}",
            width=output_width() or 10_000,
            subsequent_indent=" " * 15,
        )
        click.echo(text)
    if whole and varying:
        click.echo()
        shown = sweep.cells[:_MOST_CELLS]
        print_table(
            (*(axis.name.upper() for axis in varying), "STATE", "ABOUT"),
            [
                (
                    *(one.cell.values[axis.name] for axis in varying),
                    _state(len(one.measured), len(one.failed), one.wanted),
                    duration_words(one.seconds) if one.wanted else "",
                )
                for one in shown
            ],
            right=(len(varying) + 1,),
        )
        if len(sweep.cells) > len(shown):
            click.echo(f"… and {len(sweep.cells) - len(shown)} more; --json has all.")
    for remark in sweep.remarks:
        click.echo(remark)
    total = len(sweep.cells) * sweep.plan.repeat
    further = ", and further points" if sweep.plan.adaptive else ""
    click.echo(
        f"Sweep {sweep.name}: {sweep.wanted} of {total} to run{further}, "
        f"about {duration_words(sweep.seconds)}."
    )


def _state(measured: int, failed: int, wanted: int) -> str:
    known = ", ".join(
        f"{number} {word}"
        for number, word in ((measured, "measured"), (failed, "failed"))
        if number
    )
    return f"{known or 'missing'}{', to run' if wanted else ''}"


def print_run(words: str, record: RunRecord) -> None:
    """Print one line for a run."""
    result = "" if record.result.value is None else f" {record.result}"
    click.echo(f"{words}:{result} {verdict(record.validity)}")
    if record.validity == FAILED:
        for reason in record.reasons:
            click.echo(f"  because {reason}")


def print_ended(ended: Ended, seconds: float) -> None:
    """Print the best, the Pareto front, the load curves, what failed, and what to do next."""
    for ranking in ended.rankings():
        _print_ranking(ended, ranking)
    for chart in ended.fronts():
        if " per " not in chart.y:  # of one machine these fronts look the same
            _print_front(chart)
    for curve in ended.curves:
        _print_curve(ended, curve)
    failed = ended.failed()
    if failed:
        click.echo()
        click.echo(style("Failed", bold=True))
        for words, run, reason in failed:
            click.echo(f"  {words}: {reason}" + (f"  ({run})" if run else ""))
    click.echo()
    click.echo(
        f"Sweep {ended.sweep.name}: {counted(len(ended.runs), 'run')} in "
        f"{duration_words(seconds)}; "
        f"{len(ended.measured)} of {len(ended.cells)} cells measured."
    )
    if ended.left:
        click.echo(f"The budget does not allow {ended.left} more.")
    for following in _next(ended, failed=bool(failed)):
        click.echo(f"Next: {following}")


def _next(ended: Ended, *, failed: bool) -> Iterator[str]:
    if ended.left:
        yield "mlrepo bench resume"
    elif failed:
        again = (*argv(ended.sweep.bench.request), "--retry-failed")
        yield shell_command(again)
    elif rankings := ended.rankings():
        yield f"mlrepo report --tag sweep-{ended.sweep.name}"
        best = rankings[0].points[0]
        if best.mean is not None:
            yield f"{shell_command(argv(ended.as_result(best)))}  # the best, as a result"


def _print_ranking(ended: Ended, ranking: Ranking) -> None:
    benchmark, scenario, mode, unit = ranking.kind
    varying = [axis.name for axis in ended.sweep.axes if axis.varies]
    better = "lower" if ranking.lower else "higher"
    click.echo()
    click.echo(
        style(f"{benchmark} {scenario} {mode}: the best ({unit}, {better} is better)", bold=True)
    )
    best = ranking.points[0].mean
    if best is None:
        click.echo("No point is VALID.")
        return
    print_table(
        (*(name.upper() for name in varying), "RESULT", "RANGE", "÷ BEST", "VALID", "RUN"),
        [
            (
                *(point.values[name] for name in varying),
                "-" if point.mean is None else format_number(point.mean),
                _range(point),
                f"{point.mean / best:.3f}" if point.mean is not None and best else "",
                f"{point.valid} of {len(point.runs)}",
                point.runs[-1].run.run,
            )
            for point in ranking.points[:_BEST]
        ],
        right=(len(varying), len(varying) + 1, len(varying) + 2),
        drop=("RANGE", "÷ BEST", "VALID"),
        tail="RUN",
    )
    if len(ranking.points) > _BEST:
        click.echo(f"… and {len(ranking.points) - _BEST} more; --json has all.")


def _range(point: SweepPoint) -> str:
    if point.valid < 2 or point.low is None or point.high is None:
        return ""
    return f"{format_number(point.low)} to {format_number(point.high)}"


def _print_front(chart: Chart) -> None:
    points = [one for one in chart.values() if one["front"]]
    if len(points) < 2:
        return
    click.echo()
    click.echo(style(f"Pareto front, {chart.title}", bold=True))
    print_table(
        ("CONFIGURATION", chart.x.upper(), chart.y.upper(), "RUN"),
        [
            (
                str(one["configuration"]),
                *(_number(one[name]) for name in ("x", "y")),
                f"{one['run']}",
            )
            for one in points
        ],
        right=(1, 2),
        cut="CONFIGURATION",
        tail="RUN",
    )


_COLUMNS = (
    ("achieved", "ACHIEVED"),
    ("p50", "P50 MS"),
    ("p90", "P90 MS"),
    ("p99", "P99 MS"),
    ("ttft", "TTFT MS"),
    ("tpot", "TPOT MS"),
    ("goodput", "GOODPUT"),
)


def _print_curve(ended: Ended, curve: LoadCurve) -> None:
    rows = ended.curve_rows(curve)
    if len({row.load for row in rows}) < 2:
        return
    shared = ", ".join(
        f"{axis.name} {curve.shared[axis.name]}"
        for axis in ended.sweep.axes
        if axis.name in curve.shared and (axis.varies or axis.name in ("benchmark", "scenario"))
    )
    load = curve.axis.name.upper()
    known = [one for one in _COLUMNS if any(getattr(row, one[0]) is not None for row in rows)]
    click.echo()
    what = "Load curve" if curve.axis.name in LOAD else f"Curve over {curve.axis.name}"
    click.echo(style(f"{what} of {shared}", bold=True))
    print_table(
        (load, *(title for _, title in known), "VERDICT", "RUN"),
        [
            (
                format_number(row.load),
                *(_number(getattr(row, name)) for name, _ in known),
                verdict(row.verdict),
                row.run,
            )
            for row in rows
        ],
        right=tuple(range(len(known) + 1)),
        drop=("P50 MS", "P90 MS", "TPOT MS", "TTFT MS", "GOODPUT"),
        tail="RUN",
    )
    click.echo(_knee_words(curve))


def _knee_words(curve: LoadCurve) -> str:
    knee, name = curve.knee(), curve.axis.name
    above = "" if knee.above is None else format_number(knee.above)
    if not curve.limited:
        if knee.load is None:
            return "The curve has no bend that its points show."
        return f"Bends at {name} {format_number(knee.load)}" + (
            f"; the next point is {above}." if above else "."
        )
    if knee.load is None:
        return f"No {name} holds the limit; the smallest that was tried is {above}."
    if not above:
        return (
            f"The limit holds up to {name} {format_number(knee.load)}, the largest that was tried."
        )
    return f"The limit holds up to {name} {format_number(knee.load)}; {above} does not hold it."


def _number(value: object) -> str:
    if value is None:
        return "-"
    return format_number(value) if isinstance(value, int | float) else str(value)
