"""Hand jobs to an engine, and again those that were lost."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo import __version__
from mlrepo.engines import Engine, EngineJob
from mlrepo.engines.errors import Full
from mlrepo.engines.script import INTERPRETER
from mlrepo.errors import Unanswered, UserError
from mlrepo.jobs.engines import engine_name, load_engine
from mlrepo.jobs.journal import Job, JobGroup, JobJournal
from mlrepo.jobs.outcome import REFUSED, JobOutcome
from mlrepo.jobs.spec import JobRun, JobSpec
from mlrepo.jobs.state import DONE, HELD, REPEATABLE, JobState
from mlrepo.repository.discovery import ResultsRepository

# How often a job is submitted before a person has to look.
MOST_ATTEMPTS = 5
# A node on which so many attempts failed is left out.
_FAILURES = 2
# An estimate is no promise: a run that is ended by a limit that is too short is time lost.
_MARGIN, _START_SECONDS = 3.0, 600.0


@dataclass(frozen=True)
class NewJob:
    """A job to be submitted: see :class:`~mlrepo.jobs.spec.JobSpec`; ``seconds`` is estimated."""

    words: tuple[str, ...]
    kinds: tuple[JobRun, ...]
    seconds: float


def add_group(journal: JobJournal, group: JobGroup, jobs: Sequence[NewJob]) -> list[Job]:
    """Write a group into the journal; its jobs carry their own tag."""
    made = []
    for number, new in enumerate(jobs, start=1):
        name = f"{group.id}.{number}"
        made.append(Job(name, new.words, new.kinds, new.seconds))
    with journal.lock():
        journal.add(group, made)
    return made


def submit(
    repository: ResultsRepository,
    journal: JobJournal,
    group: JobGroup,
    jobs: Sequence[Job],
    engine: Engine,
    *,
    avoid: Sequence[str] = (),
    collect: Mapping[str, str] | None = None,
) -> Iterator[Job]:
    """Submit jobs, and yield each that the engine has taken.

    Parameters
    ----------
    avoid:
        Nodes that must not run them.
    collect:
        By job, the node that keeps its run: the job only pushes it from there.

    Raises
    ------
    Full, Unanswered
        The engine takes no more now; those that remain are noted in the journal.
    UserError
        The engine refuses the jobs.
    """
    for job in jobs:
        node = (collect or {}).get(job.id, "")
        with journal.lock():
            job = journal.attempted(job)
            made = _engine_job(repository, journal, group, job, engine, node)
            try:
                name = engine.submit(replace(made, avoid=tuple(avoid), node=node))
            except Unanswered:
                raise  # it may have been taken: its name will show
            except Exception:
                journal.refused(job)
                raise
            job = journal.submitted(job, name)
        yield job


def limit_of(engine: Engine, job: Job) -> float:
    """Return the time limit of a job's next attempt in seconds; it grows with the attempts."""
    if engine.limit is not None:
        return engine.limit
    longer = (1.0, 1.0, 2.0, 4.0)[min(3, len(job.attempts))]
    return (_MARGIN * job.seconds + _START_SECONDS) * longer


def submit_again(
    repository: ResultsRepository,
    journal: JobJournal,
    states: Sequence[JobState],
    *,
    most: int = MOST_ATTEMPTS,
    load: Callable[[str, Mapping[str, str], Path], Engine] = load_engine,
) -> Iterator[tuple[Job, str]]:
    """Submit what is waiting, lost or kept on a node; yield each with its earlier state.

    What the engine does not take now stays as it is. Nodes that failed twice in the group, and more
    often than they did well, are left out as long as others are there.
    """
    by_group: dict[str, list[JobState]] = {}
    for state in states:
        by_group.setdefault(state.group.id, []).append(state)
    for members in by_group.values():
        group = members[0].group
        avoid = _failing_nodes(members)
        wanted = [
            state
            for state in members
            if state.state in REPEATABLE
            and not state.job.cancelled
            and len(state.job.attempts) < most
        ]
        if not wanted:
            continue
        engine = load(group.on, group.options, journal.root)
        for state in wanted:
            collect = {state.job.id: state.node} if state.state == HELD else {}
            try:
                try:
                    done = [
                        *submit(
                            *(repository, journal, group, [state.job], engine),
                            avoid=avoid,
                            collect=collect,
                        )
                    ]
                except UserError:
                    if not avoid or collect:
                        raise
                    # No node would be left: one that failed may work again.
                    done = [*submit(repository, journal, group, [state.job], engine)]
            except (Full, Unanswered):
                return
            yield from ((job, state.state) for job in done)


def _failing_nodes(states: Sequence[JobState]) -> list[str]:
    """Return the nodes on which attempts failed twice, and more often than they ended well."""
    failures = Counter(node for state in states for node in state.bad_nodes)
    well = Counter(state.node for state in states if state.state == DONE)
    return sorted(
        node for node, times in failures.items() if times >= _FAILURES and times > well[node]
    )


def _engine_job(
    repository: ResultsRepository,
    journal: JobJournal,
    group: JobGroup,
    job: Job,
    engine: Engine,
    node: str,
) -> EngineJob:
    """Return the next attempt as the engine gets it."""
    number = job.attempts[-1].number
    spec = JobSpec(
        job.id,
        number,
        (*job.words, *_tag(job)),
        job.kinds,
        group.hub,
        "" if engine.elsewhere else str(repository.root),
        group.system,
        engine.directory,
        group.author,
        __version__,
        engine.exclusive,
        engine_name(group.on),
        str(journal.outcome(job, number)),
        collect=bool(node),
    )
    return EngineJob(
        job.name,
        (INTERPRETER, "-P", "-m", "mlrepo.cli.main", "jobs", "execute"),
        spec.to_json(),
        limit_of(engine, job),
        journal.log(job, number),
        tuple(_setup(spec, group, engine)),
    )


def _tag(job: Job) -> tuple[str, ...]:
    """Return the option that marks the job's runs; `bench tune` records none."""
    return () if job.words[:2] == ("bench", "tune") else ("--tag", f"job-{job.id}")


def _setup(spec: JobSpec, group: JobGroup, engine: Engine) -> Iterator[str]:
    """Yield lines of bash that choose the interpreter, and say so where it has no mlrepo."""
    python = engine.python or sys.executable
    yield f"interpreter={shlex.quote(python)}"
    yield from group.setup
    if not engine.elsewhere or group.options.get("container"):
        return
    reason = f"there is no mlrepo for {python} on this node"
    if group.setup:
        reason = "the environment of wheels could not be made; the log says why"
    outcome = JobOutcome(
        spec.job,
        spec.attempt,
        REFUSED,
        reason=reason,
        hint="Name an interpreter that has it with --on-opt python=PATH, or let the job make an "
        "environment of wheels: --bootstrap DIR.",
        node="@NODE@",
    )
    file = shlex.quote(spec.outcome)
    yield "if ! \"$interpreter\" -P -c 'import mlrepo'; then"
    yield f"  said={shlex.quote(json.dumps(outcome.to_dict()))}"
    yield "  said=${said/@NODE@/${SLURMD_NODENAME:-$(hostname)}}"
    yield '  echo "mlrepo-job $said"'
    yield f'  echo "$said" > {file}.new && mv {file}.new {file}'
    yield "  exit 97"
    yield "fi"
