"""The objects that a commit or a push is about to add, read with Git plumbing for the hooks.

Imported on every ``git commit``, so it loads neither libgit2 nor modules that only others need.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlrepo.repository.first_look import REGULAR_MODES, Change, staged_changes
from mlrepo.repository.process import NO_FETCH, GitError, git, git_bytes

_CHUNK = 64 * 1024 * 1024
_ZERO = re.compile(r"0+\Z")


class OutgoingBlob(NamedTuple):
    """An object that is about to be committed or pushed: path, object id, size in bytes.

    For a blob that a tag names, ``path`` says so. Objects that are not blobs have another ``kind``,
    and their ``path`` is their name in messages.
    """

    path: str
    oid: str
    size: int
    kind: str = "blob"


class Outgoing(NamedTuple):
    """What a commit or a push contains: all paths that it touches, and its objects.

    The paths of a commit are files, including removed ones; those of a push include directories.
    ``others`` are the commits, annotated tags and directories of a push.
    """

    paths: tuple[str, ...]
    blobs: tuple[OutgoingBlob, ...]
    others: tuple[OutgoingBlob, ...] = ()


class PushedChange(NamedTuple):
    """How a push changes a branch: the commits that the remote has (or none), and the paths."""

    bases: tuple[str, ...]
    paths: tuple[str, ...]


def staged(root: Path, changes: Sequence[Change] | None = None) -> Outgoing:
    """Return what the commit changes; ``root`` is the working directory.

    ``changes`` are those of :func:`~mlrepo.repository.first_look.staged_changes` if they are
    already known.
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
        The remote's name, or its URL if it has none.
    local, there:
        The commit to push, and the one that the branch has on the remote; zeros mean none.
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
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            base,
            local,
            cwd=root,
            in_hook=True,
        ).split("\0")[:-1]
    }
    return PushedChange(tuple(bases), tuple(paths))


def pushed(root: Path, url: str, updates: Sequence[tuple[str, str]]) -> Outgoing:
    """Return what a push sends that the remote does not have.

    Only the remote itself knows what it has: ``refs/remotes`` may have been fetched from another
    place. For branches that exist there, Git passes its answer to the hook; otherwise the remote is
    queried, and if it does not answer, all history counts as new.

    Parameters
    ----------
    url:
        Where the objects go.
    updates:
        (local object id, object id on the remote) of each ref; zeros mean "none".
    """
    wanted = [local for local, _ in updates if not _ZERO.match(local)]
    if not wanted:
        return Outgoing((), ())
    there = {oid for _, oid in updates if not _ZERO.match(oid)}
    known = _present(there, root)
    if len(known) < len(updates):
        known |= _present(_tips_of(url, root), root)
    asked = [*wanted, *(f"^{oid}" for oid in sorted(known))]
    listed = git_bytes(
        "rev-list",
        "--objects",
        "--stdin",
        cwd=root,
        in_hook=True,
        stdin="".join(f"{revision}\n" for revision in asked).encode(),
    )
    return _outgoing(listed, root)


def added(root: Path, commit: str, base: str) -> Outgoing:
    """Return the objects reachable from ``commit`` but not from ``base``."""
    listed = git_bytes(
        "rev-list",
        "--objects",
        "--end-of-options",
        commit,
        f"^{base}",
        cwd=root,
        environ=os.environ | NO_FETCH,
    )
    return _outgoing(listed, root)


def held_by(root: Path, paths: Mapping[str, str]) -> Outgoing:
    """Return the objects of ``paths`` (object ids to paths) with everything below them."""
    listed = git_bytes(
        "rev-list",
        "--objects",
        "--stdin",
        cwd=root,
        stdin="\n".join(paths).encode(),
        environ=os.environ | NO_FETCH,
    )
    found = _outgoing(listed, root)
    blobs = tuple(blob._replace(path=paths.get(blob.oid, blob.path)) for blob in found.blobs)
    return found._replace(blobs=blobs)


def read_blobs(root: Path, blobs: Sequence[OutgoingBlob]) -> Iterator[tuple[OutgoingBlob, bytes]]:
    """Yield each blob with its bytes, reading little more than 64 MiB, or one blob, at a time."""
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


