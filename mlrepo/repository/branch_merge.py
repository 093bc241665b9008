"""Merge commits of experiment branches: two tips, one commit, and no working tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from mlrepo.repository.branch_changes import BranchChange, grafted
from mlrepo.repository.commits import write_commit
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun, recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.process import GitError, git
from mlrepo.repository.quarantine import Quarantine, new_objects
from mlrepo.repository.recorder import Tip
from mlrepo.repository.tree_merge import differing_runs, merge_trees

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True)
class Unmerged:
    """What a merge is composed from: the tree without the paths that both sides changed.

    Attributes
    ----------
    runs:
        Every run that the two tips reach, hidden ones too, as the acts that they reach make them:
        nothing else may decide, or two machines would decide differently.
    here, there:
        The ids of the runs that only one side has, or has not so.
    conflicts:
        The paths left out, with the object ids of both sides ('' where one has nothing).
    """

    repository: ResultsRepository
    experiment: Experiment
    tip: Tip
    runs: tuple[RecordedRun, ...]
    here: frozenset[str]
    there: frozenset[str]
    conflicts: Mapping[tuple[str, ...], tuple[str, str]]


C = TypeVar("C", bound=BranchChange)


@dataclass(frozen=True)
class MergeCommit(Generic[C]):
    """A merge that no branch points to yet.

    Attributes
    ----------
    ours, theirs:
        Its parents.
    change:
        What was composed.
    objects:
        What it adds to both.
    """

    experiment: Experiment
    ours: pygit2.Oid
    theirs: pygit2.Oid
    commit: pygit2.Oid
    change: C
    objects: tuple[pygit2.Oid, ...] = field(repr=False)


def merge_tips(
    quarantine: Quarantine,
    identity: Identity,
    experiment: Experiment,
    ours: str,
    theirs: str,
    compose: Callable[[Unmerged], C],
) -> MergeCommit[C]:
    """Write the merge of two commits of one experiment; no branch moves.

    The tree depends on the two commits alone, and not on their order.

    Parameters
    ----------
    compose:
        Decides the paths in question, and says the message.
    """
    import pygit2

    repository, repo = quarantine.repository, quarantine.git
    one, other = pygit2.Oid(hex=ours), pygit2.Oid(hex=theirs)
    first, second = (repo[oid].tree.id for oid in (one, other))
    # Both as local branches: whose a commit is must not decide which of two claims counts.
    tips = [(experiment.ref, experiment, oid) for oid in sorted((one, other), key=str)]
    runs = tuple(recorded_runs(repository, hidden=True, among=tips))
    bases = [repo[oid].tree.id for oid in _merge_bases(repository, ours, theirs)]
    pruned = {run.run: bool(run.curation.pruned) for run in runs if run.was_pruned}
    merged = merge_trees(repo, first, second, bases, pruned)
    here, there = differing_runs(repo, first, second)
    change = compose(
        Unmerged(
            repository,
            experiment,
            Tip(repo, merged.tree),
            runs,
            frozenset(here),
            frozenset(there),
            merged.conflicts,
        )
    )
    tree = grafted(quarantine, merged.tree, change)
    commit = write_commit(quarantine, identity, change.message, tree, [one, other])
    theirs_alone = {str(oid) for oid in new_objects(repo, second, first)}
    new = tuple(new_objects(repo, tree, first, theirs_alone))
    return MergeCommit(experiment, one, other, commit, change, new)


def _merge_bases(repository: ResultsRepository, ours: str, theirs: str) -> list[pygit2.Oid]:
    """Return all best common ancestors of two commits; none of histories without a common one."""
    import pygit2

    try:
        # libgit2 finds several, and pygit2 returns only the first.
        listed = git("merge-base", "--all", ours, theirs, cwd=repository.root).split()
    except GitError as error:
        if error.returncode == 1:
            return []
        raise
    return [pygit2.Oid(hex=line) for line in sorted(listed)]
