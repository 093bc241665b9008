"""Keep what mlrepo writes into the working tree out of ``git status``, in this clone only."""

from __future__ import annotations

import re
from pathlib import Path

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.process import GitError, git

# What has a meaning in a pattern of gitignore(5).
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")


def ignore_here(repository: ResultsRepository, path: Path) -> bool:
    """Make Git ignore a file or directory of the working tree; return whether it does now.

    The pattern goes to ``info/exclude``, which is never committed. A path outside of the working
    tree, or with a line break in its name, is left alone.
    """
    root, absolute = repository.root.resolve(), path.resolve()
    if not absolute.is_relative_to(root) or absolute == root:
        return False
    name = absolute.relative_to(root).as_posix()
    if name.startswith(".git/") or "\n" in name or "\r" in name:
        return False
    if _is_ignored(root, name):
        return True
    exclude = repository.common_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    before = exclude.read_bytes() if exclude.exists() else b""
    separator = b"" if before.endswith(b"\n") or not before else b"\n"
    pattern = "/" + _SPECIAL.sub(r"\\\1", name)
    write_atomically(
        exclude, before + separator + pattern.encode("utf-8", "surrogateescape") + b"\n"
    )
    return _is_ignored(root, name)


def _is_ignored(root: Path, name: str) -> bool:
    try:
        git("check-ignore", "--quiet", "--no-index", "--", name, cwd=root)
    except GitError:
        return False
    return True
