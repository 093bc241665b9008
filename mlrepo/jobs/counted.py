"""Which run of a job counts: one for each kind, however often the job was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlrepo.jobs.spec import TAG, JobRun, is_job_id
from mlrepo.record import PROBE_TAG, VALID
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, recorded_runs
from mlrepo.repository.identity import git_identity


def job_of(run: RecordedRun) -> str:
    """Return the id of the job that made a run, or ''."""
    for tag in run.tags:
        if tag.startswith(TAG) and is_job_id(tag.removeprefix(TAG)):
            return tag.removeprefix(TAG)
    return ""


def kind_of(run: RecordedRun) -> JobRun:
    """Return which of its job's runs a run is."""
    return JobRun(run.trailer("Scenario"), run.trailer("Mode"), run.trailer("Test"))


def runs_of_jobs(repository: ResultsRepository) -> Mapping[str, list[RecordedRun]]:
    """Return the runs of all jobs that Git has here, by job, newest commit first."""
    found: dict[str, list[RecordedRun]] = {}
    for run in recorded_runs(repository):
        if job := job_of(run):
            found.setdefault(job, []).append(run)
    return found


def counted(runs: Iterable[RecordedRun]) -> dict[JobRun, RecordedRun]:
    """Return the VALID run of a job that counts for each kind: the one with the smallest id.

    A job that was killed and done again may leave two; its run ids decide, which no clock of
    another machine changes afterwards.
    """
    found: dict[JobRun, RecordedRun] = {}
    for run in runs:
        if run.trailer("Validity") != VALID or PROBE_TAG in run.tags:
            continue
        kind = kind_of(run)
        if kind not in found or run.run < found[kind].run:
            found[kind] = run
    return found


def counted_kinds(repository: ResultsRepository, tag: str) -> set[JobRun]:
    """Return the kinds of a job that are done."""
    return set(counted(run for run in recorded_runs(repository) if tag in run.tags))


def withdraw_repeated(repository: ResultsRepository, mine: Sequence[str]) -> Iterator[str]:
    """Withdraw those of ``mine`` that another attempt of their job has done, too.

    They stay recorded, and count for nothing. A sentence is yielded for each.
    """
    if not mine:
        return
    from mlrepo.curation.withdraw import withdraw  # slow to import, and `status` needs it not

    for job, runs in runs_of_jobs(repository).items():
        done = counted(run for run in runs if run.run not in mine)
        for run in runs:
            other = done.get(kind_of(run))
            if run.run in mine and run.trailer("Validity") == VALID and other is not None:
                why = f"the job {job} was done again by the run {other.run}"
                withdraw(repository, git_identity(repository.root), [run], why)
                yield f"Withdrew the run {run.run}: {why}."
