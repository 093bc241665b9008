"""Commits and branches made without touching working tree, index, HEAD or hooks."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlrepo.errors import Busy, UserError
from mlrepo.repository.damage import DamagedBranch, read_tip, refuse_if_in_the_way
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import Identity
from mlrepo.repository.process import git_bytes
from mlrepo.repository.quarantine import Quarantine, unreadable, wait_for_gc

if TYPE_CHECKING:
    import pygit2

# Both must be used up: waiting for the lock may take all of the time.
_ATTEMPTS_SECONDS = 10.0
_ATTEMPTS = 5
# How often what cannot be read back is written again.
_READ_BACK = 5
# No living git or mlrepo holds the lock of a branch for so long once it began to move it.
_MOVE_SECONDS = 1.0
_FULL = re.compile(
    r"no space left|quota exceeded|read-only file system|permission denied|file too large"
    r"|too many open files|cannot allocate memory",
    re.I,
)
_Made = TypeVar("_Made")


class MovedError(Exception):
    """A foreign git was in the way, such as by moving the branch between reading and locking it."""


def tip_of(repo: pygit2.Repository, ref: str) -> pygit2.Oid | None:
    """Return the commit that a local branch, named in full, points to, or None."""
    reference = repo.references.get(ref)
    return None if reference is None else reference.resolve().target  # type: ignore[return-value]


def until_made(
    repository: ResultsRepository, ref: str, attempt: Callable[[], _Made], *, kept: str
) -> _Made:
    """Return what ``attempt`` makes; do the whole of it again while a foreign git is in the way.

    Parameters
    ----------
    ref:
        The branch that is to move, for messages.
    kept:
        Where the work is if it fails, and what to do then: the hint of the errors.

    Raises
    ------
    UserError
        The disk is full or not writable.
    Busy
        A lock was not to be had; nothing has moved, and trying again is right.
    """
    import pygit2

    # A foreign git shows as one of these: a lock file that exists, an object directory or a
    # pack that gc removed, a branch that moved. Anything else is a bug and not to be repeated.
    passing = (OSError, KeyError, pygit2.GitError, MovedError, DamagedBranch)
    deadline = time.monotonic() + _ATTEMPTS_SECONDS
    attempts = 0
    while True:
        try:
            return attempt()
        except passing as error:
            attempts += 1
            refuse_if_in_the_way(repository, ref)
            hopeless = attempts >= _ATTEMPTS and time.monotonic() > deadline
            _fail_or_wait(repository, ref, error, hopeless=hopeless, kept=kept)


def refuse_if_checked_out(repository: ResultsRepository, ref: str, *, instead: str) -> None:
    """Raise :class:`UserError` when a working tree has the branch checked out.

    Moving it would make that tree look as if what the commit brings had been deleted there; git
    itself refuses the same (``git branch --force``). Read from the HEAD files: a process would
    double the time that a lock is held. ``instead`` is what else the user can do.
    """
    common = repository.common_dir
    for git_dir in (common, *common.glob("worktrees/*")):
        states = (
            (git_dir / "HEAD", "ref: "),
            (git_dir / "rebase-merge" / "head-name", ""),
            (git_dir / "rebase-apply" / "head-name", ""),
        )
        for file, prefix in states:
            try:
                content = file.read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if content == prefix + ref:
                raise UserError(
                    f"The branch {ref.removeprefix('refs/heads/')} is checked out in the working "
                    f"tree of {git_dir}, and it would be moved under that tree.",
                    hint=f"Switch that tree to another branch (`git switch -`), or {instead}.",
                )


def refuse_if_immovable(repository: ResultsRepository, ref: str, *, instead: str) -> None:
    """Raise :class:`UserError` for whatever can be known before the work that ends in a commit.

    That is: a working tree has the branch checked out, it is damaged, or another one is in its way.
    """
    refuse_if_checked_out(repository, ref, instead=instead)
    read_tip(repository, ref)
    refuse_if_in_the_way(repository, ref)


def write_commit(
    quarantine: Quarantine,
    identity: Identity,
    message: str,
    tree: pygit2.Oid,
    parents: Sequence[pygit2.Oid],
) -> pygit2.Oid:
    """Write a commit object, signed where the user's configuration says so; no branch moves."""
    import pygit2
    from pygit2.enums import ObjectType

    if identity.sign:
        return _signed_commit(quarantine, message, tree, parents)
    author = pygit2.Signature(identity.author.name, identity.author.email)
    committer = pygit2.Signature(identity.committer.name, identity.committer.email)
    repo = quarantine.git
    content = repo.create_commit_string(author, committer, message, tree, list(parents))
    # Not create_commit: in libgit2 1.9 it returns an id even if the object was not written (a
    # full disk, a gc beside it), and the branch would move to a commit that does not exist.
    return repo.odb.write(ObjectType.COMMIT, content.encode())  # type: ignore[attr-defined]


