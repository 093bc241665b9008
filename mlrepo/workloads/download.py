"""A downloader that resumes, verifies, and never leaves a partial file under the final name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from mlrepo import __version__
from mlrepo.errors import RemoteUnavailable, UserError

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60


def download(
    url: str,
    target: Path,
    *,
    md5: str = "",
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> None:
    """Download ``url`` to ``target``; the next call resumes an interrupted download.

    Parameters
    ----------
    md5:
        The published checksum; a file that differs is removed and refused. Empty: not checked.
    on_progress:
        Called with the bytes received and the bytes expected (None if the server does not say).

    Raises
    ------
    RemoteUnavailable
        The server did not answer or refused, or the connection broke; received data are kept.
    UserError
        The hash is wrong, or the file cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, on_progress)
        found = _md5(part) if md5 else ""
        if found != md5:
            part.unlink()
            raise UserError(
                f"{url} is not the published file: its MD5 is {found}, expected {md5}.",
                hint="Fetch it again; if this persists, the file on the server was changed.",
            )
        part.replace(target)
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as e:
        reason = e.reason if isinstance(e, urllib.error.URLError) else e
        raise RemoteUnavailable(
            f"{url} cannot be fetched: {reason}.",
            hint="What was downloaded is kept; the same command continues. Or download the file "
            "elsewhere and name it with --model-file.",
        ) from e
    except OSError as error:
        room = " (no space left)" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise UserError(
            f"{part} cannot be written: {error.strerror}{room}.",
            hint="Make room, then run the same command: it continues.",
        ) from error


def _receive(url: str, part: Path, on_progress: Callable[[int, int | None], None]) -> None:
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": f"mlrepo/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        reply = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the file is already complete
            return
        raise
    with reply:
        if have and reply.status != 206:  # no range support: restart
            have = 0
        length = reply.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as stream:
            while block := reply.read(_BLOCK):
                stream.write(block)
                have += len(block)
                on_progress(have, total)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
