"""Cancel jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlrepo.jobs.engines import load_engine
from mlrepo.jobs.journal import Job, JobJournal
from mlrepo.jobs.state import SETTLED, JobState
from mlrepo.repository.discovery import ResultsRepository


def cancel(repository: ResultsRepository, states: Sequence[JobState]) -> list[Job]:
    """Cancel the jobs that have not ended, and return them.

    They are noted as cancelled before the engine is asked, so that none is submitted again.

    Raises
    ------
    MlrepoError
        An engine does not answer; typing it again goes on.
    """
    journal = JobJournal.of(repository)
    wanted = [state for state in states if state.state not in SETTLED]
    done = []
    with journal.lock():
        for state in wanted:
            job = replace(state.job, cancelled=True)
            journal.write(job)
            done.append(job)
    for group in {state.group.id: state.group for state in wanted}.values():
        engine = load_engine(group.on, group.options, journal.root)
        names = [state.job.name for state in wanted if state.group.id == group.id]
        seen = engine.look(names)
        engine.cancel([one.id for several in seen.values() for one in several])
    return done
