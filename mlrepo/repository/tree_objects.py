"""The files of a directory as objects of the repository, byte for byte, and their origin."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.commit_view import REGULAR
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git, git_bytes

_LINK, _EXECUTABLE = 0o120000, 0o100755


def write_files(repository: ResultsRepository, root: Path, paths: Iterable[str]) -> str:
    """Write files and links below ``root`` as objects and return the id of a tree that holds them.

    Git's filters and line ends do not apply. No branch holds the objects yet: what is never
    selected is garbage for ``git gc``.

    Parameters
    ----------
    paths:
        Relative to ``root``.

    Raises
    ------
    UserError
        A file cannot be read, or its name is one that no Git tree may hold.
    """
    modes = {path: _mode(root / path) for path in paths}
    oids = _hashed(repository, root, [path for path in modes if modes[path] != _LINK])
    for path in (path for path in modes if modes[path] == _LINK):
        target = os.fsencode((root / path).readlink())
        said = git_bytes("hash-object", "-w", "--stdin", cwd=repository.root, stdin=target)
        oids[path] = said.decode().strip()
    listing = b"".join(
        f"{modes[path]:06o} {oids[path]}\t".encode() + os.fsencode(path) + b"\0" for path in modes
    )
    repository.store.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository.store) as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        try:
            git_bytes(
                "update-index",
                "-z",
                "--index-info",
                cwd=repository.root,
                stdin=listing,
                extra=index,
            )
            return git_bytes("write-tree", cwd=repository.root, extra=index).decode().strip()
        except GitError as error:
            raise UserError(
                f"Files of {root} cannot be part of a Git tree: {error.stderr}",
                hint="Rename or remove what Git names, and run the command again.",
            ) from error


def resolved_commit(repository: ResultsRepository, revision: str) -> str:
    """Return the full id of the commit that a text names; empty where it names none."""
    name = f"{revision}^{{commit}}"
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    try:
        return git(*asked, cwd=repository.root).strip()
    except GitError:
        return ""


def origin_of(root: Path) -> str:
    """Return what a directory is called in the provenance of its files.

    Its name, and the commit that it is checked out from; no absolute path, which is the user's own
    business.
    """
    name = root.resolve().name or "/"
    try:
        commit = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=root).strip()
        changed = git("status", "--porcelain", "--", ".", cwd=root).strip()
    except GitError:
        return f"directory {name}"
    return f"directory {name} at commit {commit}{', with changes' if changed else ''}"


def _hashed(repository: ResultsRepository, root: Path, paths: list[str]) -> dict[str, str]:
    """Write files as blobs by one process; return their ids."""
    # "./" keeps Git from taking a name that begins with a quote for a quoted one.
    lines = b"".join(b"./" + os.fsencode(path) + b"\n" for path in paths)
    try:
        said = git_bytes(
            "hash-object",
            "-w",
            "--no-filters",
            "--stdin-paths",
            cwd=root,
            stdin=lines,
            extra={"GIT_DIR": str(repository.common_dir)},
        )
    except GitError as error:
        raise UserError(
            f"A file of {root} cannot be read: {error.stderr}", hint="Check its permissions."
        ) from error
    return dict(zip(paths, said.decode().split(), strict=True))


def _mode(path: Path) -> int:
    if any(character in str(path) for character in "\n\r"):
        raise UserError(f"{str(path)!r} holds a line break.", hint="Rename the file.")
    try:
        status = path.lstat()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", hint="Check that nothing changes it."
        ) from error
    if stat.S_ISLNK(status.st_mode):
        return _LINK
    return _EXECUTABLE if status.st_mode & stat.S_IXUSR else REGULAR