def files_at(root: Path, revisions: Sequence[str], path: str) -> list[bytes | None]:
    """Return the file at a path in each commit; None if there is no such commit or file."""
    asked = "".join(f"{revision}:{path}\n" for revision in revisions)
    answer = git_bytes(
        "cat-file",
        "--batch",
        cwd=root,
        stdin=asked.encode("utf-8", "surrogateescape"),
        in_hook=True,
    )
    found: list[bytes | None] = []
    start = 0
    for _ in revisions:
        end = answer.index(b"\n", start)
        words = answer[start:end].split(b" ")
        start = end + 1
        if words[-1] == b"missing" or len(words) != 3:
            found.append(None)
            continue
        size = int(words[2])
        found.append(answer[start : start + size] if words[1] == b"blob" else None)
        start += size + 1
    return found


def entry_names(tree: bytes) -> bytes:
    """Return the names in a tree object, one per line."""
    names = []
    start = 0
    while start < len(tree):
        end = tree.index(b"\0", start)
        names.append(tree[tree.index(b" ", start) + 1 : end].replace(b"\n", b" "))
        start = end + 21  # for SHA-1, the only format that a results repository may have
    return b"\n".join(names)


def _outgoing(listed: bytes, root: Path) -> Outgoing:
    """Return the objects of a listing of ``git rev-list --objects``.

    A line is an id, followed by a space and a path up to its first newline, or a tag's name. Git
    reports the kind of each object separately, because a path may be empty.
    """
    lines = [line.partition(b" ") for line in listed.split(b"\n") if line]
    named = [(oid.decode(), path.decode(errors="surrogateescape")) for oid, _, path in lines]
    objects = _with_sizes(named, root)
    blobs = tuple(
        found if found.path else found._replace(path=f"object {found.oid[:10]}")
        for found in objects
        if found.kind == "blob"
    )
    return Outgoing(
        tuple(found.path for found in objects if found.path and found.kind in ("blob", "tree")),
        blobs,
        tuple(_called(found) for found in objects if found.kind != "blob"),
    )


def _called(found: OutgoingBlob) -> OutgoingBlob:
    name = f"{found.kind} {found.oid[:10]}"
    if found.kind == "tree":
        name = f"a name in {found.path or 'the top directory'}"
    return found._replace(path=name)


def _present(oids: Iterable[str], root: Path) -> set[str]:
    """Return those of the objects that are present locally."""
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    lines = git(
        "cat-file",
        "--batch-check",
        cwd=root,
        stdin=asked,
        in_hook=True,
        environ=os.environ | NO_FETCH,
    ).splitlines()
    return {line.split(" ")[0] for line in lines if not line.endswith(" missing")}


def _tips_of(url: str, root: Path) -> set[str]:
    """Return the objects that a remote's refs point to; none if it does not answer.

    It never asks for a password: the push in progress has already done that.
    """
    environ = {key: v for key, v in os.environ.items() if key not in ("GIT_ASKPASS", "SSH_ASKPASS")}
    settings = ["-c", "core.askPass="]
    if not environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"} and not _setting(
        "core.sshCommand", root
    ):
        settings += ["-c", "core.sshCommand=ssh -o BatchMode=yes"]
    try:
        listed = git(
            *settings, "ls-remote", "--quiet", "--", url, cwd=root, environ=environ, in_hook=True
        )
    except GitError:
        return set()
    return {line.partition("\t")[0] for line in listed.split("\n") if line}


def _setting(key: str, root: Path) -> str:
    try:
        return git("config", "--get", key, cwd=root, in_hook=True).strip()
    except GitError:
        return ""


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
    objects = []
    for (oid, path), line in zip(found, lines, strict=True):
        words = line.split(" ")
        if len(words) == 3:
            objects.append(OutgoingBlob(path, oid, int(words[2]), words[1]))
    return tuple(objects)


def _resolved(revision: str, root: Path) -> str:
    try:
        name = f"{revision}^{{object}}"
        return git("rev-parse", "--quiet", "--verify", name, cwd=root, in_hook=True).strip()
    except GitError:
        return ""


def _empty_tree(root: Path) -> str:
    return git("hash-object", "-t", "tree", "--stdin", cwd=root, stdin=b"", in_hook=True).strip()
