"""Decide whether the pre-commit framework may run its configuration; mlrepo's hook asks first.

A pull can change ``.pre-commit-config.yaml`` so that the next commit runs anything. Exit code 0
means that the file contains only mlrepo's own hooks, or that the user has agreed to it; otherwise
the plain hook runs instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlrepo.hooks import verdict
from mlrepo.repository.framework_hooks import FRAMEWORK_CONFIGURATION

_WAY_OUT = (
    "they do not run: mlrepo's plain hook does. "
    f"Read {FRAMEWORK_CONFIGURATION}; `mlrepo trust --hooks` lets them run until it changes."
)


def main() -> int:
    """Judge the configuration of the working tree that contains the working directory."""
    return verdict(_foreign, name="hooks", way_out=_WAY_OUT)


def _foreign() -> list[str]:
    from mlrepo.repository.discovery import find_git_repository
    from mlrepo.repository.framework_hooks import is_agreed, read_configuration

    repository = find_git_repository(Path.cwd())
    if repository is None:
        return ["there is no working tree here"]
    found = read_configuration(repository)
    if is_agreed(repository, found):
        return []
    return [f"{FRAMEWORK_CONFIGURATION} holds, and nobody here agreed to:", *found.foreign]


if __name__ == "__main__":
    sys.exit(main())
