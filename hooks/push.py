"""Check all that is pushed for embargo, secrets, large files and invalid results."""

from __future__ import annotations

import datetime
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from mlrepo.findings import visible
from mlrepo.hooks import verdict
from mlrepo.paths import DIVISIONS
from mlrepo.repository.outgoing import pushed, pushed_change

_DELETED = re.compile(r"0+\Z")
# Experiment branches keep runs whatever their verdict; submissions come from other branches.
_EXPERIMENTS = "refs/heads/exp/"
_WATCHED = tuple(f"{division}/" for division in DIVISIONS)


class _Update(NamedTuple):
    """One line of Git's input to the hook: the local and remote object ids, and the remote ref."""

    local: str
    ref: str
    there: str


def judge_push() -> int:
    """Judge the push that Git describes: remote and URL in the arguments, refs on stdin."""
    return verdict(_judge, name="pre-push", way_out="nothing was pushed.")


def _judge() -> list[str]:
    from mlrepo.guard.contents import (
        first_result,
        large_files,
        refused_by,
        secrets_in,
        secrets_in_names,
    )
    from mlrepo.guard.embargo import embargo_in_force

    remote, url = sys.argv[1], sys.argv[2]
    root = Path.cwd()
    updates = [update for update in _updates() if not _DELETED.match(update.local)]
    if not updates:
        return []
    leaving = pushed(root, url, [(update.local, update.there) for update in updates])
    embargo = embargo_in_force(root, os.environ, remote, [update.local for update in updates])
    for line in embargo.lifted:
        print(f"mlrepo pre-push: {visible(line)}.", file=sys.stderr)
    messages = []
    if embargo.holds(url, datetime.datetime.now(datetime.UTC).date()):
        result = first_result(root, leaving)
        messages += [refused_by(embargo, url, result)] if result else []
    messages += large_files(leaving.blobs)
    messages += secrets_in(root, [*leaving.blobs, *leaving.others])
    messages += secrets_in_names("the ref", [update.ref for update in updates])
    for update in updates:
        messages += _findings(root, remote, update)
    return messages


def _updates() -> list[_Update]:
    """Return the ref updates that Git lists on standard input.

    The first field of a line is the local ref as the user typed it, so it may contain spaces.
    Branch names are bytes.
    """
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return [_Update(*line.rsplit(" ", 3)[1:]) for line in text.split("\n") if line]


def _findings(root: Path, remote: str, update: _Update) -> list[str]:
    is_branch = update.ref.startswith("refs/heads/") and not update.ref.startswith(_EXPERIMENTS)
    if not is_branch:
        return []
    change = pushed_change(root, remote, update.local, update.there)
    if not any(path.startswith(_WATCHED) for path in change.paths):
        return []
    from mlrepo.guard.changed import judge_branch
    from mlrepo.guard.contents import settings_for_hooks

    return judge_branch(root, update.local, change, settings_for_hooks(root, os.environ))
