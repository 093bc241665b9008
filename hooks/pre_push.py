"""``pre-push``: the embargo, secrets, oversized files and invalid results, in all that leaves."""

from __future__ import annotations

import datetime
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from mlrepo.hooks import verdict

from mlrepo.paths import DIVISIONS
from mlrepo.repository.outgoing import pushed, pushed_change

_DELETED = re.compile(r"0+\Z")
# Runs are kept there whatever their verdict; what is submitted comes from other branches.
_EXPERIMENTS = "refs/heads/exp/"
_WATCHED = tuple(f"{division}/" for division in DIVISIONS)


class _Update(NamedTuple):
    """One line of what Git tells the hook: object ids here and there, the ref on the remote."""

    local: str
    ref: str
    there: str


def main() -> int:
    """Judge the push that Git describes: remote and URL as arguments, refs on standard input."""
    return verdict(_judge, name="pre-push", way_out="nothing was pushed.")


def _judge() -> list[str]:
    from mlrepo.submission.guard import embargo_broken, embargo_settings, large_files, secrets_in

    remote, url = sys.argv[1], sys.argv[2]
    root = Path.cwd()
    updates = [_Update(*line.split()[1:]) for line in sys.stdin]
    leaving = pushed(root, remote, [(update.local, update.there) for update in updates])
    settings = embargo_settings(root, os.environ)
    today = datetime.datetime.now(datetime.UTC).date()
    messages = embargo_broken(leaving.paths, remote=remote, url=url, settings=settings, today=today)
    messages += large_files(leaving.blobs) + secrets_in(root, leaving.blobs)
    for update in updates:
        messages += _findings(root, remote, update)
    return messages


def _findings(root: Path, remote: str, update: _Update) -> list[str]:
    is_branch = update.ref.startswith("refs/heads/") and not update.ref.startswith(_EXPERIMENTS)
    if not is_branch or _DELETED.match(update.local):
        return []
    change = pushed_change(root, remote, update.local, update.there)
    if not any(path.startswith(_WATCHED) for path in change.paths):
        return []
    from mlrepo.submission.changed import judge_branch
    from mlrepo.submission.guard import settings_for_hooks

    return judge_branch(root, update.local, change, settings_for_hooks(root, os.environ))


if __name__ == "__main__":
    sys.exit(main())
