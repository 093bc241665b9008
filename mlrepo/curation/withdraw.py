"""Withdraw runs from everything that counts, and take that back."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.curation.decide import Decision, clean_text, decide
from mlrepo.repository.acts import RESTORE, WITHDRAW
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.identity import Identity


def withdraw(
    repository: ResultsRepository, identity: Identity, runs: Sequence[RecordedRun], why: str
) -> Decision:
    """Withdraw the runs: they stay recorded, and count for nothing until they are restored."""
    why = clean_text(why, "The reason")
    values: dict[str, dict[str, str]] = {run.run: {} for run in runs if not run.withdrawn}
    return decide(repository, identity, runs, WITHDRAW, "Withdraw", values, why=why, relaid=True)


def restore(
    repository: ResultsRepository, identity: Identity, runs: Sequence[RecordedRun], why: str = ""
) -> Decision:
    """Let withdrawn or pruned runs count again; the files of pruned ones come from history."""
    why = clean_text(why, "The reason") if why else ""
    # A row that gives way to a run with logs was not withdrawn, and counts no more for a restore.
    hidden = [run.run for run in runs if run.withdrawn or run.curation.pruned]
    values: dict[str, dict[str, str]] = {run: {} for run in hidden}
    return decide(repository, identity, runs, RESTORE, "Restore", values, why=why, relaid=True)
