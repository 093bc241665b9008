"""Writing a whole tree of new and existing objects at once.

A submission is hundreds of small new files and directories. libgit2 syncs each to the disk on its
own, which takes seconds; ``git fast-import`` writes one pack and syncs that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlrepo.paths import RepoPath
from mlrepo.repository.commit_view import DIRECTORY, Existing
from mlrepo.repository.commits import MovedError
from mlrepo.repository.process import GitError, git_bytes
from mlrepo.repository.quarantine import Quarantine

_REF = "refs/heads/tree"


def write_tree(quarantine: Quarantine, content: Mapping[RepoPath, bytes | Existing]) -> str:
    """Return the object id of a tree in quarantine that holds exactly ``content``.

    A path gets new bytes or an existing object; a file given on its own overrides the same path in
    a directory.

    Raises
    ------
    MovedError
        Git failed, perhaps because of a concurrent gc.
    """
    stream = b"".join(_commands(content))
    root = quarantine.repository.root
    # A partial clone's configuration says where to get the objects that it left out.
    config = f"include.path={quarantine.repository.common_dir / 'config'}"
    environ = {"GIT_DIR": str(quarantine.directory)}
    try:
        git_bytes(
            "-c",
            config,
            "-c",
            "fastimport.unpackLimit=0",
            "fast-import",
            "--quiet",
            "--force",
            "--done",
            cwd=root,
            stdin=stream,
            extra=environ,
        )
        return git_bytes("rev-parse", f"{_REF}^{{tree}}", cwd=root, extra=environ).decode().strip()
    except GitError as error:  # such as a pack that a gc removed while it was read
        raise MovedError(error.message) from error


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
