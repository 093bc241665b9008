"""Which machine is best at what, and what is missing where: `mlrepo status --machines`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import resolver
from mlrepo.cli.render import print_table

if TYPE_CHECKING:
    from mlrepo.bench.machines import Leaderboard, MissingOn
    from mlrepo.bench.status import StatusRow
    from mlrepo.repository.discovery import ResultsRepository


def machines_of(
    repository: ResultsRepository, rows: Sequence[StatusRow]
) -> tuple[list[Leaderboard], list[MissingOn]]:
    """Return who is best at what, and what the submitter's own machines lack."""
    from mlrepo.bench.machines import leaderboards, missing_on
    from mlrepo.jobs.systems import engines_of_systems

    settings = resolver(repository)
    submitter, here = settings.find("submitter"), settings.find("system")
    lacking = missing_on(
        rows,
        submitter.value if submitter else "",
        engines_of_systems(repository),
        here.value if here else "",
    )
    return leaderboards(rows), lacking


def machines_values(
    repository: ResultsRepository, rows: Sequence[StatusRow]
) -> dict[str, list[dict[str, object]]]:
    """Return the same for JSON."""
    best, lacking = machines_of(repository, rows)
    return {"best": [asdict(one) for one in best], "missing": [asdict(one) for one in lacking]}


def print_machines(repository: ResultsRepository, rows: Sequence[StatusRow]) -> None:
    """Print a line for each machine and what it is measured at, then what is missing."""
    from mlrepo.repository.trailers import parse_result

    best, lacking = machines_of(repository, rows)
    whose = len({board.submitter for board in best}) > 1
    several = len({board.division for board in best}) > 1
    print_table(
        (
            *(("DIVISION",) if several else ()),
            *(("SUBMITTER",) if whose else ()),
            *("BENCHMARK", "SCENARIO", "PLACE", "SYSTEM", "BACKEND", "RESULT", "x BEST"),
        ),
        [
            (
                *((board.division,) if several else ()),
                *((board.submitter,) if whose else ()),
                board.benchmark,
                board.scenario,
                str(place),
                one.system,
                one.backend,
                f"{parse_result(one.result)}{' (short)' if one.short else ''}",
                f"{one.ratio:.2f}",
            )
            for board in best
            for place, one in enumerate(board.standings, start=1)
        ],
        right=(several + whose + 2, several + whose + 6),
        drop=(*(("DIVISION",) if several else ()), "BACKEND"),
    )
    if lacking:
        click.echo()
        print_table(
            ("MISSING ON", "BENCHMARK", "BACKEND", "SCENARIOS"),
            [(one.system, one.benchmark, one.backend, ", ".join(one.scenarios)) for one in lacking],
            drop=("BACKEND",),
            wrap="SCENARIOS",
        )
    for one in lacking:
        for command in one.commands:
            click.echo(f"{'Next' if one.here else f'On {one.system}'}: {command}")
