"""Commits on experiment branches that record no run: acts, and what they change in the layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mlrepo.paths import RepoPath
from mlrepo.repository.commits import (
    publish_commit,
    refuse_if_checked_out,
    until_made,
    write_commit,
)
from mlrepo.repository.damage import read_tip
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.graft import graft
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.quarantine import Quarantine, new_objects, quarantined
from mlrepo.repository.recorder import Tip

if TYPE_CHECKING:
    import pygit2

_LOCK_TIMEOUT = 60.0
_AGAIN = "Nothing has changed on this branch; run the command again."
THEN_AGAIN = "run the command in another clone"


@dataclass(frozen=True)
class BranchChange:
    """One commit.

    Attributes
    ----------
    files:
        New content by path.
    blobs:
        Paths that get an object that the repository has, by its id; None removes a path.
    """

    message: str
    files: Mapping[RepoPath, bytes] = field(default_factory=dict)
    blobs: Mapping[RepoPath, str | None] = field(default_factory=dict)


C = TypeVar("C", bound=BranchChange)


def change_branch(
    repository: ResultsRepository,
    identity: Identity,
    ref: str,
    base: pygit2.Oid | None,
    compose: Callable[[Tip], Sequence[C]],
) -> tuple[str, Sequence[C]]:
    """Commit changes to a branch, one on top of the other.

    Returns the id of the last commit and what was composed; without any change, '' and nothing.

    Nothing but the branch moves: working tree, index, HEAD and hooks are not touched.

    Parameters
    ----------
    base:
        Where the branch begins if it does not exist, or continues if it is behind it: the fetched
        branch of the same name, for example.
    compose:
        Called under the lock with the tip; may be called again when a foreign git interfered.

    Raises
    ------
    UserError
        The branch is checked out, or the disk is full.
    Busy
        A lock could not be taken; nothing has changed.
    """

    def attempt() -> tuple[str, Sequence[C]]:
        refuse_if_checked_out(repository, ref, instead=THEN_AGAIN)
        with (
            quarantined(repository) as quarantine,
            locked(repository.store / "record.lock", timeout=_LOCK_TIMEOUT),
        ):
            return _commit(quarantine, identity, ref, base, compose)

    return until_made(repository, ref, attempt, kept=_AGAIN)


def _commit(
    quarantine: Quarantine,
    identity: Identity,
    ref: str,
    base: pygit2.Oid | None,
    compose: Callable[[Tip], Sequence[C]],
) -> tuple[str, Sequence[C]]:
    repository, repo = quarantine.repository, quarantine.repository.git
    refuse_if_checked_out(repository, ref, instead=THEN_AGAIN)
    tip = read_tip(repository, ref)
    behind = tip is None or (base is not None and repo.descendant_of(base, tip))
    parent = base if behind else tip
    tree = None if parent is None else repo[parent].tree.id
    changes = compose(Tip(repo, tree))
    objects: list[pygit2.Oid] = []
    for change in changes:
        written = grafted(quarantine, tree, change)
        objects += new_objects(quarantine.git, written, tree)
        parents = [] if parent is None else [parent]
        parent = write_commit(quarantine, identity, change.message, written, parents)
        objects.append(parent)
        tree = written
    if not changes or parent is None:
        return "", ()
    publish_commit(
        quarantine,
        identity,
        ref,
        expected=tip,
        commit=parent,
        objects=objects,
        message=changes[-1].message,
    )
    return str(parent), changes


def grafted(quarantine: Quarantine, tree: pygit2.Oid | None, change: BranchChange) -> pygit2.Oid:
    """Return the tree with a change."""
    import pygit2

    repo = quarantine.git
    blobs = {
        path: None if oid is None else pygit2.Oid(hex=oid) for path, oid in change.blobs.items()
    }
    return graft(
        repo, tree, {**blobs, **{path: repo.create_blob(d) for path, d in change.files.items()}}
    )
