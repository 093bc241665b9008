"""Branches whose layout does not show what acts say: merges put the two together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlrepo.curation.decide import said_replaced
from mlrepo.curation.layout import Redecided, Replaced
from mlrepo.errors import MlrepoError, UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord
from mlrepo.repository.branch_changes import BranchChange, change_branch
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun, committed_record, load_record, recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.recorder import RUNS, Tip
from mlrepo.repository.tip_files import local_tips
from mlrepo.repository.trailers import message_of


@dataclass(frozen=True)
class StaleLayout:
    """A local branch whose layout has runs that may not be there, by their ids."""

    experiment: Experiment
    runs: tuple[str, ...]


def stale_layouts(repository: ResultsRepository) -> list[StaleLayout]:
    """Return the branches whose layout has a run that was withdrawn or moved away."""
    acted = [run for run in recorded_runs(repository, hidden=True) if run.curation.acts]
    found = []
    for experiment, tip in local_tips(repository) if acted else ():
        runs = [run.run for run in acted if _is_stale(repository, experiment, tip, run)]
        if runs:
            found.append(StaleLayout(experiment, tuple(runs)))
    return found


def refresh_layouts(repository: ResultsRepository, identity: Identity) -> list[str]:
    """Decide all stale layouts anew; return what changed, and which branch could not move."""
    lines: list[str] = []
    for stale in stale_layouts(repository):
        try:
            lines += map(said_replaced, refresh_layout(repository, identity, stale))
        except MlrepoError as error:  # the other branches are not to blame
            lines.append(f"the layout of {stale.experiment.branch} stays: {error.message}")
    return lines


def refresh_layout(
    repository: ResultsRepository, identity: Identity, stale: StaleLayout
) -> tuple[Replaced, ...]:
    """Decide the layout of a branch anew, in a commit of its own; return what changed.

    Raises
    ------
    UserError
        The branch is checked out.
    """

    def compose(tip: Tip) -> list[_Refreshed]:
        there = set(tip.run_ids())
        now = {r.run: r for r in recorded_runs(repository, hidden=True) if r.run in there}
        before = now | {run: now[run].as_recorded for run in stale.runs if run in now}
        name = stale.experiment.name
        layout = Redecided(repository, name, tip, [*before.values()], [*now.values()]).layout()
        body = "\n".join(map(said_replaced, layout.replaced))
        message = message_of(f"Decide the layout of exp/{name} anew", body, [])
        return [_Refreshed(message, layout.files, layout.blobs, layout.replaced)]

    _, changes = change_branch(repository, identity, stale.experiment.ref, None, compose)
    return changes[0].replaced


@dataclass(frozen=True)
class _Refreshed(BranchChange):
    replaced: tuple[Replaced, ...] = ()


def _is_stale(
    repository: ResultsRepository, experiment: Experiment, tip: Tip, run: RecordedRun
) -> bool:
    log = tip.blob_id(RepoPath((RUNS, run.run, DETAIL_LOG)))
    if log is None:
        return False
    try:
        now = load_record(repository, run)
        old = committed_record(repository, run)
        gone = run.curation.hidden or experiment.name in run.curation.left
        records = [old, now] if gone else [old] if old.sut != now.sut else []
        return any(tip.blob_id(path) == log for path in _paths(repository, records))
    except UserError:  # what cannot be read was reported already
        return False


def _paths(repository: ResultsRepository, records: list[RunRecord]) -> Iterator[RepoPath]:
    """Yield where the records' detail logs are when they are in the layout."""
    for record in records:
        if record.round in repository.rounds:
            round_ = repository.rounds[record.round]
            yield logs_directory(record, place_of(record), round_) / DETAIL_LOG
