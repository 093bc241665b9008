"""``mlrepo compare``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command, missing_arguments
from mlrepo.cli.context import current_repository
from mlrepo.cli.github_commands import plain_output
from mlrepo.cli.records.gate import annotates, announce, check_gate, gate_options, gate_values
from mlrepo.cli.render import print_json, print_table, style, verdict
from mlrepo.cli.table import display_width, output_width, table_lines

if TYPE_CHECKING:
    from mlrepo.differences import Difference
    from mlrepo.record import RunRecord
    from mlrepo.report.answers import SameAnswers
    from mlrepo.report.comparison import Comparison, Figure, Ratio

_MOST_TEXT = 48


@click.command("compare", cls=Command)
@click.argument("sides", nargs=-1, metavar="A B [C…]")
@gate_options
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    sides: tuple[str, ...],
    limit: float | None,
    metric: str | None,
    junit: Path | None,
    github: bool,
    as_json: bool,
) -> int:
    """Compare runs, results or branches side by side.

    A side is a run (an id, a part of one, a commit, `latest`, `latest~1`), a branch (exp/NAME), the
    path of a result, or all runs with a tag (tag:NAME). Ratios are of each side to the first. With
    three runs or more a side, an interval says whether the difference is more than noise; `mlrepo
    bench run --repeat 5` makes them. Whether two systems differ is always said first.

    With --gate, the exit code is 1 if the result of a side is worse than that of the first by more
    than the limit, and its interval excludes that they are equal; 2 if nothing could be judged.

    \b
    Example:
      mlrepo compare 3fa9c1 latest
      mlrepo compare tag:before tag:after
      mlrepo compare exp/alpha exp/beta
      mlrepo compare tag:before tag:after --gate 3% --junit gate.xml
    """
    from mlrepo.report.answers import same_answers
    from mlrepo.report.comparison import compare, judge
    from mlrepo.report.gate import RESULT
    from mlrepo.report.sides import find_side

    if len(sides) < 2:
        raise missing_arguments(ctx, *("A", "B")[len(sides) :])
    check_gate(limit, metric, junit, github)
    repository = current_repository()
    found = [find_side(repository, text) for text in sides]
    for problem in dict.fromkeys(problem for side in found for problem in side.unreadable):
        click.echo(f"Left out: {problem}", err=True)
    for hidden in dict.fromkeys(side.hidden for side in found if side.hidden):
        click.echo(f"The run {hidden}.", err=True)
    comparisons = compare(found, repository.rounds)
    answers = [
        [same_answers(repository, one.runs[0][0], side[0]) for side in one.runs[1:]]
        for one in comparisons
    ]
    judged = [] if limit is None else [judge(one, limit, metric or RESULT) for one in comparisons]
    verdicts = [verdict for verdicts in judged for verdict in verdicts]
    annotated = annotates(limit, github)
    if as_json:
        values = [
            {**comparison_values(one), "answers": [same and asdict(same) for same in sames]}
            for one, sames in zip(comparisons, answers, strict=True)
        ]
        gate = None if limit is None else gate_values(limit, verdicts)
        print_json("mlrepo.compare/1", {"comparisons": values, "gate": gate})
    else:
        with plain_output(annotated):
            _print_all(comparisons, answers)
    if limit is None:
        return 0
    return announce(
        "mlrepo compare",
        repository,
        verdicts,
        limit,
        junit=junit,
        github=annotated,
        as_json=as_json,
    )


def _print_all(
    comparisons: Sequence[Comparison], answers: Sequence[Sequence[SameAnswers | None]]
) -> None:
    for number, (one, sames) in enumerate(zip(comparisons, answers, strict=True)):
        if number:
            click.echo()
        print_comparison(one)
        for place, same in enumerate(sames, start=1):
            if same:
                click.echo(f"  {_letter(place)} answers {same.same} of {same.of} samples as A does")


def comparison_values(one: Comparison) -> dict[str, object]:
    """Return a comparison for JSON output."""
    benchmark, scenario, mode, test = one.kind
    return {
        "benchmark": benchmark,
        "scenario": scenario,
        "mode": mode,
        "test": test,
        "systems_differ": bool(one.systems),
        "systems": [asdict(difference) for difference in one.systems],
        "settings": [asdict(difference) for difference in one.settings],
        "sides": [
            {"name": name, "runs": [run.run for run in runs], "left_out": dict(left)}
            for name, runs, left in zip(one.sides, one.runs, one.left_out, strict=True)
        ],
        "verdicts": list(one.verdicts),
        "parted_metrics": [list(names) for names in one.parted],
        "differing_metrics": list(one.differing_metrics),
        "figures": [asdict(figure) for figure in (one.result, *one.metrics)],
    }


def print_comparison(one: Comparison) -> None:
    """Print one comparison: first whether the systems differ, then the figures and settings."""
    from mlrepo.report.chart import counted

    benchmark, scenario, mode, test = one.kind
    title = f"{benchmark} {scenario} {test or mode}"
    click.echo(style(title, bold=True))
    letters = [_letter(number) for number in range(len(one.sides))]
    _print_sides(one, letters)
    if one.systems:
        click.echo(
            style("  THE SYSTEMS DIFFER", fg="yellow", bold=True)
            + ": the ratio is not that of two settings.",
        )
        _print_differences(one.systems, letters)
    _print_figures((one.result, *one.metrics), letters)
    for letter, said, ratio in zip(letters[1:], one.verdicts, one.result.ratios, strict=True):
        number = "" if ratio is None else f" {_ratio(ratio)}"
        on = " (on different systems)" if one.systems else ""
        click.echo(style(f"  result {letter} ÷ A{number}: {said}{on}", bold=True))
    for letter, names in zip(letters[1:], one.parted, strict=True):
        if names:
            of = f"{len(names)} of {counted(len(one.metrics), 'other metric')}"
            _print_wrapped(f"{letter}: more than noise in {of}: {', '.join(names)}", "  ")
    if one.differing_metrics:
        click.echo(f"  metrics that differ: {', '.join(one.differing_metrics)}")
    if one.settings:
        click.echo("  settings that differ")
        _print_differences(one.settings, letters)


def _letter(number: int) -> str:
    """Return what a side is called in the tables: A to Z, then AA, AB …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)


