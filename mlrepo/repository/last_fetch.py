"""When the hub's branches were last fetched: what others recorded since is not known here."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.process import GitError, git

_CLONED = re.compile(rb"> ([0-9]{1,12}) [+-][0-9]{4}\tclone: from ")
_SCHEMA = "mlrepo.fetch/1"


@dataclass(frozen=True)
class LastFetch:
    """The last time that the hub's branches were fetched.

    Attributes
    ----------
    hub:
        The name of the remote.
    time:
        In UTC; None if it is not known.
    """

    hub: str
    time: datetime.datetime | None

    def to_dict(self) -> dict[str, str | None]:
        """Return it for JSON; the time is RFC 3339 in UTC."""
        said = None if self.time is None else self.time.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"hub": self.hub, "time": said}


def last_fetch(repository: ResultsRepository, hub: str) -> LastFetch | None:
    """Return when the hub was last fetched, by mlrepo or Git; None if there is no such remote."""
    try:
        url = git("config", "--get", f"remote.{hub}.url", cwd=repository.root).strip()
    except GitError:
        return None
    times = [*_noted(repository, hub), *_by_git(repository, url), *_cloned(repository)]
    return LastFetch(hub, max(times, default=None))


def note_fetch(repository: ResultsRepository, hub: str) -> None:
    """Note that the hub was fetched now."""
    repository.store.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    said = {"schema": _SCHEMA, "hub": hub, "time": now.timestamp()}
    write_atomically(_note(repository), f"{json.dumps(said)}\n".encode())


def _note(repository: ResultsRepository) -> Path:
    return repository.store / "last-fetch.json"


def _noted(repository: ResultsRepository, hub: str) -> Iterator[datetime.datetime]:
    try:
        said = json.loads(_note(repository).read_bytes())
        if said["schema"] == _SCHEMA and said["hub"] == hub:
            yield datetime.datetime.fromtimestamp(float(said["time"]), datetime.UTC)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return


def _by_git(repository: ResultsRepository, url: str) -> Iterator[datetime.datetime]:
    """Yield when ``git fetch`` last wrote what it fetched from the URL."""
    from mlrepo.redaction import shown_url

    file = repository.git_dir / "FETCH_HEAD"
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        # Git leaves the login and ".git" out.
        if shown_url(url).rstrip("/").removesuffix(".git") in text:
            yield datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
    except OSError:
        return


def _cloned(repository: ResultsRepository) -> Iterator[datetime.datetime]:
    try:
        with (repository.common_dir / "logs" / "HEAD").open("rb") as log:
            found = _CLONED.search(log.readline())
        if found:
            yield datetime.datetime.fromtimestamp(int(found[1]), datetime.UTC)
    except (OSError, ValueError, OverflowError):
        return
