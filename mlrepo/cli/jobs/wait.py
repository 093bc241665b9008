"""Wait for jobs, and submit lost ones again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import resolver
from mlrepo.cli.jobs.listing import job_values, result_of, run_of, summary, what
from mlrepo.cli.render import print_json
from mlrepo.errors import MlrepoError, Unanswered, UserError

if TYPE_CHECKING:
    from mlrepo.jobs.journal import JobJournal
    from mlrepo.jobs.state import JobState
    from mlrepo.repository.discovery import ResultsRepository

_FIRST_SECONDS, _LONGEST_SECONDS = 2.0, 30.0


def refresh(repository: ResultsRepository, journal: JobJournal) -> None:
    """Fetch the experiment branches from the hub, if jobs push to it; say so if that fails."""
    from mlrepo.jobs.clone import fetch

    if not any(group.hub for group in journal.groups()):
        return
    try:
        fetch(repository, resolver(repository).require("hub").value)
    except MlrepoError as error:
        click.echo(f"The hub was not fetched: {error.message}", err=True)


def wait_for(
    repository: ResultsRepository,
    names: Sequence[str],
    *,
    as_json: bool,
    timeout: float | None = None,
    every: float | None = None,
) -> int:
    """Wait until jobs have ended, and print each change; submit lost ones again.

    Returns
    -------
    0 if all are done, else 1.

    Raises
    ------
    Unanswered
        They have not ended within ``timeout`` seconds.
    """
    from mlrepo.jobs.journal import JobJournal
    from mlrepo.jobs.state import DONE, REPEATABLE, job_states
    from mlrepo.jobs.submit import MOST_ATTEMPTS, submit_again
    from mlrepo.repository.discovery import find_repository

    journal = JobJournal.of(repository)
    begin, pause = time.monotonic(), every or _FIRST_SECONDS
    said: dict[str, str] = {}
    refused: dict[str, UserError] = {}
    while True:
        repository = find_repository(repository.root)  # nothing of it is remembered
        refresh(repository, journal)
        states = job_states(repository, journal, names)
        for group in dict.fromkeys(state.group.id for state in states):
            mine = [state for state in states if state.group.id == group]
            if group in refused:
                continue
            try:
                for job, before in submit_again(repository, journal, mine):
                    number = len(job.attempts)
                    click.echo(f"{job.id}: {before}; submitted again (attempt {number}).", err=True)
            except UserError as error:  # what runs of it and of other groups goes on
                refused[group] = error
                click.echo(f"{group}: {error.message}\n  {error.hint}", err=True)
        _tell_changes(states, said, err=as_json)
        open_ = [
            state
            for state in states
            if state.live
            or state.state == "unknown"
            or (
                state.state in REPEATABLE
                and state.group.id not in refused
                and not state.job.cancelled
                and len(state.job.attempts) < MOST_ATTEMPTS
            )
        ]
        if not open_:
            break
        if timeout is not None and time.monotonic() - begin + pause > timeout:
            raise Unanswered(
                f"{len(open_)} job(s) have not ended within {timeout:.0f} s.",
                hint="They go on; `mlrepo jobs` shows them.",
            )
        time.sleep(pause)
        pause = every or min(_LONGEST_SECONDS, pause * 1.3)
    if as_json:
        print_json("mlrepo.jobs/1", {"jobs": [job_values(state) for state in states]})
    else:
        click.echo(summary(states))
        for hint in dict.fromkeys(state.hint for state in states if state.hint):
            click.echo(f"  {hint}")
    return int(any(state.state != DONE for state in states))


def _tell_changes(states: Sequence[JobState], said: dict[str, str], *, err: bool) -> None:
    """Print each job whose state is another than when it was printed last."""
    for state in states:
        line = f"{state.state} {state.node} {state.reason}".strip()
        if said.get(state.job.id) == line:
            continue
        said[state.job.id] = line
        shown = (result_of(state), f"run {run_of(state)}" if run_of(state) else "")
        result = "".join(f", {one}" for one in shown if one)
        where = f" on {state.node}" if state.node else ""
        why = f" ({state.reason})" if state.reason else ""
        click.echo(f"{state.job.id} {what(state)} {state.state}{where}{why}{result}", err=err)
