"""A whole tree of new and existing objects, written at once.

A submission is hundreds of small new files and directories. libgit2 syncs each to the disk on its
own, which takes seconds; ``git fast-import`` writes one pack and syncs that.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlrepo.paths import RepoPath
from mlrepo.repository.commit_view import DIRECTORY, Existing
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import git, git_bytes

_SCRATCH = "tree-"
_REF = "refs/heads/tree"


def write_tree(repository: ResultsRepository, content: Mapping[RepoPath, bytes | Existing]) -> str:
    """Return the object id of a tree that holds exactly ``content``.

    A path gets new bytes, or an object that exists; files stand over what a directory brings. The
    caller holds a lock against other callers.
    """
    stream = b"".join(_commands(content))
    with _scratch(repository) as environ:
        git_bytes(
            "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--force", "--done",
            cwd=repository.root, stdin=stream, extra=environ,
        )  # fmt: skip
        found = git_bytes("rev-parse", f"{_REF}^{{tree}}", cwd=repository.root, extra=environ)
    return found.decode().strip()


@contextlib.contextmanager
def _scratch(repository: ResultsRepository) -> Iterator[dict[str, str]]:
    """Yield the environment of a repository without references that shares this one's objects.

    fast-import must write a reference. A kill while Git holds the lock of one leaves that lock,
    which none but a person may remove: here it stays in a directory that the next caller removes.
    """
    for left in repository.store.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=repository.store) as name:
        scratch = Path(name)
        (scratch / "refs").mkdir()
        (scratch / "HEAD").write_text(f"ref: {_REF}\n", encoding="utf-8")
        # A partial clone's configuration says where the objects are that it left out.
        config = str(repository.common_dir / "config")
        git("config", "--file", str(scratch / "config"), "include.path", config, cwd=scratch)
        objects = str(repository.common_dir / "objects")
        yield {"GIT_DIR": name, "GIT_OBJECT_DIRECTORY": objects}


def _commands(content: Mapping[RepoPath, bytes | Existing]) -> Iterator[bytes]:
    yield b"commit %b\n" % _REF.encode()
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
