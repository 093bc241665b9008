"""Which branches have ``mlrepo.toml``: where to go from one that has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlrepo.repository.process import GitError, git
from mlrepo.settings import FILE_NAME

USUAL = ("main", "master")
# Branches that mlrepo moves itself; nobody works on them.
OWN = ("exp/", "submission/")


def branches(root: Path, prefix: str) -> list[str]:
    """Return the names of the branches below ``refs/heads/`` or a remote's references.

    The usual ones come first, mlrepo's own last; symbolic references are left out.
    """
    listed = git("for-each-ref", "--format=%(refname)%09%(symref)", prefix, cwd=root)
    names = [
        name.removeprefix(prefix)
        for name, _, symbolic in (line.partition("\t") for line in listed.splitlines())
        if not symbolic
    ]
    return sorted(names, key=lambda name: (name not in USUAL, name.startswith(OWN), name))


def having_settings(root: Path, prefix: str, names: Sequence[str]) -> list[str]:
    """Return those of the branches whose tip has ``mlrepo.toml``."""
    asked = "".join(f"{prefix}{name}:{FILE_NAME}\n" for name in names)
    answers = git("cat-file", "--batch-check", cwd=root, stdin=asked.encode()).splitlines()
    return [
        name for name, answer in zip(names, answers, strict=True) if answer.split()[1:2] == ["blob"]
    ]


def branch_to_switch_to(root: Path) -> str:
    """Return a local branch, or one of ``origin``, that has the settings; '' if none has.

    ``git switch`` takes both by this name. mlrepo's own branches do not count.
    """
    try:
        for prefix in ("refs/heads/", "refs/remotes/origin/"):
            known = [name for name in branches(root, prefix) if not name.startswith(OWN)]
            if known and (found := having_settings(root, prefix, known)):
                return found[0]
    except GitError:  # a damaged repository, of which others say what is wrong
        return ""
    return ""
