"""The checker's cached verdicts: one small file per unit, overwritten by the next verdict."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VerdictFiles:
    """The directory ``<git-common-dir>/mlrepo/verdicts/<view>``.

    Verdicts can be computed again at any time: nothing is synced, a full or read-only disk is not
    an error, and the whole directory may be deleted.

    Attributes
    ----------
    root:
        The directory; created with the first verdict.
    """

    root: Path

    def get(self, name: str) -> bytes | None:
        """Return the value stored under the name; None if there is none or it cannot be read."""
        try:
            return (self.root / name).read_bytes()
        except OSError:
            return None

    def put(self, name: str, value: bytes) -> None:
        """Store the value under the name."""
        temporary = self.root / f".{name}.{os.getpid()}"
        try:
            if not self.root.is_dir():
                self.root.mkdir(parents=True)
            temporary.write_bytes(value)
            temporary.replace(self.root / name)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
