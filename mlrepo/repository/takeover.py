"""Commit runs of one experiment branch to another, with their files and the acts on them."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.paths import RepoPath
from mlrepo.repository.branch_changes import BranchChange, change_branch
from mlrepo.repository.commit_view import view_commit
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment, start_point
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.identity import Identity
from mlrepo.repository.recorder import RUNS, Tip
from mlrepo.repository.trailers import message_of


def take_over(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    experiment: Experiment,
) -> None:
    """Put runs onto the branch of an experiment, which is made where there is none.

    Each run is a commit with the message and files of the one that recorded it, so that the branch
    says everything of the run by itself; what the branch holds already is not repeated.
    """

    def compose(tip: Tip) -> list[BranchChange]:
        there = set(tip.run_ids())
        return [
            change
            for run in sorted(runs, key=lambda run: run.run)
            if run.run not in there
            for change in (_recording(repository, run), *_acts(repository, run))
        ]

    base = start_point(repository, experiment)
    change_branch(repository, identity, experiment.ref, base, compose)


def _recording(repository: ResultsRepository, run: RecordedRun) -> BranchChange:
    directory = RepoPath((RUNS, run.run))
    entries = view_commit(repository, run.commit).entries(directory)
    message = repository.git[run.commit].raw_message.decode("utf-8", "replace")  # type: ignore[attr-defined]
    return BranchChange(message, blobs={directory / n: entry.oid for n, entry in entries.items()})


def _acts(repository: ResultsRepository, run: RecordedRun) -> list[BranchChange]:
    """Return one commit with all acts on a run so far, if there are any."""
    acts = [act for act in run.curation.acts if act.commit and act.run == run.run]
    blobs = {}
    for act in acts:
        entry = view_commit(repository, act.commit).entries(RepoPath(act.path.parts[:-1]))
        if act.path.name in entry:
            blobs[act.path] = entry[act.path.name].oid
    said = "\n".join(f"{act.action}: {act.why}" for act in acts)
    message = message_of(f"Acts on {run.run} so far", said, [act.trailer for act in acts])
    return [BranchChange(message, blobs=blobs)] if acts else []
