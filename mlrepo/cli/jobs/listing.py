"""Print jobs and their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from mlrepo.cli.render import print_table, style
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.jobs.state import JobState

_COLOURS = {
    "done": "green",
    "running": "cyan",
    "queued": "yellow",
    "waiting": "yellow",
    "kept": "yellow",
    "unknown": "yellow",
}
# More jobs than this are shown by what they have in common.
_MOST_SHOWN = 200


def print_states(states: Sequence[JobState]) -> None:
    """Print a line for each job, then how many are in each state, and what to do next."""
    if not states:
        click.echo(
            "No job was submitted from this clone. `mlrepo bench suite --benchmark digits --on "
            "slurm` submits some; --on local queues them on this machine.",
            err=True,
        )
        return
    shown = states[:_MOST_SHOWN]
    print_table(
        ("JOB", "ON", "STATE", "NODE", "RUN", "RESULT", "WHAT", "WHY"),
        [
            (
                state.job.id,
                state.group.on,
                style(state.state, fg=_COLOURS.get(state.state, "red")),
                state.node,
                run_of(state),
                result_of(state),
                what(state),
                state.reason,
            )
            for state in shown
        ],
        drop=("ON", "RESULT", "NODE", "WHAT"),
        tail="RUN",
        wrap="WHY",
    )
    if len(states) > len(shown):
        click.echo(f"… and {len(states) - len(shown)} older ones: `mlrepo jobs list GROUP`.")
    click.echo(summary(states))
    for hint in dict.fromkeys(state.hint for state in states if state.hint):
        click.echo(f"  {hint}")


def summary(states: Sequence[JobState]) -> str:
    """Return how many jobs are in each state."""
    numbers = Counter(state.state for state in states)
    return f"{len(states)} job(s): {', '.join(f'{n} {kind}' for kind, n in numbers.items())}."


def what(state: JobState) -> str:
    """Return what a job runs: the command without what all commands have."""
    words = state.job.words
    values = dict(pairwise(words))
    named = (values.get(name, "") for name in ("--benchmark", "--scenario", "--mode"))
    return " ".join((*words[1:2], *(one for one in named if one)))


def run_of(state: JobState) -> str:
    """Return the run that counts for a job, or the newest; '' if there is none."""
    from mlrepo.jobs.counted import counted

    done = list(counted(state.runs).values())
    newest = done[-1] if done else state.runs[0] if state.runs else None
    return newest.run if newest else ""


def result_of(state: JobState) -> str:
    """Return the result of :func:`run_of`, rounded for people."""
    run = next((one for one in state.runs if one.run == run_of(state)), None)
    return "" if run is None or run.result.value is None else str(run.result)


def job_values(state: JobState) -> dict[str, object]:
    """Return a job for JSON output."""
    return {
        "id": state.job.id,
        "group": state.group.id,
        "on": state.group.on,
        "state": state.state,
        "reason": state.reason,
        "hint": state.hint,
        "engine_id": state.id,
        "node": state.node,
        "system": state.system,
        "attempts": len(state.job.attempts),
        "run": run_of(state),
        "runs": [{"run": run.run, "validity": run.trailer("Validity")} for run in state.runs],
        "command": shell_command(("mlrepo", *state.job.words)),
    }
