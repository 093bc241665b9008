"""The store of full accuracy logs by SHA-256; commits contain only the truncated logs."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import UserError
from mlrepo.repository.files import sync_directory, write_atomically


@dataclass(frozen=True)
class RawStore:
    """The directory ``<git-common-dir>/mlrepo/raw``."""

    root: Path

    def add(self, path: Path) -> str:
        """Keep the file at ``path`` and return its SHA-256; a hard link where the disk allows.

        An already kept log is replaced: it might have been damaged since.

        Raises
        ------
        UserError
            The disk is full or not writable.
        """
        sha256 = sha256_file(path)
        temporary = self.root / f".{sha256}.{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            try:
                os.link(path, temporary)
            except OSError:
                shutil.copyfile(path, temporary)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o444)
            os.utime(temporary)  # kept from now on, however old the run is
            temporary.replace(self.root / sha256)
            sync_directory(self.root)
        except OSError as error:
            raise UserError(
                f"The full log {path} cannot be kept in {self.root}: {error.strerror}.",
                hint="Make room, or make the directory writable.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()  # left by the rename if both were already links to one file
        return sha256

    def export(self, sha256: str, target: Path) -> None:
        """Copy a kept log to ``target`` and verify it; an existing file is not touched."""
        kept = self.root / sha256
        if not kept.is_file():
            raise UserError(
                f"The full log {sha256} is not kept on this machine.",
                hint="Export it on the machine that ran the benchmark; or `mlrepo raw fetch PLACE` "
                "brings it, if `mlrepo raw push PLACE` copied it there.",
            )
        if sha256_file(kept) != sha256:
            raise UserError(f"{kept} is damaged: its SHA-256 is no longer its name.")
        try:
            with kept.open("rb") as source, target.open("xb") as stream:
                try:
                    shutil.copyfileobj(source, stream)
                    stream.flush()
                except BaseException:
                    target.unlink()
                    raise
        except FileExistsError as error:
            raise UserError(
                f"{target} exists and is not overwritten.", hint="Use --output FILE."
            ) from error
        except OSError as error:
            raise UserError(
                f"{target} cannot be written: {error.strerror}.", hint="Use --output FILE."
            ) from error

    def read(self, sha256: str) -> bytes:
        """Return the bytes of a kept log, verified; raise UserError for a damaged one."""
        data = (self.root / sha256).read_bytes()
        if sha256_bytes(data) != sha256:
            raise UserError(
                f"{self.root / sha256} is damaged: its SHA-256 is no longer its name.",
                hint="Repeat the accuracy run.",
            )
        return data

    def pin(self, sha256: str, origin: str) -> None:
        """Mark a log truncated by hand at ``origin`` as needed, although no run names it.

        A pin is a file beside the logs, named after the log it keeps.
        """
        write_atomically(self.root / f"{sha256}.origin", f"{origin}\n".encode())

    def pinned(self) -> dict[str, str]:
        """Return the SHA-256 of each pinned log and the file that it was truncated at."""
        return {
            path.name.removesuffix(".origin"): path.read_text(errors="replace").strip()
            for path in self.root.glob("*.origin")
        }

    def entries(self) -> list[tuple[str, int]]:
        """Return (SHA-256, bytes) of every kept log."""
        if not self.root.is_dir():
            return []
        return sorted((p.name, p.stat().st_size) for p in self.root.iterdir() if len(p.name) == 64)

    def kept_since(self, sha256: str) -> float:
        """Return when a kept log was last added, in seconds since the epoch."""
        return (self.root / sha256).stat().st_mtime

    def remove(self, sha256: str) -> None:
        """Delete one kept log."""
        (self.root / sha256).unlink(missing_ok=True)
