"""Commits and branches made without touching working tree, index, HEAD or hooks."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
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

# Retrying stops when both are used up: waiting for the lock may take all of the time.
_ATTEMPTS_SECONDS = 10.0
_ATTEMPTS = 5
# How often objects that cannot be read back are written again.
_READ_BACK = 5
# No living git or mlrepo holds a branch's lock this long after starting to move the branch.
_MOVE_SECONDS = 1.0
_FULL = re.compile(
    r"no space left|quota exceeded|read-only file system|permission denied|file too large"
    r"|too many open files|cannot allocate memory",
    re.I,
)
_Made = TypeVar("_Made")


class MovedError(Exception):
    """A foreign git interfered, for example by moving the branch before it was locked."""


def tip_of(repo: pygit2.Repository, ref: str) -> pygit2.Oid | None:
    """Return the commit that a local branch, named in full, points to, or None."""
    reference = repo.references.get(ref)
    return None if reference is None else reference.resolve().target  # type: ignore[return-value]


def until_made(
    repository: ResultsRepository, ref: str, attempt: Callable[[], _Made], *, kept: str
) -> _Made:
    """Return what ``attempt`` makes; repeat it as a whole while a foreign git interferes.

    Parameters
    ----------
    ref:
        The branch that is to move, for messages.
    kept:
        The hint of the errors: where the work is kept if it fails, and what to do then.

    Raises
    ------
    UserError
        The disk is full or not writable.
    Busy
        A lock could not be taken; nothing has moved, and the user can try again.
    """
    import pygit2

    # The signs of a foreign git: an existing lock file, an object directory or pack that gc
    # removed, a branch that moved. Anything else is a bug and must not be retried.
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

    Moving it would make the commit's changes look deleted in that working tree; git itself refuses
    to do so (``git branch --force``). The HEAD files are read directly: starting a process would
    double the time that a lock is held. ``instead`` is what the user can do instead.
    """
    git_dir = checked_out_in(repository, ref)
    if git_dir is not None:
        raise UserError(
            f"The branch {ref.removeprefix('refs/heads/')} is checked out in the working "
            f"tree of {git_dir}, and it would be moved under that tree.",
            hint=f"Switch that tree to another branch (`git switch -`), or {instead}.",
        )


def checked_out_in(repository: ResultsRepository, ref: str) -> Path | None:
    """Return the Git directory of the working tree that has a branch checked out, or None."""
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
                return git_dir
    return None


def refuse_if_immovable(repository: ResultsRepository, ref: str, *, instead: str) -> None:
    """Raise :class:`UserError` if it is already known that the branch cannot be moved.

    That is: a working tree has it checked out, it is damaged, or another branch's name blocks it.
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
    """Write a commit object, signed if the user's configuration asks for it; no branch moves."""
    import pygit2
    from pygit2.enums import ObjectType

    if identity.sign:
        return _signed_commit(quarantine, message, tree, parents)
    author = pygit2.Signature(identity.author.name, identity.author.email)
    committer = pygit2.Signature(identity.committer.name, identity.committer.email)
    repo = quarantine.git
    content = repo.create_commit_string(author, committer, message, tree, list(parents))
    # Not create_commit: in libgit2 1.9 it returns an id even if the object was not written (a
    # full disk, a concurrent gc), and the branch would move to a commit that does not exist.
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
    """Move a commit and its new objects into the repository, move the branch, and read all back.

    The other parameters are those of :func:`move_branch`.

    Raises
    ------
    MovedError
        The branch has moved.
    UserError
        What was written cannot be read back, even after writing it again.
    """
    with safely_published(quarantine, [*objects, commit]):
        move_branch(
            quarantine.repository,
            identity,
            ref,
            expected=expected,
            commit=commit,
            message=message,
        )


@contextlib.contextmanager
def safely_published(quarantine: Quarantine, objects: Sequence[pygit2.Oid]) -> Iterator[None]:
    """Put objects into the repository while the block makes them reachable; read all back.

    Raises
    ------
    UserError
        What was written cannot be read back, even after writing it again.
    """
    repository = quarantine.repository
    with quarantine.published(objects):
        yield
        wait_for_gc(repository)
        lost = unreadable(repository, objects)
    for _ in range(_READ_BACK):
        if not lost:
            return
        with quarantine.published(objects):
            wait_for_gc(repository)
            lost = unreadable(repository, objects)
    if lost:
        raise UserError(
            f"The commit {objects[-1]} was written to {repository.common_dir}, but {len(lost)} of "
            f"its objects cannot be read back, such as {lost[0]}.",
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
    """Move a branch if it still points to ``expected`` (None: absent): compare and swap.

    Only a transaction takes Git's own lock before it compares; creating a reference with
    ``force=False`` loses commits when two processes create it at once. The caller holds mlrepo's
    own lock (:func:`mlrepo.repository.locks.locked`), the same for every branch.

    Raises
    ------
    MovedError
        The branch has moved.
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
    """Remove Git's lock on a branch if an mlrepo process was killed while holding it.

    Such a process left its note, and the lock is younger than the note; a lock without a note or
    older than it belongs to someone else. Raises BlockingIOError while the lock is too young to
    tell.
    """
    try:
        noted, locked_at = note.stat().st_mtime, lock.stat().st_mtime
    except FileNotFoundError:
        return
    if locked_at < noted:
        return
    # The absolute value, because a clock that was set back leaves files dated in the future.
    if abs(time.time() - locked_at) < _MOVE_SECONDS:
        raise BlockingIOError(f"{lock} is there")
    lock.unlink(missing_ok=True)


def _signed_commit(
    quarantine: Quarantine, message: str, tree: pygit2.Oid, parents: Sequence[pygit2.Oid]
) -> pygit2.Oid:
    """Let git make the signed object: only git knows all the ways to configure a key."""
    import pygit2

    arguments = ["commit-tree", "-S", str(tree), *(f"-p{parent}" for parent in parents)]
    out = git_bytes(
        *arguments, cwd=quarantine.repository.root, stdin=message.encode(), extra=quarantine.environ
    )
    return pygit2.Oid(hex=out.decode().strip())


def _fail_or_wait(
    repository: ResultsRepository, ref: str, error: Exception, *, hopeless: bool, kept: str
) -> None:
    """Turn permanent errors into messages; wait a moment after transient ones."""
    if _FULL.search(str(error)):
        raise UserError(
            f"{_unwritable(repository, error)}.",
            hint="Make room, make the directory writable, or raise the limit (`ulimit -a`). "
            f"{kept}",
        ) from error
    if hopeless:
        repository.reopen()
        read_tip(repository, ref)  # raises if the branch is damaged: that is permanent
        branch = ref.removeprefix("refs/heads/")
        raise Busy(
            f"{branch} could not be moved within {_ATTEMPTS_SECONDS:.0f} s: "
            f"{error}.{_lock_note(repository.common_dir / f'{ref}.lock')}",
            hint=kept,
        ) from error
    repository.reopen()  # its cache may name packs that a gc removed
    time.sleep(random.uniform(0.005, 0.05))


def _unwritable(repository: ResultsRepository, error: Exception) -> str:
    """Say what cannot be written: the operating system's file, else what Git says of its own."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be written: {error.strerror}"
    return f"{repository.common_dir} cannot be written to: {error}"


def _lock_note(lock: Path) -> str:
    try:
        age = time.time() - lock.stat().st_mtime
    except OSError:
        return ""
    return (
        f" The lock file {lock} is {age:.0f} s old; if no git process runs, "
        "`mlrepo doctor --fix` removes it."
    )
