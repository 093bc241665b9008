"""By which engine jobs went to which system: from the journal, and the runs that Git has."""

from __future__ import annotations

from mlrepo.jobs.counted import runs_of_jobs
from mlrepo.jobs.journal import JobJournal
from mlrepo.repository.discovery import ResultsRepository


def engines_of_systems(repository: ResultsRepository) -> dict[str, str]:
    """Return the engine, such as ``slurm:gpu``, by which jobs last went to a system, by system."""
    groups = JobJournal.of(repository).groups()
    if not groups:
        return {}
    on = {group.id: group.on for group in reversed(groups) if group.hub}
    newest = {group.id: place for place, group in enumerate(reversed(groups))}
    found: dict[str, tuple[int, str]] = {}
    for job, runs in runs_of_jobs(repository).items():
        group = job.partition(".")[0]
        if group in on:
            for run in runs:
                mine = (newest[group], on[group])
                found[run.trailer("System")] = max(found.get(run.trailer("System"), mine), mine)
    return {system: engine for system, (_, engine) in found.items()}
