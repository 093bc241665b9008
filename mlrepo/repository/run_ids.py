"""The ids of recorded runs, read fast: no commit and no record is opened."""

from __future__ import annotations

from pathlib import Path

from mlrepo.repository.process import git, git_bytes

# Not imported from the recorder: that takes as long as the rest of a completion.
_RUNS = "runs"
_BRANCHES = ("refs/heads/exp/", "refs/remotes/*/exp/")


def run_ids(root: Path) -> list[str]:
    """Return the ids of all runs in the trees of experiment branches, newest first.

    Two processes, however many branches there are.
    """
    tips = git("for-each-ref", "--format=%(objectname)", *_BRANCHES, cwd=root).split()
    asked = "".join(f"{tip}:{_RUNS}\n" for tip in dict.fromkeys(tips))
    return sorted(_entries(git_bytes("cat-file", "--batch", cwd=root, stdin=asked.encode())))[::-1]


def _entries(answers: bytes) -> set[str]:
    """Return the names in the trees that ``git cat-file --batch`` printed."""
    found: set[str] = set()
    at = 0
    while at < len(answers):
        end = answers.index(b"\n", at)
        words = answers[at:end].split()
        at = end + 1
        if words[-1:] == [b"missing"] or len(words) != 3:
            continue
        size = int(words[2])
        if words[1] == b"tree":
            found.update(_names(answers[at : at + size]))
        at += size + 1
    return found


def _names(tree: bytes) -> list[str]:
    """Return the names in a tree object: each is ``mode name NUL``, then 20 bytes of its id."""
    found, at = [], 0
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        found.append(tree[space + 1 : end].decode(errors="replace"))
        at = end + 21
    return found
