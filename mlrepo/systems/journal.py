"""What a machine held before a profile was applied: on the disk before the first write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.files import sync_directory, write_atomically

RUN, USER = "run", "user"


@dataclass(frozen=True)
class JournalEntry:
    """What is applied and what to put back.

    Attributes
    ----------
    owner:
        ``run``, or ``user`` for ``mlrepo platform apply``.
    before:
        What each file of the kernel held, by path below the root, in the order of writing.
    script:
        Name and hash of the script that was started; empty where there is none.
    """

    owner: str
    profile: str
    before: Mapping[str, str] = field(default_factory=dict)
    script: tuple[str, str] | None = None


@dataclass(frozen=True)
class Journal:
    """One file; it is there as long as something is to be put back."""

    path: Path

    def read(self) -> JournalEntry | None:
        """Return what is applied, or None.

        Raises
        ------
        UserError
            The file is damaged, or names something that no profile writes.
        """
        try:
            raw = json.loads(self.path.read_bytes())
            before = {str(path): str(text) for path, text in raw["before"].items()}
            if not all(map(_is_knob, before)):
                raise ValueError("it names a file that is no setting of the kernel")
            script = raw.get("script")
            return JournalEntry(
                str(raw["owner"]),
                str(raw["profile"]),
                before,
                (str(script[0]), str(script[1])) if script else None,
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UserError(
                f"{self.path} is damaged: {error}.",
                hint="Remove it after setting governor and frequencies by hand.",
            ) from error

    def write(self, entry: JournalEntry) -> None:
        """Write what is to be put back, synced to the disk."""
        write_atomically(self.path, (json.dumps(vars(entry), indent=1) + "\n").encode())

    def remove(self) -> None:
        """Remove the journal, once everything is as it was."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir():
            sync_directory(self.path.parent)


def _is_knob(path: str) -> bool:
    return path.startswith(("sys/", "proc/sys/")) and ".." not in path.split("/")
