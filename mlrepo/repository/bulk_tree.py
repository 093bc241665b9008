"""A whole tree of new and existing objects, written at once.

A submission is hundreds of small new files and directories. libgit2 syncs each to the disk on its
own, which takes seconds; ``git fast-import`` writes one pack and syncs that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlrepo.paths import RepoPath
from mlrepo.repository.commit_view import DIRECTORY, Existing
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import git, git_bytes

# Holds the objects against a gc until a branch does; a leftover of a crash is overwritten.
_HOLDER = "refs/mlrepo/tree-in-progress"


def write_tree(repository: ResultsRepository, content: Mapping[RepoPath, bytes | Existing]) -> str:
    """Return the object id of a tree that holds exactly ``content``.

    A path gets new bytes, or an object that exists; files stand over what a directory brings. The
    caller holds a lock against other callers, and calls :func:`release_tree` once a branch holds
    the tree.
    """
    stream = b"".join(_commands(content))
    git_bytes(
        "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--force", "--done",
        cwd=repository.root, stdin=stream,
    )  # fmt: skip
    return git("rev-parse", f"{_HOLDER}^{{tree}}", cwd=repository.root).strip()


def release_tree(repository: ResultsRepository) -> None:
    """Let go of the last written tree."""
    git("update-ref", "-d", _HOLDER, cwd=repository.root)


def _commands(content: Mapping[RepoPath, bytes | Existing]) -> Iterator[bytes]:
    yield b"commit %b\n" % _HOLDER.encode()
    yield b"committer mlrepo <mlrepo> 0 +0000\ndata 0\ndeleteall\n"
    for path in sorted(content, key=lambda path: not _is_directory(content[path])):
        item = content[path]
        if isinstance(item, Existing):
            yield f"M {item.mode:06o} {item.oid} {path}\n".encode()
        else:
            yield f"M 100644 inline {path}\ndata {len(item)}\n".encode() + item + b"\n"
    yield b"done\n"


def _is_directory(item: bytes | Existing) -> bool:
    return isinstance(item, Existing) and item.mode == DIRECTORY