def _print_sides(one: Comparison, letters: Sequence[str]) -> None:
    from mlrepo.record import PUBLISHED
    from mlrepo.report.gate import left_words

    rows: list[tuple[str, ...]] = [
        (
            letter,
            name,
            str(len(runs)),
            runs[0].run,
            runs[0].system,
            verdict(runs[0].validity),
            _disturbed(runs),
        )
        for letter, name, runs in zip(letters, one.sides, one.runs, strict=True)
    ]
    header: tuple[str, ...] = ("", "SIDE", "RUNS", "NEWEST RUN", "SYSTEM", "VERDICT", "DISTURBED")
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    print_table(
        header, rows, right=(2,), drop=("SYSTEM", "NEWEST RUN"), cut="SIDE", tail="NEWEST RUN"
    )
    for letter, runs in zip(letters, one.runs, strict=True):
        if runs[0].validity == PUBLISHED:
            words = "is from a summary: its logs, and so its settings and latencies, are not here"
            _print_wrapped(f"{letter} {words}", "  ")
    for letter, left in zip(letters, one.left_out, strict=True):
        if left:
            _print_wrapped(f"{letter} is without {left_words(left)}", "  ")


def _disturbed(runs: Sequence[RunRecord]) -> str:
    """Return how many of the runs other processes disturbed; '' for none."""
    disturbed = sum(bool(run.load.noise.disturbances) for run in runs)
    if not disturbed:
        return ""
    return f"{disturbed} of {len(runs)}" if len(runs) > 1 else "yes"


def _print_figures(figures: Sequence[Figure], letters: Sequence[str]) -> None:
    """Print all values and ratios in one table, or, where it does not fit, values in several."""
    header = ("METRIC", "UNIT", *letters, *(f"{letter}÷A" for letter in letters[1:]))
    rows = [_row(figure) for figure in figures]
    right = range(2, len(header))
    width = output_width()
    lines, _ = table_lines(header, rows, right=right)
    if width is None or max(map(display_width, lines)) <= width:
        print_table(header, rows, right=right)
        return
    for sides in _fitting(rows, letters, width):
        columns = (0, 1, *(2 + side for side in sides))
        print_table(
            [header[i] for i in columns],
            [[row[i] for i in columns] for row in rows],
            right=range(2, len(columns)),
            drop=("UNIT",),
            cut="METRIC",
        )
    click.echo("(the ratios of metrics do not fit; --json has them)")


def _fitting(
    rows: Sequence[Sequence[str]], letters: Sequence[str], width: int
) -> Iterator[list[int]]:
    """Yield the sides in groups whose columns fit below each other into the width."""
    columns = list(zip(*rows, strict=True))
    names = [max(map(display_width, column)) for column in columns[:2]]
    room = width - sum(names) - 2
    group: list[int] = []
    used = 0
    for side, letter in enumerate(letters):
        wide = 2 + max(map(display_width, (letter, *columns[2 + side])))
        if group and used + wide > room:
            yield group
            group, used = [], 0
        group.append(side)
        used += wide
    yield group


def _print_differences(differences: Sequence[Difference], letters: Sequence[str]) -> None:
    """Print the values of each, with the letters of all sides that have it, in lines that fit."""
    for difference in differences:
        sides: dict[str, list[str]] = {}
        for letter, value in zip(letters, difference.values, strict=True):
            sides.setdefault(_shortened(value) or "-", []).append(letter)
        values = "; ".join(f"{' '.join(having)} {value}" for value, having in sides.items())
        _print_wrapped(f"{difference.name}: {values}", "    ")


def _print_wrapped(text: str, indent: str) -> None:
    lines = textwrap.wrap(
        text,
        width=output_width() or sys.maxsize,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo("\n".join(lines))


def _row(figure: Figure) -> tuple[str, ...]:
    from mlrepo.record import format_number

    values = ("-" if value is None else format_number(value) for value in figure.values)
    ratios = ("-" if ratio is None else _ratio(ratio) for ratio in figure.ratios)
    return (figure.name, figure.unit, *values, *ratios)


def _ratio(ratio: Ratio) -> str:
    text = f"{ratio.value:.3f}"
    if ratio.interval is not None:
        text += f" [{ratio.interval.low:.3f}, {ratio.interval.high:.3f}]"
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
