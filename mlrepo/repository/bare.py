"""Bare Git repositories that mlrepo makes itself, to push to without any server."""

from __future__ import annotations

from pathlib import Path

from mlrepo.repository.process import git

# What a partial copy asks of the repository that it is made from.
_FOR_PARTIAL_COPIES = ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant")


def make_bare(directory: Path, branch: str, readme: str) -> None:
    """Make a bare repository whose only branch has one commit, with a README.md.

    Raises
    ------
    UserError
        Git could not write it.
    """
    git("init", "--quiet", "--bare", "--object-format=sha1", str(directory), cwd=Path("/"))
    text = readme.encode()
    stream = (
        f"commit refs/heads/{branch}\ncommitter mlrepo <mlrepo> 0 +0000\ndata 0\n"
        f"M 100644 inline README.md\ndata {len(text)}\n".encode()
        + text
        + b"\ndone\n"
    )
    git("fast-import", "--quiet", "--done", cwd=directory, stdin=stream)
    git("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=directory)
    _serve_partial_copies(directory)


def clone_bare(source: Path, directory: Path) -> None:
    """Copy a bare repository of this machine."""
    git("clone", "--quiet", "--bare", "--", str(source), str(directory), cwd=source)
    _serve_partial_copies(directory)


def _serve_partial_copies(directory: Path) -> None:
    for key in _FOR_PARTIAL_COPIES:
        git("config", key, "true", cwd=directory)
