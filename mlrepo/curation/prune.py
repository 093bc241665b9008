"""Remove from the tips of branches what no result will ever need: history keeps it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from mlrepo.curation.decide import Decision, decide
from mlrepo.curation.selected import rounds_that_select
from mlrepo.record import FAILED, run_stamp
from mlrepo.repository.acts import PRUNE
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.raw_garbage import Garbage, delete_garbage, find_garbage
from mlrepo.repository.tip_files import TipFiles, files_at_tips

_WHY = "no result needs probes and failed runs"


@dataclass(frozen=True)
class Prunable:
    """What can go, and what that frees.

    Attributes
    ----------
    runs:
        Probes and FAILED runs that local branches hold, newest first.
    files:
        Their files at the tips of the branches: so much smaller is each checkout and export.
    logs:
        Full logs that no other run needs: so much disk is free afterwards.
    """

    runs: tuple[RecordedRun, ...]
    files: TipFiles
    logs: Garbage

    @property
    def failed(self) -> int:
        """The number of FAILED runs; the others are probes."""
        return sum(run.trailer("Validity") == FAILED for run in self.runs)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing can go."""
        return not self.runs and not self.logs.old


@dataclass(frozen=True)
class Pruned:
    """What went."""

    decision: Decision
    logs: Garbage


def find_prunable(repository: ResultsRepository, days: float) -> Prunable:
    """Return what was recorded at least ``days`` ago and can go.

    A run that is in the layout of the round or in a selection stays, as does one that only fetched
    branches hold.

    Raises
    ------
    Busy
        A run is not recorded yet.
    UserError
        A branch or a run cannot be read.
    """
    oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=min(days, 36500.0))
    limit = run_stamp(oldest)
    found = [
        run
        for run in recorded_runs(repository, hidden=True)
        if run.is_prunable
        and not run.curation.pruned
        and not run.trailer("Placed")
        and run.run[: len(limit)] <= limit
    ]
    selected = rounds_that_select(repository, [run.run for run in found])
    taken = {run for ids in selected.values() for run in ids}
    files = files_at_tips(repository, [run.run for run in found if run.run not in taken])
    runs = tuple(run for run in found if run.run in files.runs)
    logs = find_garbage(repository, days, {run.run for run in runs})
    return Prunable(runs, files, logs)


def prune(
    repository: ResultsRepository, identity: Identity, agreed: Prunable, days: float
) -> Pruned:
    """Prune what the user agreed to; what is needed by now stays.

    Raises
    ------
    UserError
        A branch is checked out or damaged; nothing has changed.
    """
    values: dict[str, dict[str, str]] = {run.run: {} for run in agreed.runs}
    decision = decide(repository, identity, agreed.runs, PRUNE, "Prune", values, why=_WHY)
    return Pruned(decision, delete_garbage(repository, days, agreed.logs))
