"""``mlrepo jobs``: what was submitted by ``--on``, and what became of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command, Group
from mlrepo.cli.context import current_repository, redactor
from mlrepo.cli.jobs.listing import job_values, print_states
from mlrepo.cli.jobs.wait import refresh, wait_for
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.jobs.state import JobState

_names = click.argument("names", nargs=-1, metavar="[JOB|GROUP]...")
_offline = click.option("--offline", is_flag=True, help="Do not fetch from the hub first.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")


@click.group("jobs", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the jobs that were submitted by --on ENGINE: queued, running, done, lost.

    Without a command it lists them all. What is done is read from Git, after a fetch from the hub;
    what waits and runs is asked of the engine.

    \b
    Example:
      mlrepo jobs
      mlrepo jobs wait
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, names=(), offline=False, as_json=False)


@command.command("list", cls=Command)
@_names
@_offline
@_as_json
def list_(names: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """List jobs with their state and why, and the run that each has made.

    \b
    Example:
      mlrepo jobs list --json
    """
    states = _states(names, offline=offline)
    if as_json:
        print_json("mlrepo.jobs/1", {"jobs": [job_values(state) for state in states]})
        return
    print_states(states)


@command.command("wait", cls=Command)
@_names
@click.option(
    "--timeout", metavar="TIME", help="Give up waiting after this time; jobs go on all the same."
)
@click.option("--every", type=click.FloatRange(0.1), metavar="SECONDS", help="How often to look.")
@_as_json
def wait(names: tuple[str, ...], timeout: str | None, every: float | None, as_json: bool) -> int:
    """Wait until jobs have ended; submit those that were lost or never submitted again.

    A job is lost if the engine does not have it any more and Git has no VALID run of it: its node
    died, it was killed, or a limit ended it. It is submitted at most five times in all, and not to
    a node on which two attempts failed and fewer ended well. It may be stopped and typed again at
    any time. Exit code: 0 all done, 1 otherwise.

    \b
    Example:
      mlrepo jobs wait --timeout 8h
    """
    from mlrepo.durations import parse_duration

    limit = parse_duration(timeout) if timeout else None
    return wait_for(current_repository(), names, as_json=as_json, timeout=limit, every=every)


@command.command("cancel", cls=Command)
@_names
@click.option("--all", "all_", is_flag=True, help="All jobs that have not ended.")
@_as_json
def cancel(names: tuple[str, ...], all_: bool, as_json: bool) -> None:
    """End jobs, or take them out of the queue; a run that was begun is recorded as interrupted.

    \b
    Example:
      mlrepo jobs cancel --all
    """
    from mlrepo.jobs.cancel import cancel as cancel_jobs

    if bool(names) == all_:
        raise click.UsageError("Name jobs or groups, or give --all.")
    ended = cancel_jobs(current_repository(), _states(names, offline=True))
    if as_json:
        print_json("mlrepo.jobs.cancel/1", {"cancelled": [job.id for job in ended]})
        return
    click.echo(f"Cancelled {len(ended)} job(s).")


@command.command("logs", cls=Command)
@click.argument("job")
@click.option("--attempt", type=click.IntRange(1), help="An earlier attempt (default: the last).")
def logs(job: str, attempt: int | None) -> None:
    """Print what a job printed, where its node shares the file system with this machine.

    \b
    Example:
      mlrepo jobs logs 3fa2b1.1
    """
    from mlrepo.jobs.journal import JobJournal

    repository = current_repository()
    journal = JobJournal.of(repository)
    found = [one for _, jobs in journal.find((job,)) for one in jobs]
    if len(found) != 1:
        raise UserError(
            f"{job} is a group of {len(found)} jobs.", hint=f"Name one, such as {found[0].id}."
        )
    number = attempt or len(found[0].attempts)
    path = journal.log(found[0], number)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(
            f"The log of attempt {number} of {job} is not here: {path}: {error.strerror}.",
            hint="If nodes do not share this file system, it is on the node, under the same path. "
            "If the job is still queued, there is none yet.",
        ) from error
    click.echo(text, nl=False)


@command.command("execute", cls=Command, hidden=True)
def execute() -> int:
    """Do what the job on the standard input says: engines call this on a node.

    \b
    Example:
      mlrepo jobs execute
    """
    from mlrepo.jobs.node import JobOnNode
    from mlrepo.jobs.place import node_name
    from mlrepo.jobs.spec import JobSpec

    if sys.stdin.isatty():
        raise UserError(
            "This command reads the description of a job, which only engines write.",
            hint="`mlrepo bench suite --benchmark digits --on slurm` submits jobs.",
        )
    spec = JobSpec.from_json(sys.stdin.read())

    def tell(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    environ = dict(os.environ)
    job = JobOnNode(spec, redactor(spec.system), environ, tell, node_name(environ))
    return job.execute()


def _states(names: Sequence[str], *, offline: bool) -> list[JobState]:
    from mlrepo.jobs.journal import JobJournal
    from mlrepo.jobs.state import job_states

    repository = current_repository()
    journal = JobJournal.of(repository)
    if not offline:
        refresh(repository, journal)
    return job_states(repository, journal, names)
