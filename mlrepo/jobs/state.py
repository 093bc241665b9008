"""What became of jobs: from Git, the engine, and what they left; the journal only names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.engines import ENDED, RUNNING, Engine, Seen
from mlrepo.errors import MlrepoError
from mlrepo.jobs.counted import counted, runs_of_jobs
from mlrepo.jobs.engines import load_engine
from mlrepo.jobs.journal import Job, JobGroup, JobJournal
from mlrepo.jobs.outcome import KEPT, RECORDED, REFUSED, STOPPED, JobOutcome, read_outcome
from mlrepo.record import PROBE_TAG
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun

WAITING, QUEUED, GOING, DONE = "waiting", "queued", "running", "done"
FAILED, HELD, LOST, CANCELLED, UNKNOWN = "failed", "kept", "lost", "cancelled", "unknown"
# No submission changes them.
SETTLED = frozenset({DONE, FAILED, CANCELLED})
# A new attempt may do what the last one did not.
REPEATABLE = frozenset({WAITING, LOST, HELD})


@dataclass(frozen=True)
class JobState:
    """A job and what is known of it.

    Attributes
    ----------
    state:
        ``waiting`` (not submitted yet), ``queued``, ``running``, ``done``, ``failed`` (it ended,
        and its run is not VALID or was refused), ``kept`` (its run waits on the node), ``lost``
        (nothing is known of it), ``cancelled`` or ``unknown`` (the engine does not answer).
    reason, hint:
        Why, and what to do next; may be empty.
    id:
        The engine's name of its last attempt.
    runs:
        Its runs that Git has here, newest first.
    nodes:
        The node of each attempt that ended without a result, as far as it is known.
    """

    group: JobGroup
    job: Job
    state: str
    reason: str = ""
    hint: str = ""
    node: str = ""
    id: str = ""
    system: str = ""
    runs: tuple[RecordedRun, ...] = ()
    bad_nodes: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the engine has it: it needs nobody."""
        return self.state in (QUEUED, GOING)


def job_states(
    repository: ResultsRepository,
    journal: JobJournal,
    names: Sequence[str] = (),
    load: Callable[[str, Mapping[str, str], Path], Engine] = load_engine,
) -> list[JobState]:
    """Return the state of the named jobs and groups, or of all, the newest group first."""
    runs = runs_of_jobs(repository)
    found: list[JobState] = []
    for group, jobs in journal.find(tuple(names)):
        open_ = [job for job in jobs if not _in_git(job, runs.get(job.id, []))]
        seen: Mapping[str, Sequence[Seen]] | None = {}
        silent = ""
        if open_:
            try:
                engine = load(group.on, group.options, journal.root)
                seen = engine.look(job.name for job in open_)
            except MlrepoError as error:
                seen, silent = None, error.message
        for job in jobs:
            mine = tuple(runs.get(job.id, ()))
            outcomes = [
                outcome
                for attempt in job.attempts
                if (outcome := read_outcome(journal.outcome(job, attempt.number)))
            ]
            known = None if seen is None else seen.get(job.name, ())
            found.append(_state(group, job, mine, outcomes, known, silent))
    return found


def _in_git(job: Job, runs: Sequence[RecordedRun]) -> bool:
    return bool(job.kinds) and counted(runs).keys() >= set(job.kinds)


def _state(
    group: JobGroup,
    job: Job,
    runs: tuple[RecordedRun, ...],
    outcomes: Sequence[JobOutcome],
    seen: Sequence[Seen] | None,
    silent: str,
) -> JobState:
    last = job.attempts[-1] if job.attempts else None
    outcome = next((one for one in outcomes if last and one.attempt == last.number), None)
    newest = seen[0] if seen else None
    bad = tuple(_bad_nodes(job, outcomes, seen or ()))
    node = (outcome.node if outcome else "") or (newest.node if newest else "")
    system = runs[0].trailer("System") if runs else outcome.system if outcome else ""
    name = newest.id if newest else last.id if last else ""

    def state(kind: str, reason: str = "", hint: str = "") -> JobState:
        return JobState(group, job, kind, reason, hint, node, name, system, runs, bad)

    if _in_git(job, runs):
        return state(DONE)
    live = next((one for one in seen or () if one.state != ENDED), None)
    if live is not None and outcome is None:
        kind = GOING if live.state == RUNNING else QUEUED
        node, name = live.node, live.id
        return state(kind, live.reason)
    if outcome is not None:
        kind, reason, hint = _of_outcome(outcome, runs)
        if outcome.state == STOPPED and newest is not None and newest.state == ENDED:
            reason = f"{newest.reason}; {reason}"
        return state(kind, reason, hint)
    if job.cancelled:
        return state(CANCELLED)
    if seen is None:
        return state(UNKNOWN, silent)
    if last is None:
        return state(WAITING, "not submitted yet", "`mlrepo jobs wait` submits it.")
    if not last.id and newest is None:
        again = "`mlrepo jobs wait` submits it again."
        return state(WAITING, "its submission was interrupted", again)
    if newest is not None and not job.kinds and newest.reason == "it ended":
        return state(DONE)
    why = newest.reason if newest else "the engine does not know it any more"
    return state(
        LOST,
        f"{why}, and no VALID run of it is in Git" if not runs else f"{why}; {_verdict(runs)}",
        "`mlrepo jobs wait` submits it again. A run that was killed waits in the spool of its "
        "node; the next job there records it.",
    )


def _of_outcome(outcome: JobOutcome, runs: Sequence[RecordedRun]) -> tuple[str, str, str]:
    """Return the state that a job's own outcome says, why, and what to do next."""
    where = f"{outcome.node}:{outcome.clone}"
    match outcome.state:
        case x if x == KEPT:
            return (
                HELD,
                f"its run is on {where}, not at the hub: {outcome.reason}",
                "`mlrepo jobs wait` fetches it by a job on that node once the hub can be reached.",
            )
        case x if x == STOPPED:
            return LOST, outcome.reason, "`mlrepo jobs wait` submits it again."
        case x if x == REFUSED:
            return FAILED, outcome.reason, outcome.hint
        case x if x == RECORDED and outcome.code == 0:
            return DONE, outcome.reason, ""
    verdict = _verdict(runs) if runs else f"exit code {outcome.code}"
    return (
        FAILED,
        verdict,
        "`mlrepo show RUN` says why; `mlrepo jobs logs JOB` prints what it said.",
    )


def _verdict(runs: Sequence[RecordedRun]) -> str:
    shown = next((run for run in runs if PROBE_TAG not in run.tags), runs[0])
    return f"the run {shown.run} is {shown.trailer('Validity')}"


def _bad_nodes(job: Job, outcomes: Sequence[JobOutcome], seen: Sequence[Seen]) -> Iterator[str]:
    """Yield the node of each attempt that did not end with a run of its own accord."""
    said = {one.attempt: one for one in outcomes}
    known = {one.id: one for one in seen}
    for attempt in job.attempts:
        outcome = said.get(attempt.number)
        one = known.get(attempt.id)
        if outcome is None and one is not None and one.state == ENDED and one.node:
            if "cancelled" not in one.reason and "preempted" not in one.reason:
                yield one.node
        elif outcome is not None and outcome.state == REFUSED and outcome.node:
            yield outcome.node
