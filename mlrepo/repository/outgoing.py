"""What a commit or a push is about to add: read from Git's plumbing, for the hooks.

Imported on every ``git commit``, so it loads neither libgit2 nor what only other rooms need.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlrepo.repository.first_look import REGULAR_MODES, Change, staged_changes
from mlrepo.repository.process import NO_FETCH, GitError, git, git_bytes

_CHUNK = 64 * 1024 * 1024
_ZERO = re.compile(r"0+\Z")


class OutgoingBlob(NamedTuple):
    """A file's content that is about to be committed or pushed: where, its object id, bytes."""

    path: str
    oid: str
    size: int


class Outgoing(NamedTuple):
    """What a commit or a push is about: all paths touched, and the blobs of regular files.

    The paths of a commit are files, also removed ones; those of a push are directories too.
    """

    paths: tuple[str, ...]
    blobs: tuple[OutgoingBlob, ...]


class PushedChange(NamedTuple):
    """How a branch on the remote changes: where it was (commits, or none), and which paths."""

    bases: tuple[str, ...]
    paths: tuple[str, ...]


def staged(root: Path, changes: Sequence[Change] | None = None) -> Outgoing:
    """Return what the commit changes; ``root`` is the working directory.

    ``changes`` are those of :func:`~mlrepo.repository.first_look.staged_changes` where they are
    known already.
    """
    if changes is None:
        head = _resolved("HEAD", root) or _empty_tree(root)
        changes = staged_changes(head) or ()
    regular = [(oid, path) for mode, oid, path in changes if mode in REGULAR_MODES]
    return Outgoing(tuple(path for _, _, path in changes), _with_sizes(regular, root))


def pushed_change(root: Path, remote: str, local: str, there: str) -> PushedChange:
    """Return the files by which ``local`` differs from what the remote has.

    Parameters
    ----------
    remote:
        The remote's name, or its URL where it has none.
    local, there:
        The commit to push, and the one that the branch has on the remote; zeros stand for none.
    """
    bases = [there] if not _ZERO.match(there) and _resolved(there, root) else []
    if not bases:
        listed = git(
            "rev-list", "--boundary", local, "--not", f"--remotes={remote}", cwd=root, in_hook=True
        )
        bases = [line[1:] for line in listed.splitlines() if line.startswith("-")]
    paths = {
        path: None
        for base in bases or [_empty_tree(root)]
        for path in git(
            "diff-tree", "-r", "-z", "--name-only", "--no-renames", base, local,
            cwd=root, in_hook=True,
        ).split("\0")[:-1]
    }  # fmt: skip
    return PushedChange(tuple(bases), tuple(paths))


def pushed(root: Path, remote: str, updates: Sequence[tuple[str, str]]) -> Outgoing:
    """Return what a push sends that the remote is not known to have.

    Parameters
    ----------
    remote:
        The remote's name, or its URL where it has none.
    updates:
        (local object id, object id on the remote) of each ref; zeros stand for "none".
    """
    wanted = [local for local, _ in updates if not _ZERO.match(local)]
    if not wanted:
        return Outgoing((), ())
    known = [there for _, there in updates if not _ZERO.match(there)]
    known = [f"^{oid}" for oid in known if _resolved(oid, root)]
    listed = git(
        "rev-list", "--objects", "--stdin", "--not", f"--remotes={remote}", cwd=root, in_hook=True,
        stdin="".join(f"{revision}\n" for revision in [*wanted, *known]).encode(),
    )  # fmt: skip
    return _outgoing(listed, root)


def added(root: Path, commit: str, base: str) -> Outgoing:
    """Return what ``commit`` and its ancestors bring that ``base`` and its ancestors lack."""
    listed = git(
        "rev-list", "--objects", "--end-of-options", commit, f"^{base}", cwd=root,
        environ=os.environ | NO_FETCH,
    )  # fmt: skip
    return _outgoing(listed, root)


def read_blobs(root: Path, blobs: Sequence[OutgoingBlob]) -> Iterator[tuple[OutgoingBlob, bytes]]:
    """Yield each blob with its bytes; little more than 64 MiB, or one blob, at a time."""
    chunk: list[OutgoingBlob] = []
    room = _CHUNK
    for blob in blobs:
        if chunk and blob.size > room:
            yield from _read(root, chunk)
            chunk, room = [], _CHUNK
        chunk.append(blob)
        room -= blob.size
    if chunk:
        yield from _read(root, chunk)


def file_at(root: Path, revision: str, path: str) -> bytes | None:
    """Return a file of a commit, or None where there is no such commit or file."""
    try:
        return git_bytes("cat-file", "blob", f"{revision}:{path}", cwd=root, in_hook=True)
    except GitError:
        return None


def _outgoing(listed: str, root: Path) -> Outgoing:
    named = [line.split(" ", 1) for line in listed.splitlines() if " " in line]
    found = [(oid, path) for oid, path in named if path]
    return Outgoing(tuple(path for _, path in found), _with_sizes(found, root))


def _read(root: Path, chunk: list[OutgoingBlob]) -> Iterator[tuple[OutgoingBlob, bytes]]:
    asked = "".join(f"{blob.oid}\n" for blob in chunk).encode()
    data = git_bytes("cat-file", "--batch", cwd=root, stdin=asked, in_hook=True)
    start = 0
    for blob in chunk:
        start = data.index(b"\n", start) + 1
        yield blob, data[start : start + blob.size]
        start += blob.size + 1


def _with_sizes(found: Sequence[tuple[str, str]], root: Path) -> tuple[OutgoingBlob, ...]:
    if not found:
        return ()
    asked = "".join(f"{oid}\n" for oid, _ in found).encode()
    lines = git("cat-file", "--batch-check", cwd=root, stdin=asked, in_hook=True).splitlines()
    blobs = []
    for (oid, path), line in zip(found, lines, strict=True):
        words = line.split(" ")
        if len(words) == 3 and words[1] == "blob":
            blobs.append(OutgoingBlob(path, oid, int(words[2])))
    return tuple(blobs)


def _resolved(revision: str, root: Path) -> str:
    try:
        name = f"{revision}^{{object}}"
        return git("rev-parse", "--quiet", "--verify", name, cwd=root, in_hook=True).strip()
    except GitError:
        return ""


def _empty_tree(root: Path) -> str:
    return git("hash-object", "-t", "tree", "--stdin", cwd=root, stdin=b"", in_hook=True).strip()
