"""``mlrepo-check-system``: refuse system descriptions that break the round's rules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mlrepo.hooks import verdict


def main() -> int:
    """Judge the files named on the command line."""
    return verdict(_judge, name="check-system", way_out="`mlrepo system check` says more.")


def judge(root: Path, files: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return one message for each breach in ``files``, pairs of a path and its content.

    The round comes from ``MLREPO_ROUND`` or from ``mlrepo.toml`` in ``root``.
    """
    from mlrepo.repository.discovery import read_settings
    from mlrepo.rounds import Rounds
    from mlrepo.settings import FILE_NAME, Resolver
    from mlrepo.systems.outgoing import refused_descriptions

    settings = Resolver(os.environ, read_settings(root / FILE_NAME))
    round_ = Rounds.of_repository(root)[settings.require("round").value]
    return refused_descriptions(files, round_)


def _judge() -> list[str]:
    root = Path.cwd()
    files = [(name, root / name) for name in sys.argv[1:]]
    return judge(
        root,
        [(n, f.read_bytes()) for n, f in files if f.is_file() and not f.is_symlink()],
    )


if __name__ == "__main__":
    sys.exit(main())
