"""``--on ENGINE``: the commands of ``mlrepo bench`` as jobs on other machines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.bench.options import key_values
from mlrepo.cli.context import current_repository, resolver, user_directory
from mlrepo.cli.progress import duration_words
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.engines import Engine
    from mlrepo.jobs.journal import Job, JobGroup, JobJournal
    from mlrepo.jobs.submit import NewJob
    from mlrepo.record.request import AnyRequest
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.rounds import Round

# What a job is told: the system is the node's.
_DECIDED = ("round", "division", "submitter", "category", "platform")


@dataclass(frozen=True)
class On:
    """Where the jobs of a command go.

    Attributes
    ----------
    engine:
        The engine with its argument, such as ``slurm:gpu``.
    options:
        The engine's options that were typed.
    bootstrap:
        A directory of wheels from which a node makes its environment, or None.
    wait:
        Whether to wait for the jobs, and submit lost ones again.
    """

    engine: str
    options: Mapping[str, str]
    bootstrap: Path | None
    wait: bool


@dataclass(frozen=True)
class Target:
    """A repository and the settings that the jobs of a command have in common."""

    repository: ResultsRepository
    round: Round
    request: AnyRequest


def on_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of jobs to a command, and pass them to it as ``on``: None without --on."""

    @functools.wraps(function)
    def command(**values: Any) -> int:
        engine = values.pop("on_engine")
        options = values.pop("on_opt")
        bootstrap = values.pop("bootstrap")
        wait = values.pop("wait")
        if engine is None and (options or bootstrap or wait):
            raise click.UsageError("--on-opt, --bootstrap and --wait belong to --on ENGINE.")
        on = None if engine is None else On(engine, options, bootstrap, wait)
        return function(on=on, **values)

    for option in reversed(
        (
            click.option(
                "--on",
                "on_engine",
                metavar="ENGINE",
                help="Run as jobs: slurm[:PARTITION], parsl:FILE, or local, the queue of this "
                "machine.",
            ),
            click.option(
                "--on-opt",
                multiple=True,
                callback=key_values,
                metavar="KEY=VALUE",
                help="An option of the engine, such as account=NAME (repeatable).",
            ),
            click.option(
                "--bootstrap",
                type=click.Path(path_type=Path, file_okay=False),
                metavar="WHEELS",
                help="Let nodes make an environment from the wheels in this directory.",
            ),
            click.option("--wait", is_flag=True, help="Wait for the jobs; submit lost ones again."),
        )
    ):
        command = option(command)
    return command


def target_of(request: AnyRequest) -> Target:
    """Return the repository and the request with every setting but the system decided.

    Raises
    ------
    UserError
        A setting is missing.
    """
    repository = current_repository()
    found = resolver(repository)
    settings = {
        key: found.require(key, getattr(request.where, key) or None)
        for key in _DECIDED
        if key in request.plan.WHERE
    }
    decided = request.decided(
        {key: one.value for key, one in settings.items()},
        {key: one.origin for key, one in settings.items()},
    )
    return Target(repository, repository.rounds[settings["round"].value], decided)


def job_words(target: Target, request: AnyRequest, *more: str) -> tuple[str, ...]:
    """Return the command of a job after ``mlrepo``: all that was decided, but not the system."""
    from mlrepo.record.request import argv

    return (*argv(replace(request, where=replace(request.where, system="")))[1:], *more)


