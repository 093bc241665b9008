"""``mlrepo status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.fetched import fetch_values, print_last_fetch
from mlrepo.cli.records.machines import machines_values, print_machines
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.shell import quoted, shell_command

if TYPE_CHECKING:
    from mlrepo.bench.status import StatusRow
    from mlrepo.repository.discovery import ResultsRepository

_COLOURS = {
    "done": "green",
    "missing": "yellow",
    "stale": "yellow",
    "short": "yellow",
    "inferred": "cyan",
}


# The fields of a row that came later than the others.
_LAST = ("never_valid", "commands", "remarks", "by_scenario")


@click.command("status", cls=Command)
@click.option("--round", "round_", help="The round (default: the repository's).")
@click.option("--division", help="Only this division (default: all).")
@click.option("--category", help="The category (default: the repository's).")
@click.option(
    "--machines", is_flag=True, help="Which machine is best at what, and what is missing where."
)
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
def command(
    round_: str | None, division: str | None, category: str | None, machines: bool, as_json: bool
) -> int:
    """Show which runs of the round are done, INVALID, stale, too short or missing.

    All experiment branches are read, local and fetched, without a checkout. Each gap comes with
    the command that fills it; a scenario without runs whose result the round infers from another's
    has none. A benchmark that can never be valid in the round, and an installed LoadGen that the
    round does not accept, are noted. --machines ranks the machines, and names what each lacks
    beside the others, with the command for it: by --on where jobs went there before.

    \b
    Example:
      mlrepo status --division open
      mlrepo status --machines
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
        values = [row_values(row) for row in rows]
        print_json(
            "mlrepo.status/1",
            {
                "round": found_round.name,
                "loadgen": vars(fit),
                "fetched": fetch_values(repository),
                "results": values,
                **({"machines": machines_values(repository, rows)} if machines else {}),
            },
        )
        return code
    print_last_fetch(repository)
    if fit.note:
        click.echo(fit.note, err=True)
    if machines and rows:
        print_machines(repository, rows)
        return code
    if not rows:
        click.echo(_nothing(repository, found_round.name), err=True)
        if found.find("system") is None:
            _report_no_system(repository)
        return code
    # Whose results they are is shown where others' are among them: imported ones.
    own = found.find("submitter")
    whose = {row.submitter for row in rows} != {own.value if own else ""}
    print_table(
        (
            *("DIVISION", *(("SUBMITTER",) if whose else ()), "SYSTEM", "BACKEND"),
            *("BENCHMARK", "SCENARIO", "RUN", "STATE", "RESULT"),
        ),
        [
            (
                row.division,
                *((row.submitter,) if whose else ()),
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
        right=(8 if whose else 7,),
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
    if found.find("system") is None and any(row.commands for row in rows):
        _report_no_system(repository)
    _print_next(repository, rows, () if round_ is None else ("--round", found_round.name))
    return code


def _nothing(repository: ResultsRepository, round_: str) -> str:
    """Say why the matrix is empty, and what comes next."""
    from mlrepo.repository.history import recorded_runs

    runs = recorded_runs(repository, hidden=True)
    if any(run.trailer("Round") == round_ and run.curation.hidden for run in runs):
        return (
            f"All runs of {round_} are withdrawn or pruned: `mlrepo log --withdrawn` lists them, "
            "and `mlrepo run restore RUN` lets one count again."
        )
    return (
        f"Nothing is recorded for {round_}. Begin with the embedded benchmark: `mlrepo bench suite "
        "--benchmark digits --quick`; `mlrepo bench list` has all."
    )


def row_values(row: StatusRow) -> dict[str, object]:
    """Return a row of the matrix for JSON."""
    # Not asdict, which deep-copies every value of ten thousand cells.
    return {
        **{name: value for name, value in vars(row).items() if name not in _LAST},
        "cells": [vars(cell) for cell in row.cells],
        "next": row.next_command,
        **{name: getattr(row, name) for name in _LAST},
    }


def _report_no_system(repository: ResultsRepository) -> None:
    """Say how this clone learns which system it measures: without that, runs are refused."""
    from mlrepo.systems.here import Here

    fitting = [f"`mlrepo system use {quoted(name)}`" for name in Here(repository.systems).fitting()]
    other = f"{' or '.join(fitting[:3])}; " if fitting else ""
    click.echo(
        f"This clone does not say yet which system it measures: {other}`mlrepo system add NAME` "
        "describes a new one.",
        err=True,
    )


def _print_next(
    repository: ResultsRepository, rows: Sequence[StatusRow], of_round: Sequence[str]
) -> None:
    """Print the commands that follow: of other machines they are named as such."""
    from mlrepo.jobs.systems import engines_of_systems
    from mlrepo.systems.here import Here

    here, engines = Here(repository.systems), engines_of_systems(repository)
    # What is behind an endpoint is not compared with the machine of its client.
    local = (row.system for row in rows if row.commands and not _has_endpoint(row))
    others = [
        name for name in dict.fromkeys(local) if name not in engines and here.is_another(name)
    ]
    if others:
        first = here.match(others[0]).contradictions[0]
        click.echo(
            f"Not this machine, which would refuse to run for them: {', '.join(others)} "
            f"({others[0]}: {first.field} is {first.written!r}, here it is {first.detected!r}).",
            err=True,
        )
    if any(row.can_be_rehearsed for row in rows):
        click.echo(f"Next: {shell_command(('mlrepo', 'select', '--quick', *of_round))}")
    for row in rows:
        label = f"On {row.system}" if row.system in others else "Next"
        if row.can_be_rehearsed and row.system not in others:
            label = "At full length"
        for command_ in row.on(engines.get(row.system, "")).commands:
            click.echo(f"{label}: {command_}")


def _has_endpoint(row: StatusRow) -> bool:
    return any("--endpoint" in command for command in row.commands)


def _rounded(result: str) -> str:
    """Return a result rounded for people; the trailers have all digits."""
    from mlrepo.repository.trailers import parse_result

    metric = parse_result(result)
    return "" if metric.value is None else str(metric)
