"""Copies of the full logs elsewhere: a backup, and its way back; each log verified by its name."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.repository.files import sync_directory, write_atomically
from mlrepo.repository.raw_store import RawStore


@dataclass(frozen=True)
class CopiedLogs:
    """What copying did.

    Attributes
    ----------
    copied, size:
        The SHA-256 of the logs that were written, and their bytes.
    there:
        How many were there already, intact.
    damaged:
        The logs whose source is no longer what its name says; they were not copied.
    """

    copied: tuple[str, ...]
    size: int
    there: int
    damaged: tuple[str, ...]


def copy_logs(source: RawStore, target: RawStore) -> CopiedLogs:
    """Copy the logs that the target has not, or has damaged; nothing is ever removed.

    Raises
    ------
    UserError
        The target cannot be written, or its disk is full.
    """
    copied: list[tuple[str, int]] = []
    damaged: list[str] = []
    there = 0
    try:
        target.root.mkdir(parents=True, exist_ok=True)
        for sha256, size in source.entries():
            if _is_intact(target.root / sha256, sha256, size):
                there += 1
                continue
            with contextlib.suppress(FileNotFoundError):  # `mlrepo raw gc` deleted it meanwhile
                if _copy(source.root / sha256, target.root / sha256, sha256):
                    copied.append((sha256, size))
                else:
                    damaged.append(sha256)
        for sha256, origin in source.pinned().items():
            pin = target.root / f"{sha256}.origin"
            if not pin.exists():
                write_atomically(pin, f"{origin}\n".encode())
        sync_directory(target.root)
    except OSError as error:
        raise UserError(
            f"{target.root} cannot be written: {error.strerror}.",
            hint="Make room, or name a directory that you may write; what was copied is intact.",
        ) from error
    return CopiedLogs(
        tuple(sha256 for sha256, _ in copied),
        sum(size for _, size in copied),
        there,
        tuple(damaged),
    )


def _is_intact(path: Path, sha256: str, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size and sha256_file(path) == sha256


def _copy(source: Path, target: Path, sha256: str) -> bool:
    """Copy one log and read it back; return False if the source is damaged."""
    with source.open("rb") as log:
        descriptor, name = tempfile.mkstemp(prefix=f".{sha256}.", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                shutil.copyfileobj(log, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
            if sha256_file(temporary) != sha256:
                return False
            temporary.chmod(0o444)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return True
