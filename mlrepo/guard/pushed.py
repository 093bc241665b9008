"""What keeps branches from being pushed: the same for the hook and for mlrepo's own pushes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.guard.contents import (
    first_result,
    large_files,
    refused_by,
    secrets_in,
    secrets_in_names,
)
from mlrepo.guard.embargo import embargo_in_force
from mlrepo.repository.outgoing import pushed


@dataclass(frozen=True)
class Update:
    """A reference of a remote that a push moves.

    Attributes
    ----------
    local, there:
        Full object ids: what is pushed, and what the remote has; zeros mean none.
    ref:
        The full name on the remote.
    """

    local: str
    ref: str
    there: str


@dataclass(frozen=True)
class PushVerdict:
    """What was found: messages that refuse the push, and how the environment lifts the embargo."""

    messages: tuple[str, ...]
    lifted: tuple[str, ...]


def judge_content(
    root: Path, remote: str, url: str, updates: Sequence[Update], environ: Mapping[str, str]
) -> PushVerdict:
    """Search what a push sends for secrets, files that are too large, and results under embargo.

    Parameters
    ----------
    remote:
        The remote's name, or its URL if it has none.
    url:
        Where the objects go; '' for a file, which an embargo does not keep from being written.
    """
    leaving = pushed(root, url, [(update.local, update.there) for update in updates])
    embargo = embargo_in_force(root, environ, remote, [update.local for update in updates])
    messages: list[str] = []
    if url and embargo.holds(url, datetime.datetime.now(datetime.UTC).date()):
        result = first_result(root, leaving)
        messages += [refused_by(embargo, url, result)] if result else []
    messages += large_files(leaving.blobs)
    messages += secrets_in(root, [*leaving.blobs, *leaving.others])
    messages += secrets_in_names("the ref", [update.ref for update in updates])
    return PushVerdict(tuple(messages), embargo.lifted)
