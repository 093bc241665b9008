"""How an attempt of a job ended, as the job itself says."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from mlrepo.record.codec import Facts
from mlrepo.repository.files import write_atomically

# Its runs are in Git at the hub; they wait on the node; it could not run; it was asked to end.
RECORDED, KEPT, REFUSED, STOPPED = "recorded", "kept", "refused", "stopped"


@dataclass(frozen=True)
class JobOutcome(Facts):
    """How an attempt ended.

    Attributes
    ----------
    state:
        ``recorded``, ``kept``, ``refused`` or ``stopped``.
    code:
        The exit code of the command of mlrepo that ran, or None.
    reason, hint:
        What went wrong, and what to do next; empty if nothing did.
    node, clone:
        The node, and where its clone is.
    system:
        The system that the runs are recorded as.
    runs:
        The ids of the runs that the attempt made.
    """

    job: str
    attempt: int
    state: str
    code: int | None = None
    reason: str = ""
    hint: str = ""
    node: str = ""
    clone: str = ""
    system: str = ""
    runs: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write it to a file; a directory that the node does not share is no error."""
        with contextlib.suppress(OSError):
            write_atomically(path, (json.dumps(self.to_dict(), indent=2) + "\n").encode())


def read_outcome(path: Path) -> JobOutcome | None:
    """Return the outcome in a file; None if there is none, or none of this version."""
    try:
        return JobOutcome.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
