"""``mlrepo compare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.differences import Difference
    from mlrepo.record import RunRecord
    from mlrepo.report.comparison import Comparison, Figure, Ratio

_MOST_TEXT = 48


@click.command("compare")
@click.argument("sides", nargs=-1, metavar="A B [C…]")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(sides: tuple[str, ...], as_json: bool) -> None:
    """Compare runs, results or branches side by side.

    A side is a run (an id, a part of one, a commit, `latest`, `latest~1`), a branch (exp/NAME), the
    path of a result, or all runs with a tag (tag:NAME). Ratios are of each side to the first. With
    three runs or more a side, a bootstrap interval says whether the difference is more than noise;
    `mlrepo bench run --repeat 5` makes them. Whether two systems differ is always said first.

    \b
    Example:
      mlrepo compare 3fa9c1 latest
      mlrepo compare tag:before tag:after
      mlrepo compare exp/alpha exp/beta
    """
    from mlrepo.report.comparison import compare
    from mlrepo.report.sides import find_side

    if len(sides) < 2:
        raise UserError(
            "A comparison needs two sides at least.",
            hint="For example: mlrepo compare 3fa9c1 latest",
        )
    repository = current_repository()
    found = [find_side(repository, text) for text in sides]
    for problem in dict.fromkeys(problem for side in found for problem in side.unreadable):
        click.echo(f"Left out: {problem}", err=True)
    comparisons = compare(found, repository.rounds)
    if as_json:
        values = [comparison_values(one) for one in comparisons]
        print_json("mlrepo.compare/1", {"comparisons": values})
        return
    for number, one in enumerate(comparisons):
        if number:
            click.echo()
        print_comparison(one)


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
            {"name": name, "runs": [run.run for run in runs]}
            for name, runs in zip(one.sides, one.runs, strict=True)
        ],
        "verdicts": list(one.verdicts),
        "figures": [asdict(figure) for figure in (one.result, *one.metrics)],
    }


def print_comparison(one: Comparison) -> None:
    """Print one comparison: first whether the systems differ, then the figures and settings."""
    benchmark, scenario, mode, test = one.kind
    title = f"{benchmark} {scenario} {test or mode}"
    click.echo(style(title, bold=True))
    letters = [chr(ord("A") + number % 26) for number in range(len(one.sides))]
    for letter, name, runs in zip(letters, one.sides, one.runs, strict=True):
        newest = runs[0]
        more = f"{len(runs)} runs, the newest " if len(runs) > 1 else ""
        click.echo(
            f"  {letter}  {name}: {more}{newest.run} on {newest.system} {newest.validity}"
            f"{_disturbed(runs)}"
        )
    if one.systems:
        click.echo(
            style("  THE SYSTEMS DIFFER", fg="yellow", bold=True)
            + ": the ratio is not that of two settings.",
        )
        _print_differences(one.systems, letters)
    print_table(
        ("METRIC", "UNIT", *letters, *(f"{letter}÷A" for letter in letters[1:])),
        [_row(figure) for figure in (one.result, *one.metrics)],
        right=tuple(range(2, 1 + 2 * len(letters))),
    )
    for letter, verdict, ratio in zip(letters[1:], one.verdicts, one.result.ratios, strict=True):
        number = "" if ratio is None else f" {_ratio(ratio)}"
        on = " (on different systems)" if one.systems else ""
        click.echo(style(f"  {letter} ÷ A{number}: {verdict}{on}", bold=True))
    if one.settings:
        click.echo("  settings that differ")
        _print_differences(one.settings, letters)


def _disturbed(runs: Sequence[RunRecord]) -> str:
    disturbed = sum(bool(run.load.noise.disturbances) for run in runs)
    if not disturbed:
        return ""
    number = f"{disturbed} of them " if len(runs) > 1 else ""
    return f", {number}disturbed by other processes"


def _print_differences(differences: Sequence[Difference], letters: Sequence[str]) -> None:
    for difference in differences:
        told = "; ".join(
            f"{letter} {_shortened(value) or '-'}"
            for letter, value in zip(letters, difference.values, strict=True)
        )
        click.echo(f"    {difference.name}: {told}")


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
