"""A first look at what a commit stages: is there anything for the hooks to check?

Every ``git commit`` runs it, and importing a module of the standard library costs more than Git's
own answer. So it imports only ``os`` (which is frozen into Python), not even
:mod:`mlrepo.repository.process`, and starts git itself, as that module does.
"""

from __future__ import annotations

import os

from mlrepo.secret_anchors import possible_kinds

# Requests and answers for this many objects fit into the pipe buffers, so that neither side
# deadlocks; a commit that stages more need not be quick.
_MOST_FILES = 500
_MOST_BYTES = 16 << 20
REGULAR_MODES = ("100644", "100755")
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


# A staged change: the new mode, the new object id, the path from the top.
Change = tuple[str, str, str]


def staged_changes(tree: str = "HEAD") -> list[Change] | None:
    """Return what the commit changes, according to the index that Git gave the hook.

    Removed files have the mode ``000000``. None if git fails, for example because HEAD has no
    commit yet.
    """
    answer = _output("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", tree)
    if answer is None:
        return None
    fields = answer.decode("utf-8", "surrogateescape").split("\0")
    metas = [meta.split(" ") for meta in fields[0:-1:2]]
    return [(meta[1], meta[3], path) for meta, path in zip(metas, fields[1::2], strict=True)]


def nothing_to_judge(changes: list[Change], directories: tuple[str, ...], always: str) -> bool:
    """Return whether the commit may pass without a closer look.

    It may if nothing at or below ``directories`` changes, and everything added elsewhere is small
    and has none of the byte sequences of which every credential contains one. On an experiment
    branch, where `mlrepo bench` checks what it places, only the files named ``always`` count.

    Parameters
    ----------
    directories:
        As path prefixes from the top of the working tree, where hooks are started.
    always:
        The suffix of the paths that count on every branch.
    """
    watched = [path for _, _, path in changes if path.startswith(directories)]
    if watched and (any(path.endswith(always) for path in watched) or not on_experiment_branch()):
        return False
    regular = [(oid, path) for mode, oid, path in changes if mode in REGULAR_MODES]
    names = "\n".join(path for _, path in regular).encode("utf-8", "surrogateescape")
    return not regular or (not possible_kinds(names) and _harmless([oid for oid, _ in regular]))


def on_experiment_branch() -> bool:
    """Return whether the commit goes to a branch ``exp/…``, whose runs `mlrepo bench` checks."""
    return (_output("symbolic-ref", "--quiet", "HEAD") or b"").startswith(b"refs/heads/exp/")


def _harmless(blobs: list[str]) -> bool:
    """Return whether the blobs are few, small and without any sign of a credential."""
    if len(blobs) > _MOST_FILES:
        return False
    process, ask, answers = _start("cat-file", "--batch-command")
    content, sizes = b"", [0]
    try:
        with os.fdopen(ask, "wb") as stdin, os.fdopen(answers, "rb") as stdout:
            stdin.write("".join(f"info {oid}\n" for oid in blobs).encode())
            stdin.flush()
            words = [stdout.readline().split() for _ in blobs]
            sizes = [int(word[2]) if len(word) == 3 else _MOST_BYTES for word in words]
            if sum(sizes) >= _MOST_BYTES:
                return False
            stdin.write("".join(f"contents {oid}\n" for oid in blobs).encode())
            stdin.close()
            content = stdout.read()
    except BrokenPipeError:
        return False  # this git is older than --batch-command
    finally:
        _, status = os.waitpid(process, 0)
    # The headers between the blobs are object ids and sizes, without any sign of a credential.
    return status == 0 and len(content) > sum(sizes) and not possible_kinds(content)


def _output(*arguments: str) -> bytes | None:
    """Return what git prints, or None when it fails."""
    process, ask, answers = _start(*arguments)
    os.close(ask)
    with os.fdopen(answers, "rb") as stdout:
        printed = stdout.read()
    _, status = os.waitpid(process, 0)
    return printed if status == 0 else None


def _start(*arguments: str) -> tuple[int, int, int]:
    """Start git; return its process and our ends of its standard input and output."""
    asked, ask = os.pipe()
    answers, answer = os.pipe()
    silence = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    process = os.posix_spawnp(
        "git",
        [*_GIT, *arguments],
        {
            **os.environ,
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C",
        },
        file_actions=[(os.POSIX_SPAWN_DUP2, asked, 0), (os.POSIX_SPAWN_DUP2, answer, 1), silence],
    )
    os.close(asked)
    os.close(answer)
    return process, ask, answers
