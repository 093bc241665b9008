"""``mlrepo trend``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, not_empty
from mlrepo.cli.github_commands import plain_output
from mlrepo.cli.progress import StepLine
from mlrepo.cli.records.filters import check_mode, has, in_time
from mlrepo.cli.records.gate import annotates, announce, check_gate, gate_options, gate_values
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.cli.table import output_width
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.report.document import ReportedRuns
    from mlrepo.report.trend import Level, Trend
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.history import RecordedRun

_WIDTH = 80


@click.command("trend", cls=Command)
@click.option("--experiment", callback=not_empty, help="Only runs of this experiment branch.")
@click.option("--benchmark", callback=not_empty, help="Only this benchmark.")
@click.option("--scenario", callback=not_empty, help="Only this scenario (any case).")
@click.option("--mode", callback=not_empty, help="accuracy or performance.")
@click.option("--system", callback=not_empty, help="Only this system.")
@click.option("--backend", callback=not_empty, help="Only this backend.")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag (repeatable: all).")
@click.option("--since", metavar="TIME", help="Only runs started at or after this time; see log.")
@click.option(
    "-n",
    "--limit",
    "most",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="The last so many runs of each configuration.",
)
@gate_options
@click.option("--json", "as_json", is_flag=True, help="Print the trends as JSON.")
def command(
    experiment: str | None,
    benchmark: str | None,
    scenario: str | None,
    mode: str | None,
    system: str | None,
    backend: str | None,
    tags: tuple[str, ...],
    since: str | None,
    most: int,
    limit: float | None,
    metric: str | None,
    junit: Path | None,
    github: bool,
    as_json: bool,
) -> int:
    """Show how the results of each configuration went, and since when they are better or worse.

    A trend has the VALID runs of one machine and one configuration in the order of their commits.
    It is divided into levels where they change by more than noise; where framework, LoadGen,
    kernel, power management or platform profile changed is marked.

    With --gate, the exit code is 1 if the newest level of a trend is worse than the best one before
    by more than the limit, and its interval excludes that they are equal. `mlrepo bench run
    --repeat 5` after each change makes enough runs for that; three are the least.

    \b
    Example:
      mlrepo trend --benchmark digits --scenario offline
      mlrepo trend --tag nightly --gate 3% --junit trend.xml
    """
    from mlrepo.report.gate import RESULT
    from mlrepo.report.trend import find_trends, judge_trend
    from mlrepo.scenarios import scenario as known_scenario

    check_gate(limit, None, junit, github)
    check_mode(mode)
    wanted = {
        "Benchmark": benchmark,
        "Scenario": known_scenario(scenario).name if scenario else None,
        "Mode": mode,
        "System": system,
        "Backend": backend,
    }
    filters = (has(wanted, set(tags)), in_time(since))
    repository = current_repository()
    chosen = [
        run for run in _recorded(repository, experiment) if all(keeps(run) for keeps in filters)
    ]
    read = _read(repository, chosen)
    trends = find_trends(read.runs, repository.rounds, most=most, metric=metric or RESULT)
    for problem in read.unreadable.values():
        click.echo(f"Left out: {problem}", err=True)
    if not any(trend.levels for trend in trends) and (limit is not None or not trends):
        raise UserError(
            "No VALID run matches, so that there is nothing to judge."
            if limit is not None
            else "No run matches.",
            hint="`mlrepo log` lists all runs that count, with their verdicts.",
        )
    annotated = annotates(limit, github)
    verdicts = [] if limit is None else [judge_trend(trend, limit) for trend in trends]
    if as_json:
        gate = None if limit is None else gate_values(limit, verdicts)
        print_json("mlrepo.trend/1", {"trends": [_values(trend) for trend in trends], "gate": gate})
    else:
        with plain_output(annotated):
            for number, trend in enumerate(trends):
                if number:
                    click.echo()
                _print_trend(trend)
    if limit is None:
        return 2 if repository.damage else 0
    code = announce(
        "mlrepo trend",
        repository,
        verdicts,
        limit,
        junit=junit,
        github=annotated,
        as_json=as_json,
        may_begin=True,
    )
    # 1 means a regression and nothing else.
    return code or (2 if repository.damage else 0)


def _recorded(repository: ResultsRepository, experiment: str | None) -> Sequence[RecordedRun]:
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.history import recorded_runs

    return list(recorded_runs(repository, Experiment.parse(experiment) if experiment else None))


def _read(repository: ResultsRepository, runs: Sequence[RecordedRun]) -> ReportedRuns:
    from mlrepo.report.document import read_runs

    line = StepLine("reading records", unit="runs") if sys.stderr.isatty() else None
    try:
        return read_runs(repository, runs, {}, line.update if line else lambda done, total: None)
    finally:
        if line:
            line.close()


def _print_trend(trend: Trend) -> None:
    """Print one trend: first what is not compared, then the runs, then the levels."""
    from mlrepo.report.trend import LEAST_IN_ALL

    click.echo(style(trend.title, bold=True))
    _print_left_out(trend)
    if not trend.levels:
        click.echo("  no VALID run")
        return
    _print_line(trend)
    several = len(trend.levels) > 1
    header = ("SINCE RUN", "COMMIT", "RUNS", "MEAN", "95 % INTERVAL", "AGAINST BEFORE")
    print_table(
        header if several else header[:-1],
        [_row(trend, level)[: 6 if several else 5] for level in trend.levels],
        right=(2, 3),
        drop=("COMMIT", "95 % INTERVAL"),
        tail="SINCE RUN",
    )
    for mark in trend.marks:
        _print_wrapped(f"changed before the run {mark.run}: {mark.words}")
    if several:
        _print_since(trend)
    elif len(trend.points) < LEAST_IN_ALL:
        _print_wrapped(f"too few runs to show a change; {LEAST_IN_ALL} can")
    else:
        click.echo("  no change among these runs")


def _print_left_out(trend: Trend) -> None:
    from mlrepo.report.chart import counted
    from mlrepo.report.gate import left_words
    from mlrepo.report.trend import MACHINE

    left = {why: number for why, number in trend.left_out.items() if why != MACHINE}
    if trend.systems:
        number = counted(trend.left_out[MACHINE], "run")
        click.echo(
            style("  THE SYSTEMS DIFFER", fg="yellow", bold=True)
            + f": {number} on another machine {_are(trend.left_out[MACHINE])} not compared."
        )
        for difference in trend.systems:
            here, there = difference.values
            _print_wrapped(f"{difference.name}: here {here or '-'}; there {there or '-'}")
    if left:
        _print_wrapped(f"not compared: {left_words(left)}")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _print_line(trend: Trend) -> None:
    from mlrepo.cli.sparkline import sparkline
    from mlrepo.record import format_number

    values = [point.value for point in trend.points]
    room = min(_WIDTH, (output_width() or _WIDTH) - 4)
    click.echo(f"  {sparkline(values, max(1, room))}")
    better = "lower" if trend.measure.lower_is_better else "higher"
    ends = [format_number(value) for value in (min(values), max(values))]
    said = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    name = trend.measure.name
    _print_wrapped(f"{name} {said} {trend.measure.unit}".rstrip() + f" ({better} is better)")


def _row(trend: Trend, level: Level) -> tuple[str, ...]:
    from mlrepo.record import format_number

    first = level.points[0]
    ends = level.interval and (level.interval.low, level.interval.high)
    interval = f"[{', '.join(map(format_number, ends))}]" if ends else "-"
    against = "" if level.ratio is None else trend.measure.words(level.ratio, level.against)
    return (
        first.run.run.run,
        first.record.source.commit[:10] or "-",
        str(len(level.points)),
        f"{format_number(level.mean)} {trend.measure.unit}".rstrip(),
        interval,
        against,
    )


def _print_since(trend: Trend) -> None:
    """Say since which commit the newest level is what it is."""
    from mlrepo.report.trend import since_words

    newest = trend.levels[-1]
    assert newest.ratio is not None
    words = trend.measure.words(newest.ratio, newest.against)
    since = since_words(trend, len(trend.levels) - 1)
    _print_wrapped(f"{words} {since}", bold=True)


def _print_wrapped(text: str, *, bold: bool = False) -> None:
    lines = textwrap.wrap(
        text,
        width=output_width() or sys.maxsize,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo("\n".join(style(line, bold=True) if bold else line for line in lines))


def _values(trend: Trend) -> dict[str, object]:
    """Return a trend for JSON output."""
    numbers = {
        point.run.run.run: number
        for number, level in enumerate(trend.levels)
        for point in level.points
    }
    return {
        "title": trend.title,
        "metric": trend.measure.name,
        "unit": trend.measure.unit,
        "better": "lower" if trend.measure.lower_is_better else "higher",
        "systems_differ": bool(trend.systems),
        "systems": [asdict(difference) for difference in trend.systems],
        "left_out": dict(trend.left_out),
        "levels": [
            {
                "first": level.points[0].run.run.run,
                "runs": len(level.points),
                "mean": level.mean,
                "interval": level.interval and asdict(level.interval),
                "ratio": level.ratio,
                "ratio_interval": level.against and asdict(level.against),
            }
            for level in trend.levels
        ],
        "marks": [asdict(mark) for mark in trend.marks],
        "runs": [
            {
                "run": point.run.run.run,
                "commit": point.run.run.commit,
                "source": point.record.source.commit,
                "start": point.run.start,
                "value": point.value,
                "level": numbers[point.run.run.run],
            }
            for point in trend.points
        ],
    }
