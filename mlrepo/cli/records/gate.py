"""The options of a gate, and how its verdicts reach continuous integration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.context import not_empty
from mlrepo.cli.render import style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.report.gate import GateVerdict
    from mlrepo.repository.discovery import ResultsRepository

_ORDER = ("not judged", "passed", "regressed")
_LEVELS = {"regressed": "error", "not judged": "warning"}


def _limit(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    from mlrepo.report.gate import parse_limit

    return parse_limit(value)


def gate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a gate to a command: ``limit``, ``metric``, ``junit``, ``github``."""
    options = (
        click.option(
            "--gate",
            "limit",
            metavar="PERCENT",
            callback=_limit,
            help="Exit with 1 if the result is worse by more than this (3%) and by more than "
            "noise.",
        ),
        click.option(
            "--metric",
            metavar="NAME",
            callback=not_empty,
            help="Judge this metric of LoadGen instead of the result; show lists them.",
        ),
        click.option(
            "--junit",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the gate's verdicts into this file, as JUnit XML.",
        ),
        click.option(
            "--github",
            is_flag=True,
            help="Print the gate's verdicts as annotations of GitHub Actions, too (default with "
            "--gate inside of it).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_gate(limit: float | None, metric: str | None, junit: Path | None, github: bool) -> None:
    """Refuse options that need a gate where there is none.

    Raises
    ------
    UserError
        There is no limit.
    """
    given = {"--metric": metric is not None, "--junit": junit is not None, "--github": github}
    named = " and ".join(option for option, is_given in given.items() if is_given)
    if limit is None and named:
        raise UserError(
            f"{named} is of use with a gate only.", hint="Add --gate 3%, or another limit."
        )


def annotates(limit: float | None, github: bool) -> bool:
    """Say whether GitHub's annotations are printed."""
    return github or (limit is not None and os.environ.get("GITHUB_ACTIONS") == "true")


def announce(
    command: str,
    repository: ResultsRepository,
    verdicts: Sequence[GateVerdict],
    limit: float,
    *,
    junit: Path | None,
    github: bool,
    as_json: bool,
    may_begin: bool = False,
) -> int:
    """Print what the gate says and write the report; return the exit code.

    It is 1 for a regression, 2 if nothing could be judged, else 0. If standard output is JSON, the
    annotations go to standard error, which GitHub's runner reads as well.

    Parameters
    ----------
    may_begin:
        Whether it is all right that nothing can be judged yet.
    """
    from mlrepo.cli.github_commands import workflow_command
    from mlrepo.report.gate import NOT_JUDGED, REGRESSED

    if junit is not None:
        from mlrepo.cli.records.junit import junit_report
        from mlrepo.cli.records.output_file import write_output

        write_output(repository, junit, junit_report(command, verdicts), "--junit")
    if not as_json:
        # The last lines are those that are seen.
        for verdict in sorted(verdicts, key=lambda one: _ORDER.index(one.state)):
            said = {REGRESSED: "REGRESSION", NOT_JUDGED: "not judged"}.get(verdict.state, "passed")
            colour = {REGRESSED: "red", NOT_JUDGED: "yellow"}.get(verdict.state, "green")
            gate = f"gate of {100 * limit:g} %"
            click.echo(
                f"{gate}: {style(said, fg=colour, bold=True)}: {verdict.subject}: {verdict.words}"
            )
    if github:
        for verdict in verdicts:
            if verdict.state in _LEVELS:
                line = workflow_command(
                    _LEVELS[verdict.state],
                    f"{verdict.subject}: {verdict.words}",
                    title=f"{command}: {verdict.state}",
                )
                click.echo(line, err=as_json)
    states = {verdict.state for verdict in verdicts}
    if REGRESSED in states:
        return 1
    if states == {NOT_JUDGED} and not may_begin:
        click.echo(
            "mlrepo: The gate could judge nothing.\n  It takes three runs or more a side: give "
            "`bench run` the option --repeat 5.",
            err=True,
        )
        return 2
    return 0


def gate_values(limit: float, verdicts: Sequence[GateVerdict]) -> dict[str, object]:
    """Return the gate and its verdicts for JSON output."""
    return {
        "limit": limit,
        "verdicts": [
            {
                "subject": verdict.subject,
                "state": verdict.state,
                "words": verdict.words,
            }
            for verdict in verdicts
        ],
    }
