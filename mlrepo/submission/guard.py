"""What may not be committed or pushed: secrets, files over the forge's limit, early results."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlrepo.repository.discovery import parse_settings
from mlrepo.repository.outgoing import OutgoingBlob, file_at, read_blobs
from mlrepo.secret_scan import ALLOW_MARK, find_secrets
from mlrepo.settings import FILE_NAME, Resolver

# docs.github.com, "About large files on GitHub": a push with a file over 100 MiB is blocked.
MAX_FILE_SIZE = 100 * 1024 * 1024

# What is embargoed: the notebook of runs, and a submission's results.
_RESULT_PATH = re.compile(r"runs/|(closed|open|network)/[^/]+/(results|measurements|compliance)/")
_EMBARGO_SETTINGS = ("embargo", "private_remotes", "official.repository", "official.visibility")
_BRANCHES_WITH_SETTINGS = ("HEAD", "refs/heads/main", "refs/heads/master")


def large_files(blobs: Sequence[OutgoingBlob], limit: int = MAX_FILE_SIZE) -> list[str]:
    """Return one message for each blob over ``limit`` bytes."""
    return [
        f"{blob.path}: {blob.size} bytes; GitHub refuses files over {limit} bytes. Keep it out of "
        "Git (.gitignore); an accuracy log is shortened by `mlrepo truncate`."
        for blob in blobs
        if blob.size > limit
    ]


def secrets_in(root: Path, blobs: Sequence[OutgoingBlob]) -> list[str]:
    """Return one message for each credential in the blobs, without its text."""
    readable = [blob for blob in blobs if blob.size <= MAX_FILE_SIZE]
    return [
        message
        for blob, data in read_blobs(root, readable)
        for message in secret_messages(blob.path, data)
    ]


def secret_messages(path: str, data: bytes) -> list[str]:
    """Return one message for each credential in the content of one file, without its text."""
    return [
        f"{path}:{secret.line}: this looks like a secret ({secret.kind}). Remove it and revoke it "
        f"at its issuer; if it is none, write {ALLOW_MARK.decode()} into the line."
        for secret in find_secrets(data)
    ]


def embargo_broken(
    paths: Sequence[str],
    *,
    remote: str,
    url: str,
    settings: Mapping[str, str],
    today: datetime.date,
) -> list[str]:
    """Return why results may not go to this remote today; nothing when they may.

    A remote is public unless ``private_remotes`` names it, or it is the official repository and
    ``official.visibility`` says private.
    """
    embargo = settings.get("embargo", "")
    if not embargo or today >= datetime.date.fromisoformat(embargo):
        return []
    private = {name.strip() for name in settings.get("private_remotes", "").split(",")} - {""}
    if settings.get("official.visibility") == "private":
        private |= {settings.get("official.repository", "")} - {""}
    if remote in private or url in private:
        return []
    results = next((path for path in paths if _RESULT_PATH.match(path + "/")), "")
    if not results:
        return []
    return [
        f"{results}: results may not become public before {embargo} (setting embargo in "
        f"mlrepo.toml), and the remote {remote} counts as public. If only your organisation can "
        f"read it: mlrepo config set private_remotes {remote}"
    ]


def embargo_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the embargo is about."""
    resolver = settings_for_hooks(root, environ)
    found = {key: resolver.find(key) for key in _EMBARGO_SETTINGS}
    return {key: setting.value for key, setting in found.items() if setting}


def settings_for_hooks(root: Path, environ: Mapping[str, str]) -> Resolver:
    """Return the settings that hold in a hook, where there are no flags.

    ``mlrepo.toml`` is the working tree's, else HEAD's, else main's: an experiment or submission
    branch may have none, and the settings hold all the same when one is checked out.

    Raises
    ------
    UserError
        The file is no ``mlrepo.toml``.
    """
    file = root / FILE_NAME
    data = file.read_bytes() if file.is_file() else None
    for revision in _BRANCHES_WITH_SETTINGS:
        data = file_at(root, revision, FILE_NAME) if data is None else data
    return Resolver(environ, parse_settings((data or b"").decode(errors="replace"), str(file)))
