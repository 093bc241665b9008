"""What may not be committed or pushed: secrets, files over the forge's limit, early results."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mlrepo.guard.embargo import Embargo, is_result_path
from mlrepo.guard.recognise import kind_of_result
from mlrepo.redaction import shown_url
from mlrepo.repository.committed_settings import committed_settings
from mlrepo.repository.discovery import read_settings
from mlrepo.repository.outgoing import Outgoing, OutgoingBlob, entry_names, read_blobs
from mlrepo.secret_anchors import KINDS, possible_kinds
from mlrepo.secret_scan import ALLOW_MARK, find_secrets, without_secrets
from mlrepo.settings import FILE_NAME, Resolver

# docs.github.com, "About large files on GitHub": a push with a file over 100 MiB is blocked.
MAX_FILE_SIZE = 100 * 1024 * 1024
# Bytes searched for signs of a credential at a time.
_SEARCHED_AT_ONCE = 1 << 20


def large_files(blobs: Sequence[OutgoingBlob], limit: int = MAX_FILE_SIZE) -> list[str]:
    """Return one message for each blob over ``limit`` bytes."""
    return [
        f"{_shown(blob.path)}: {blob.size} bytes; GitHub refuses files over {limit} bytes. Keep it "
        "out of Git (.gitignore); an accuracy log is shortened by `mlrepo truncate`."
        for blob in blobs
        if blob.size > limit
    ]


def secrets_in(root: Path, objects: Sequence[OutgoingBlob]) -> list[str]:
    """Return one message for each credential in the objects, without its text."""
    return [
        message
        for batch in _batches(root, objects)
        if (kinds := possible_kinds(b"\n".join(data for _, data in batch)))
        for found, data in batch
        for message in secret_messages(found.path, data, kinds)
    ]


def first_result(root: Path, leaving: Outgoing) -> str:
    """Return the path and kind of a result among the outgoing objects, or an empty string.

    A result is recognized by its path or, under any name, by its content, even in the messages of
    commits and tags.
    """
    path = next((path for path in leaving.paths if is_result_path(path)), "")
    if path:
        return path
    objects = [*leaving.blobs, *(other for other in leaving.others if other.kind != "tree")]
    return next(
        (
            f"{found.path} ({kind})"
            for batch in _batches(root, objects)
            for found, data in batch
            if (kind := kind_of_result(data))
        ),
        "",
    )


def secrets_in_names(what: str, names: Sequence[str]) -> list[str]:
    """Return one message for each name with a credential in it, which is masked."""
    return [
        f"{what} {_shown(name)}: this looks like a secret ({kinds}). "
        "Give it another name, and revoke the secret at its issuer."
        for name in names
        if (kinds := ", ".join(s.kind for s in find_secrets(name.encode(errors="surrogateescape"))))
    ]


def secret_messages(path: str, data: bytes, among: Collection[str] = KINDS) -> list[str]:
    """Return one message for each credential in the content of one file, without its text."""
    return [
        f"{_shown(path)}:{secret.line}: this looks like a secret ({secret.kind}). Remove it and "
        f"revoke it at its issuer; if it is not one, write {ALLOW_MARK.decode()} into the line."
        for secret in find_secrets(data, among)
    ]


def refused_by(embargo: Embargo, url: str, result: str) -> str:
    """Return why a result may not go to a URL."""
    place = shown_url(url)
    return (
        f"{_shown(result)}: results may not become public before {embargo.until} (setting embargo "
        f"in {embargo.origin}), and {place} counts as public. If only your organisation can read "
        f"it: mlrepo config set private_remotes {place}, and commit {FILE_NAME}."
    )


def embargo_broken(
    paths: Sequence[str], *, url: str, settings: Mapping[str, str], today: datetime.date
) -> list[str]:
    """Return why results may not go to this URL today; nothing if they may.

    A URL is public unless ``private_remotes`` names it, or it is the official repository and
    ``official.visibility`` says private.
    """
    private = {name.strip() for name in settings.get("private_remotes", "").split(",")} - {""}
    if settings.get("official.visibility") == "private":
        private |= {settings.get("official.repository", "")} - {""}
    embargo = Embargo(settings.get("embargo", ""), private=frozenset(private))
    results = next(filter(is_result_path, paths), "")
    return [refused_by(embargo, url, results)] if results and embargo.holds(url, today) else []


def settings_for_hooks(root: Path, environ: Mapping[str, str]) -> Resolver:
    """Return the settings that apply in a hook, which has no command-line flags.

    ``mlrepo.toml`` is the working tree's, else the committed one: an experiment or submission
    branch may have none, and the settings also apply when such a branch is checked out.

    Raises
    ------
    UserError
        The file is not a valid ``mlrepo.toml``.
    """
    file = root / FILE_NAME
    if file.is_file():
        return Resolver(environ, read_settings(file))
    committed = committed_settings(root)
    return Resolver(environ, committed[0][1] if committed else {})


def _shown(name: str) -> str:
    """Return a path or name for messages, with secrets masked."""
    return without_secrets(name.encode(errors="surrogateescape"))[0].decode(errors="replace")


def _batches(
    root: Path, objects: Sequence[OutgoingBlob]
) -> Iterator[list[tuple[OutgoingBlob, bytes]]]:
    """Yield the readable objects with their content; that of a directory is its names."""
    batch: list[tuple[OutgoingBlob, bytes]] = []
    size = 0
    for found, data in read_blobs(root, [o for o in objects if o.size <= MAX_FILE_SIZE]):
        if size + len(data) > _SEARCHED_AT_ONCE and batch:
            yield batch
            batch, size = [], 0
        batch.append((found, entry_names(data) if found.kind == "tree" else data))
        size += len(data)
    if batch:
        yield batch
