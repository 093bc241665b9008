"""``mlrepo-secrets``: refuse files that contain a credential."""

from __future__ import annotations

import sys
from pathlib import Path

from mlrepo.hooks import verdict


def main() -> int:
    """Judge the files named on the command line."""
    return verdict(_judge, name="secrets", way_out="")


def _judge() -> list[str]:
    from mlrepo.guard.contents import secret_messages, secrets_in_names

    files = [Path(name) for name in sys.argv[1:]]
    return secrets_in_names("the file", sys.argv[1:]) + [
        message
        for file in files
        if file.is_file() and not file.is_symlink()
        for message in secret_messages(str(file), file.read_bytes())
    ]


if __name__ == "__main__":
    sys.exit(main())
