"""Withdraw runs from everything that counts, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.curation.decide import ActedBranch, PlannedActs, clean_text, commit_acts, plan_acts
from mlrepo.repository.acts import RESTORE, WITHDRAW, Act
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.identity import Identity


@dataclass(frozen=True)
class Decision:
    """What was done.

    Attributes
    ----------
    runs:
        Those that got an act, as they are now.
    unchanged:
        Those for which there was nothing to do.
    """

    acts: tuple[Act, ...]
    runs: tuple[RecordedRun, ...]
    unchanged: tuple[RecordedRun, ...]
    branches: tuple[ActedBranch, ...]


def withdraw(
    repository: ResultsRepository, identity: Identity, runs: Sequence[RecordedRun], why: str
) -> Decision:
    """Withdraw the runs: they stay recorded, and count for nothing until they are restored."""
    why = clean_text(why, "The reason")
    wanted = [run for run in runs if not run.withdrawn]
    return _decide(repository, identity, runs, wanted, WITHDRAW, "Withdraw", why)


def restore(
    repository: ResultsRepository, identity: Identity, runs: Sequence[RecordedRun], why: str = ""
) -> Decision:
    """Let withdrawn runs count again."""
    why = clean_text(why, "The reason") if why else ""
    wanted = [run for run in runs if run.withdrawn]
    return _decide(repository, identity, runs, wanted, RESTORE, "Restore", why)


def _decide(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    wanted: Sequence[RecordedRun],
    action: str,
    verb: str,
    why: str,
) -> Decision:
    acts = plan_acts(identity, wanted, action, why)
    planned = PlannedActs(verb, tuple(wanted), acts, relaid=True)
    branches = commit_acts(repository, identity, planned) if wanted else ()
    unchanged = tuple(run for run in runs if run not in wanted)
    return Decision(tuple(acts.values()), planned.runs_now, unchanged, branches)
