"""How a branch stands to a fetched one, and moving it there."""

from __future__ import annotations

from enum import Enum

from mlrepo.repository.commits import MovedError, checked_out_in, move_branch, until_made
from mlrepo.repository.damage import DamagedBranch
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import Identity
from mlrepo.repository.locks import locked
from mlrepo.repository.process import git

_LOCK_TIMEOUT = 60.0
_READ_AGAIN = 3


class Relation(Enum):
    """How a branch stands to another one."""

    SAME = "same"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    UNRELATED = "unrelated"


class Advance(Enum):
    """What became of a branch that was to move."""

    MOVED = "moved"
    CHECKED_OUT = "checked out"
    OVERTAKEN = "overtaken"


def relation(repository: ResultsRepository, ours: str, theirs: str) -> Relation:
    """Return how the commit ``ours`` stands to ``theirs``, both given in full.

    Raises
    ------
    DamagedBranch
        History between them cannot be read.
    """
    import pygit2

    if ours == theirs:
        return Relation.SAME
    one, other = pygit2.Oid(hex=ours), pygit2.Oid(hex=theirs)
    for _ in range(_READ_AGAIN):
        try:
            base = repository.git.merge_base(one, other)
            break
        except (KeyError, pygit2.GitError):
            repository.reopen()  # a gc may have removed the packs that it knows
    else:
        raise DamagedBranch(
            f"The history between the commits {ours[:10]} and {theirs[:10]} cannot be read.",
            hint="`mlrepo doctor` names what is damaged, and what may bring it back.",
        )
    if base is None:
        return Relation.UNRELATED
    if base == one:
        return Relation.BEHIND
    return Relation.AHEAD if base == other else Relation.DIVERGED


def advance_branch(
    repository: ResultsRepository, identity: Identity, ref: str, ours: str, commit: str, why: str
) -> Advance:
    """Move a branch from ``ours`` to a commit that contains it, unless a working tree has it.

    Raises
    ------
    Busy
        Another process held mlrepo's lock.
    """
    import pygit2

    def attempt() -> Advance:
        with locked(repository.store / "record.lock", timeout=_LOCK_TIMEOUT):
            if checked_out_in(repository, ref) is not None:
                return Advance.CHECKED_OUT
            try:
                move_branch(
                    repository,
                    identity,
                    ref,
                    expected=pygit2.Oid(hex=ours),
                    commit=pygit2.Oid(hex=commit),
                    message=why,
                )
            except MovedError:  # a run was recorded meanwhile
                return Advance.OVERTAKEN
        return Advance.MOVED

    return until_made(repository, ref, attempt, kept="The branch stays as it was.")


def commits_of(repository: ResultsRepository, prefix: str) -> list[tuple[str, str]]:
    """Return the full name and the commit of each branch below a prefix; nothing is opened."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", prefix, cwd=repository.root)
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    return [(ref, oid) for oid, ref in pairs]


def is_shallow(repository: ResultsRepository) -> bool:
    """Return whether the clone leaves out old history."""
    return (repository.common_dir / "shallow").exists()
