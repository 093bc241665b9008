"""``mlrepo status``."""

from __future__ import annotations

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table, style

_COLOURS = {
    "done": "green",
    "missing": "yellow",
    "stale": "yellow",
    "short": "yellow",
    "inferred": "cyan",
}


# The fields of a row that came later than the others.
_LAST = ("never_valid", "commands", "remarks")


@click.command("status", cls=Command)
@click.option("--round", "round_", help="The round (default: the repository's).")
@click.option("--division", help="Only this division (default: all).")
@click.option("--category", help="The category (default: the repository's).")
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
def command(round_: str | None, division: str | None, category: str | None, as_json: bool) -> int:
    """Show which runs of the round are done, INVALID, stale, too short or missing.

    All experiment branches are read, local and fetched, without a checkout. Each gap comes with
    the command that fills it; a scenario without runs whose result the round infers from another's
    has none. A benchmark that can never be valid in the round, and an installed LoadGen that the
    round does not accept, are noted.

    \b
    Example:
      mlrepo status --division open
    """
    from mlrepo.bench.loadgen import loadgen_fit
    from mlrepo.bench.status import round_status

    repository = current_repository()
    found = resolver(repository)
    found_round = repository.rounds[found.require("round", round_).value]
    asked = found.require("category", category).value
    rows = round_status(repository, found_round, asked, division)
    code = 1 if repository.damage else 0
    fit = loadgen_fit(found_round)
    if as_json:
        # Not asdict, which deep-copies every value of ten thousand cells.
        values = [
            {
                **{name: value for name, value in vars(row).items() if name not in _LAST},
                "cells": [vars(cell) for cell in row.cells],
                "next": row.next_command,
                **{name: getattr(row, name) for name in _LAST},
            }
            for row in rows
        ]
        print_json(
            "mlrepo.status/1",
            {"round": found_round.name, "loadgen": vars(fit), "results": values},
        )
        return code
    if fit.note:
        click.echo(fit.note, err=True)
    if not rows:
        click.echo(
            f"Nothing is recorded for {found_round.name}. `mlrepo bench suite` begins.", err=True
        )
        return code
    print_table(
        ("DIVISION", "SYSTEM", "BACKEND", "BENCHMARK", "SCENARIO", "RUN", "STATE", "RESULT"),
        [
            (
                row.division,
                row.system,
                row.backend,
                row.benchmark,
                cell.scenario,
                cell.name,
                style(cell.state, fg=_COLOURS.get(cell.state, "red")),
                _rounded(cell.result),
            )
            for row in rows
            for cell in row.cells
        ],
        right=(7,),
        drop=("DIVISION", "SYSTEM", "BACKEND", "RESULT"),
    )
    if any(cell.state == "inferred" for row in rows for cell in row.cells):
        click.echo(
            "inferred: the round takes it from another scenario's run; `mlrepo select --infer` "
            "puts it into a submission."
        )
    for why in dict.fromkeys(row.never_valid for row in rows if row.never_valid):
        click.echo(f"Never valid in {found_round.name}, for practice only: {why}.")
    for row in rows:
        for remark in row.remarks:
            click.echo(f"Stale: {remark}.")
        for command_ in row.commands:
            click.echo(f"Next: {command_}")
    return code


def _rounded(result: str) -> str:
    """Return a result rounded for people; the trailers have all digits."""
    from mlrepo.repository.trailers import parse_result

    metric = parse_result(result)
    return "" if metric.value is None else str(metric)
