"""``pre-push``: the embargo, secrets and oversized files, over all that would leave."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path

from mlrepo.hooks import verdict

from mlrepo.repository.outgoing import pushed


def main() -> int:
    """Judge the push that Git describes: remote and URL as arguments, refs on standard input."""
    return verdict(_judge, name="pre-push", way_out="nothing was pushed.")


def _judge() -> list[str]:
    from mlrepo.submission.guard import embargo_broken, embargo_settings, large_files, secrets_in

    remote, url = sys.argv[1], sys.argv[2]
    root = Path.cwd()
    updates = []
    for line in sys.stdin:
        _, local, _, there = line.split()
        updates.append((local, there))
    leaving = pushed(root, remote, updates)
    settings = embargo_settings(root, os.environ)
    today = datetime.datetime.now(datetime.UTC).date()
    early = embargo_broken(leaving.paths, remote=remote, url=url, settings=settings, today=today)
    return early + large_files(leaving.blobs) + secrets_in(root, leaving.blobs)


if __name__ == "__main__":
    sys.exit(main())
