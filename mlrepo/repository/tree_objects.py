"""Write the files of a directory as Git objects, byte for byte, and describe their origin."""

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
    """Write files and links below ``root`` as objects and return the id of their tree.

    Git's filters and line-ending conversion do not apply. The objects are on no branch yet: those
    that are never selected are garbage for ``git gc``.

    Parameters
    ----------
    paths:
        Relative to ``root``.

    Raises
    ------
    UserError
        A file cannot be read, or its name is not allowed in a Git tree.
    """
    modes = {path: _mode(root, path) for path in paths}
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
    """Return the full id of the commit that ``revision`` names; empty if it names none."""
    name = f"{revision}^{{commit}}"
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    try:
        return git(*asked, cwd=repository.root).strip()
    except GitError:
        return ""


def origin_of(root: Path) -> str:
    """Return the origin that provenance gives for the files of a directory.

    It is the directory's name and the commit checked out in it; not the absolute path, which is
    private.
    """
    # One line of a commit message, whatever the directory is called.
    name = "".join(c if c.isprintable() else "?" for c in root.resolve().name) or "/"
    try:
        commit = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=root).strip()
        changed = git("status", "--porcelain", "--", ".", cwd=root).strip()
    except GitError:
        return f"directory {name}"
    return f"directory {name} at commit {commit}{', with changes' if changed else ''}"


def _hashed(repository: ResultsRepository, root: Path, paths: list[str]) -> dict[str, str]:
    """Write files as blobs with one process; return their ids."""
    # "./" keeps Git from unquoting a name that begins with a quote.
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


def _mode(root: Path, path: str) -> int:
    if "\n" in path or "\r" in path:
        raise UserError(f"The name {path!r} holds a line break.", hint="Rename the file.")
    try:
        status = (root / path).lstat()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", hint="Check that nothing changes it."
        ) from error
    if stat.S_ISLNK(status.st_mode):
        return _LINK
    return _EXECUTABLE if status.st_mode & stat.S_IXUSR else REGULAR
