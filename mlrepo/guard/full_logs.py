"""The places that keep the full logs of a submission's truncated accuracy logs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import UserError
from mlrepo.logs.accuracy import TRUNCATED_SIZE, truncated
from mlrepo.repository.files import sync_directory
from mlrepo.repository.raw_store import RawStore


@dataclass(frozen=True)
class FullLogs:
    """The places that keep one full log.

    Attributes
    ----------
    store:
        mlrepo's directory below the Git common directory; the log goes to its ``raw``. None without
        a Git repository: then ``backup`` keeps it, or the log is a copy of one that stays.
    backup:
        The file that receives a copy, or None.
    """

    store: Path | None
    backup: Path | None = None

    def lock(self, log: Path) -> Path:
        """Return the file whose lock a truncation of ``log`` holds."""
        if self.store is not None:
            return self.store / "truncate.lock"
        place = sha256_bytes(bytes(log.parent.resolve()))
        return Path(tempfile.gettempdir()) / f"mlrepo-truncate-{place[:16]}.lock"

    def refuse_taken_backup(self, log: Path) -> None:
        """Raise UserError if the backup file already has another log."""
        taken = self.backup is not None and self.backup.exists()
        if taken and self.backup and sha256_file(self.backup) != sha256_file(log):
            raise UserError(
                f"{self.backup} is the backup of another log and is not overwritten; {log} was "
                "left alone.",
                hint="Name another --backup directory.",
            )

    def keep(self, log: Path, sha256: str, origin: str) -> None:
        """Keep the log, which comes from ``origin`` and has this SHA-256.

        Raises
        ------
        UserError
            There is no space, or the log is being changed.
        """
        if self.backup is not None:
            _back_up(log, sha256, self.backup)
        if self.store is None:
            return
        raw = RawStore(self.store / "raw")
        if raw.add(log) != sha256:
            raise _changed(log)
        raw.pin(sha256, origin)

    def holds(self, sha256: str) -> bool:
        """Return whether the log with this SHA-256 is kept undamaged."""
        return any(sha256_file(file) == sha256 for file, name in self._files() if name == sha256)

    def cut_to(self, short: bytes) -> list[str]:
        """Return the SHA-256 of each undamaged kept log whose truncated form is ``short``."""
        found = set()
        for file, name in self._files():
            with file.open("rb") as stream:
                if truncated(stream, file.stat().st_size) != short:
                    continue
            sha256 = sha256_file(file)
            if name in ("", sha256):
                found.add(sha256)
        return sorted(found)

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield the kept logs with the SHA-256 under which each is kept, or ''."""
        if self.store is not None:
            raw = RawStore(self.store / "raw")
            for sha256, size in raw.entries():
                if size > TRUNCATED_SIZE:
                    yield raw.root / sha256, sha256
        if self.backup is not None and self.backup.is_file():
            yield self.backup, ""


def _back_up(log: Path, sha256: str, target: Path) -> None:
    if target.exists():  # it has this log: refuse_taken_backup refused any other
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.copy2(log, partial)
        if sha256_file(partial) != sha256:
            raise _changed(log)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.rename(target)
        sync_directory(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _changed(log: Path) -> UserError:
    return UserError(
        f"{log} was changed by another program just now.", hint="Run the command again."
    )
