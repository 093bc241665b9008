"""The final check of what is about to leave: paths, secrets, sizes and the embargo."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlrepo.errors import InvalidResult, UserError
from mlrepo.guard.contents import (
    embargo_broken,
    large_files,
    secret_messages,
    secrets_in,
    secrets_in_names,
)
from mlrepo.paths import RepoPath
from mlrepo.redaction import shown_url
from mlrepo.repository.commit_view import Existing
from mlrepo.repository.outgoing import Outgoing, held_by
from mlrepo.secret_scan import find_secrets

_SHOWN = 10


def refuse_unfit(root: Path, outgoing: Outgoing, directories: Sequence[str], text: str) -> None:
    """Raise if an object is misplaced, too large or has a secret, or if the text has one.

    Parameters
    ----------
    root:
        The repository with the objects.
    directories:
        The ``<division>/<submitter>`` directories that may leave.
    text:
        The text of the commit and the pull request.

    Raises
    ------
    InvalidResult
        Something may not leave; nothing has left.
    """
    messages = [
        f"{path} is outside of {', '.join(directories)}."
        for path in outgoing.paths
        if not any(_related(path, directory) for directory in directories)
    ]
    messages += large_files(outgoing.blobs)
    messages += secrets_in(root, [*outgoing.blobs, *outgoing.others])
    messages += [f"The text of the pull request: a {s.kind}." for s in find_secrets(text.encode())]
    if messages:
        more = len(messages) - _SHOWN
        shown = "".join(f"\n  {message}" for message in messages[:_SHOWN])
        raise InvalidResult(
            f"Nothing leaves:{shown}" + (f"\n  … and {more} more" if more > 0 else ""),
            hint="Correct the runs or files they come from, and `mlrepo select` again.",
        )


def refuse_unfit_content(root: Path, content: Mapping[RepoPath, bytes | Existing]) -> None:
    """Raise if files or names of a selection have a secret, or a file is too large for a forge.

    Raises
    ------
    InvalidResult
        There is such a file or name; nothing has been written.
    """
    held = held_by(
        root, {v.oid: str(path) for path, v in content.items() if isinstance(v, Existing)}
    )
    if too_large := large_files(held.blobs):
        raise InvalidResult(f"Nothing was selected: {too_large[0]}")
    messages = secrets_in(root, [*held.blobs, *held.others])
    for path, value in content.items():
        messages += secret_messages(str(path), value) if isinstance(value, bytes) else []
    messages += secrets_in_names("the path", [str(path) for path in content])
    if messages:
        raise InvalidResult(
            f"Nothing was selected: {messages[0]}",
            hint="Leave out the result that holds it: `mlrepo select --drop PATH`. The commit of a "
            "recorded run holds the secret too; a new run does not.",
        )


def refuse_early(
    directories: Sequence[str],
    places: Mapping[str, bool | None],
    settings: Mapping[str, str],
    today: datetime.date,
) -> None:
    """Raise if results would reach a public place before the embargo ends.

    Parameters
    ----------
    places:
        URL to whether anybody may read it. None means that this is unknown: the settings
        ``private_remotes`` and ``official.visibility`` decide.
    settings:
        These settings and ``embargo``.

    Raises
    ------
    UserError
        A place is public and the embargo is in force; nothing has left.
    """
    paths = [f"{directory}/results" for directory in directories]
    for url, public in places.items():
        if public is False:
            continue
        known = {"embargo": settings.get("embargo", "")} if public else settings
        broken = embargo_broken(paths, url=url, settings=known, today=today)
        if broken and public:
            raise UserError(
                f"Anybody can read {shown_url(url)}, and no result may become public before "
                f"{settings['embargo']} (setting embargo).",
                hint="Submit to a private repository, or wait until that day.",
            )
        if broken:
            raise UserError(broken[0], hint="Nothing has left.")


def _related(path: str, directory: str) -> bool:
    """Return whether a path is the directory, is inside it, or is above it."""
    return f"{path}/".startswith(f"{directory}/") or directory.startswith(f"{path}/")