def submit_jobs(
    ctx: click.Context,
    target: Target,
    on: On,
    jobs: Sequence[NewJob],
    *,
    as_json: bool,
    dry_run: bool = False,
    once: bool = False,
) -> int:
    """Write the jobs into the journal, submit them, and say how to follow them.

    With ``dry_run``, print their commands, and submit none. With ``once``, jobs of the same command
    that have not ended are not submitted a second time.

    Returns
    -------
    The exit code: 0 if all are submitted; with ``--wait`` 0 if all are done and VALID.
    """
    from mlrepo.engines.errors import Full
    from mlrepo.engines.options import engine_options
    from mlrepo.errors import Unanswered
    from mlrepo.jobs.engines import engine_name, load_engine
    from mlrepo.jobs.journal import JobJournal
    from mlrepo.jobs.submit import add_group, submit

    repository = target.repository
    journal = JobJournal.of(repository)
    options = engine_options(user_directory(), engine_name(on.engine), on.options)
    engine = load_engine(on.engine, options, journal.root)
    group = _group(ctx, target, on, options, engine, journal.new_id())
    engine.check()
    if once:
        jobs = _without_live(repository, journal, jobs)
    if dry_run:
        _print_plan(on, jobs, as_json=as_json)
        return 0
    if not jobs:
        click.echo("Nothing is left to submit: `mlrepo jobs` shows what was.", err=True)
        return 0
    made = add_group(journal, group, jobs)
    submitted: list[Job] = []
    later = ""
    try:
        submitted += submit(repository, journal, group, made, engine)
    except (Full, Unanswered) as error:
        later = f"{error.message} {error.hint}"
    if on.wait:
        from mlrepo.cli.jobs.wait import wait_for

        _tell(group, jobs, made, later, err=as_json)
        return wait_for(repository, (group.id,), as_json=as_json)
    if as_json:
        values = {
            "group": group.id,
            "on": group.on,
            "jobs": [
                {"id": job.id, "name": job.attempts[-1].id if job.attempts else ""}
                for job in submitted or made
            ],
            "waiting": [job.id for job in made[len(submitted) :]],
            "reason": later,
        }
        print_json("mlrepo.jobs.submit/1", values)
    else:
        _tell(group, jobs, submitted, later)
    return 1 if later else 0


def _without_live(
    repository: ResultsRepository, journal: JobJournal, jobs: Sequence[NewJob]
) -> list[NewJob]:
    """Return the jobs whose command no job has that was submitted and has not ended."""
    from collections import Counter

    from mlrepo.jobs.state import SETTLED, job_states

    states = job_states(repository, journal)
    live = Counter(state.job.words for state in states if state.state not in SETTLED)
    left = []
    for job in jobs:
        if live[job.words]:
            live[job.words] -= 1
        else:
            left.append(job)
    if len(left) < len(jobs):
        click.echo(
            f"{len(jobs) - len(left)} of {len(jobs)} job(s) were submitted before and have not "
            "ended: `mlrepo jobs`.",
            err=True,
        )
    return left


def _print_plan(on: On, jobs: Sequence[NewJob], *, as_json: bool) -> None:
    commands = [(shell_command(("mlrepo", *job.words)), job.seconds) for job in jobs]
    if as_json:
        values = [{"command": command, "seconds": seconds} for command, seconds in commands]
        print_json("mlrepo.jobs.plan/1", {"on": on.engine, "jobs": values})
        return
    click.echo(f"{len(jobs)} job(s) on {on.engine}:")
    for command, seconds in commands:
        click.echo(f"  {command}  (about {duration_words(seconds)})")


def _tell(
    group: JobGroup, jobs: Sequence[NewJob], made: Sequence[Job], later: str, *, err: bool = False
) -> None:
    seconds = max((job.seconds for job in jobs), default=0.0)
    click.echo(
        f"{len(made)} of {len(jobs)} job(s) on {group.on}, group {group.id}; each takes about "
        f"{duration_words(seconds)}.",
        err=err,
    )
    if later:
        click.echo(f"The others wait in the journal: {later}", err=True)
    click.echo(
        "They go on without this terminal. `mlrepo jobs` shows them; `mlrepo jobs wait` waits, and "
        "submits lost ones again.",
        err=err,
    )


def _group(
    ctx: click.Context,
    target: Target,
    on: On,
    options: Mapping[str, str],
    engine: Engine,
    name: str,
) -> JobGroup:
    """Return the group of a command.

    Raises
    ------
    UserError
        Jobs go elsewhere, and the repository has no hub.
    """
    from mlrepo.jobs.bootstrap import environment
    from mlrepo.jobs.hub import hub_url
    from mlrepo.jobs.journal import JobGroup, now
    from mlrepo.repository.identity import git_identity

    repository = target.repository
    author = git_identity(repository.root).author
    setup: tuple[str, ...] = ()
    if on.bootstrap is not None:
        if not engine.elsewhere:
            raise UserError(
                "--bootstrap makes an environment on another machine.", hint="Leave it out."
            )
        setup = environment(on.bootstrap, engine.directory, engine.python)
    return JobGroup(
        name,
        on.engine,
        ("mlrepo", *map(str, ctx.obj)),
        now(),
        options,
        hub_url(repository, resolver(repository).require("hub").value) if engine.elsewhere else "",
        target.request.where.system,
        (author.name, author.email),
        setup,
    )
