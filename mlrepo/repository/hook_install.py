"""Laying mlrepo's hooks into a Git repository, beside whatever hooks it has, never over them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.process import GitError, git

# Git's hook: the module that is run.
HOOKS = {
    "pre-commit": "mlrepo.hooks.pre_commit",
    "pre-merge-commit": "mlrepo.hooks.pre_commit",
    "pre-push": "mlrepo.hooks.pre_push",
}
_MARK = "# Made by mlrepo; `mlrepo doctor --fix` renews it."


class InstalledHooks(NamedTuple):
    """Names of the hooks that were written, and how to chain the ones that were in the way."""

    written: list[str]
    chain: list[str]


def install_hooks(repository: ResultsRepository) -> InstalledHooks:
    """Install or renew the hooks; one that is not mlrepo's own is left as it is."""
    written, chain = [], []
    foreign = _foreign_directory(repository)
    for name in HOOKS:
        path = repository.common_dir / "hooks" / name
        wanted = _shim(name)
        if foreign:
            if HOOKS[name] not in _text(Path(foreign) / name):
                chain.append(f"core.hooksPath is {foreign}; add to its {name}: {_command(name)}")
        elif path.is_symlink() or (path.exists() and _MARK not in _text(path)):
            if HOOKS[name] not in _text(path):
                chain.append(f"{path} exists and is kept; add to it: {_command(name)}")
        elif _text(path) != wanted or not path.stat().st_mode & 0o100:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, wanted.encode())
            path.chmod(0o755)
            written.append(name)
    return InstalledHooks(written, chain)


def missing_hooks(repository: ResultsRepository) -> list[str]:
    """Return the names of the hooks by which Git does not reach mlrepo."""
    foreign = _foreign_directory(repository)
    directory = Path(foreign) if foreign else repository.common_dir / "hooks"
    return [
        name
        for name, module in HOOKS.items()
        if not any(module in _text(path) for path in _reached(directory, name))
    ]


def _reached(directory: Path, name: str) -> list[Path]:
    """Return the hook, and the one that pre-commit moved aside and runs first."""
    return [directory / name, directory / f"{name}.legacy"]


def _command(name: str) -> str:
    return f'{shlex.quote(sys.executable)} -m {HOOKS[name]} "$@"'


def _shim(name: str) -> str:
    return f"#!/bin/sh\n{_MARK}\nexec {_command(name)}\n"


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _foreign_directory(repository: ResultsRepository) -> str:
    """Return the directory that ``core.hooksPath`` names, made absolute, or an empty string."""
    try:
        # Not by --get alone: mlrepo's own calls of git switch hooks off on the command line.
        shown = git(
            "config", "--show-origin", "--get-all", "-z", "core.hooksPath", cwd=repository.root
        ).split("\0")
    except GitError:
        return ""
    pairs = zip(shown[0:-1:2], shown[1::2], strict=True)
    values = [value for origin, value in pairs if origin.startswith("file:")]
    return str(repository.root / Path(values[-1]).expanduser()) if values else ""