def publish_commit(
    quarantine: Quarantine,
    identity: Identity,
    ref: str,
    *,
    expected: pygit2.Oid | None,
    commit: pygit2.Oid,
    objects: Sequence[pygit2.Oid],
    message: str,
) -> None:
    """Bring a commit and its new objects into the repository, move the branch, read all back.

    The rest is as in :func:`move_branch`.

    Raises
    ------
    MovedError
        The branch is elsewhere.
    UserError
        What was written cannot be read, also not after it was written again.
    """
    repository = quarantine.repository
    everything = [*objects, commit]
    with quarantine.published(everything):
        move_branch(repository, identity, ref, expected=expected, commit=commit, message=message)
        wait_for_gc(repository)
        lost = unreadable(repository, everything)
    for _ in range(_READ_BACK):
        if not lost:
            return
        with quarantine.published(everything):
            wait_for_gc(repository)
            lost = unreadable(repository, everything)
    if lost:
        raise UserError(
            f"The commit {commit} was written to {repository.common_dir}, but {len(lost)} of its "
            f"objects cannot be read back, such as {lost[0]}.",
            hint="Check the disk, and the repository with `git fsck`.",
        )


def move_branch(
    repository: ResultsRepository,
    identity: Identity,
    ref: str,
    *,
    expected: pygit2.Oid | None,
    commit: pygit2.Oid,
    message: str,
) -> None:
    """Move a branch if it still stands where it was read (None: absent): compare and swap.

    Only a transaction takes Git's own lock before it compares; creating a reference with
    ``force=False`` loses commits when two processes create it at once. Whoever calls holds a lock
    of mlrepo's own (:func:`mlrepo.repository.locks.locked`), the same for each branch.

    Raises
    ------
    MovedError
        The branch stands elsewhere.
    """
    repo = repository.git
    # For the reflog: set_target itself cannot take a signature (TypeError, pygit2 1.21).
    repo.set_ident(identity.committer.name, identity.committer.email)
    note = repository.store / f"{ref.replace('/', '%2F')}.moving"
    _break_lock_of_the_dead(note, repository.common_dir / f"{ref}.lock")
    note.touch()
    try:
        with repo.transaction() as transaction:
            transaction.lock_ref(ref)
            if tip_of(repo, ref) != expected:
                raise MovedError(f"{ref} moved")
            transaction.set_target(ref, commit, message=f"mlrepo: {message.partition(chr(10))[0]}")
    finally:
        note.unlink(missing_ok=True)


def _break_lock_of_the_dead(note: Path, lock: Path) -> None:
    """Remove Git's lock of a branch where an mlrepo was killed while it held it.

    Such a process left its note, and the lock is younger than the note; a lock without a note, or
    an older one, is somebody else's. Raises BlockingIOError while the lock is too young to tell.
    """
    try:
        noted, locked_at = note.stat().st_mtime, lock.stat().st_mtime
    except FileNotFoundError:
        return
    if locked_at < noted:
        return
    # Whichever way: a clock that was put back leaves files of the future.
    if abs(time.time() - locked_at) < _MOVE_SECONDS:
        raise BlockingIOError(f"{lock} is there")
    lock.unlink(missing_ok=True)


def _signed_commit(
    quarantine: Quarantine, message: str, tree: pygit2.Oid, parents: Sequence[pygit2.Oid]
) -> pygit2.Oid:
    """Let git make the signed object: it alone knows all ways a key can be configured."""
    import pygit2

    arguments = ["commit-tree", "-S", str(tree), *(f"-p{parent}" for parent in parents)]
    out = git_bytes(
        *arguments, cwd=quarantine.repository.root, stdin=message.encode(), extra=quarantine.environ
    )
    return pygit2.Oid(hex=out.decode().strip())


def _fail_or_wait(
    repository: ResultsRepository, ref: str, error: Exception, *, hopeless: bool, kept: str
) -> None:
    """Turn hopeless errors into messages; wait a moment for those that pass."""
    if _FULL.search(str(error)):
        raise UserError(
            f"{repository.common_dir} cannot be written to: {error}.",
            hint="Make room, make the directory writable, or raise the limit (`ulimit -a`). "
            f"{kept}",
        ) from error
    if hopeless:
        repository.__dict__.pop("git", None)
        read_tip(repository, ref)  # a damaged branch is nothing that passes
        branch = ref.removeprefix("refs/heads/")
        raise Busy(
            f"{branch} could not be moved within {_ATTEMPTS_SECONDS:.0f} s: "
            f"{error}.{_lock_note(repository.common_dir / f'{ref}.lock')}",
            hint=kept,
        ) from error
    repository.__dict__.pop("git", None)  # reopen: object caches may name collected packs
    time.sleep(random.uniform(0.005, 0.05))


def _lock_note(lock: Path) -> str:
    try:
        age = time.time() - lock.stat().st_mtime
    except OSError:
        return ""
    return (
        f" The lock file {lock} is {age:.0f} s old; if no git process runs, "
        "`mlrepo doctor --fix` removes it."
    )
