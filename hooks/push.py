"""Check all that is pushed for embargo, secrets, large files and invalid results."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.findings import visible
from mlrepo.hooks import verdict
from mlrepo.paths import DIVISIONS
from mlrepo.repository.outgoing import pushed_change

if TYPE_CHECKING:
    from mlrepo.guard.pushed import Update

_DELETED = re.compile(r"0+\Z")
# Experiment branches keep runs whatever their verdict; submissions come from other branches.
_EXPERIMENTS = "refs/heads/exp/"
_WATCHED = tuple(f"{division}/" for division in DIVISIONS)


def judge_push() -> int:
    """Judge the push that Git describes: remote and URL in the arguments, refs on stdin."""
    return verdict(_judge, name="pre-push", way_out="nothing was pushed.")


def _judge() -> list[str]:
    updates = [update for update in _updates() if not _DELETED.match(update.local)]
    if not updates:
        return []
    from mlrepo.guard.pushed import judge_content

    remote, url = sys.argv[1], sys.argv[2]
    root = Path.cwd()
    judged = judge_content(root, remote, url, updates, os.environ)
    for line in judged.lifted:
        print(f"mlrepo pre-push: {visible(line)}.", file=sys.stderr)
    messages = list(judged.messages)
    for update in updates:
        messages += _findings(root, remote, update)
    return messages


def _updates() -> list[Update]:
    """Return the ref updates that Git lists on standard input.

    The first field of a line is the local ref as the user typed it, so it may contain spaces.
    Branch names are bytes.
    """
    from mlrepo.guard.pushed import Update

    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return [Update(*line.rsplit(" ", 3)[1:]) for line in text.split("\n") if line]


def _findings(root: Path, remote: str, update: Update) -> list[str]:
    is_branch = update.ref.startswith("refs/heads/") and not update.ref.startswith(_EXPERIMENTS)
    if not is_branch:
        return []
    change = pushed_change(root, remote, update.local, update.there)
    if not any(path.startswith(_WATCHED) for path in change.paths):
        return []
    from mlrepo.guard.changed import judge_branch
    from mlrepo.guard.contents import settings_for_hooks

    return judge_branch(root, update.local, change, settings_for_hooks(root, os.environ))
