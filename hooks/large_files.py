"""``mlrepo-large-files``: refuse files that GitHub refuses."""

from __future__ import annotations

import sys
from pathlib import Path

from mlrepo.hooks import verdict
from mlrepo.repository.outgoing import OutgoingBlob


def main() -> int:
    """Judge the files named on the command line."""
    return verdict(_judge, name="large-files", way_out="")


def _judge() -> list[str]:
    from mlrepo.guard.contents import large_files

    files = [name for name in sys.argv[1:] if Path(name).is_file()]
    return large_files([OutgoingBlob(name, "", Path(name).stat().st_size) for name in files])


if __name__ == "__main__":
    sys.exit(main())
