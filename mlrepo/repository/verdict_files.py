"""The checker's remembered verdicts: one small file for each unit, overwritten by the next."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VerdictFiles:
    """The directory ``<git-common-dir>/mlrepo/verdicts/<view>``.

    What is kept can be judged again at any time: nothing is synced, a disk that is full or cannot
    be written is no error, and the whole directory may be deleted.

    Attributes
    ----------
    root:
        The directory; made when the first verdict is kept.
    """

    root: Path

    def get(self, name: str) -> bytes | None:
        """Return what is kept under the name; None where nothing is, or it cannot be read."""
        try:
            return (self.root / name).read_bytes()
        except OSError:
            return None

    def put(self, name: str, value: bytes) -> None:
        """Keep the value under the name."""
        temporary = self.root / f".{name}.{os.getpid()}"
        try:
            if not self.root.is_dir():
                self.root.mkdir(parents=True)
            temporary.write_bytes(value)
            temporary.replace(self.root / name)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
