"""Asked by mlrepo's hook before it starts the pre-commit framework: may its configuration run?

A pull can change ``.pre-commit-config.yaml`` to run anything at the next commit. Exit code 0 says
that the file holds mlrepo's own hooks only, or is the one that the user agreed to; with any other
one the plain hook goes on instead.
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
    """Judge the configuration in the working tree around the working directory."""
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
