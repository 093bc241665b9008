"""What a job is told: a JSON object on its standard input."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.record.codec import Facts

SCHEMA = "mlrepo.job/1"
# The tag of the runs of a job: by it they are found in Git.
TAG = "job-"
_ID = re.compile(r"[0-9a-z]{1,32}\.[0-9]{1,7}\Z")


def is_job_id(text: str) -> bool:
    """Return whether a text can be the id of a job: that of its group, a dot and a number."""
    return bool(_ID.match(text))


@dataclass(frozen=True)
class JobRun(Facts):
    """One run that a job makes; ``test`` is that of a compliance run, else empty."""

    scenario: str
    mode: str
    test: str = ""


@dataclass(frozen=True)
class JobSpec(Facts):
    """What a job does, and where.

    Attributes
    ----------
    job, attempt:
        Its id, and how often it was submitted.
    words:
        The command after ``mlrepo``, without ``--system``.
    kinds:
        The runs that it is to make; empty if that is unknown.
    hub:
        The URL of the repository that gets the runs; empty for a job in the repository ``root``.
    root:
        The working tree in which the command runs, without a hub.
    system:
        The system to record as; empty for a name made of the node's own description.
    directory:
        Where the node keeps its clone; empty for the default.
    author:
        Name and address for the commits, if the node has none.
    version:
        The version of mlrepo that submitted the job.
    alone:
        Whether no other job may be on the node.
    engine:
        The name of the engine.
    outcome:
        The file that gets the outcome if its directory can be reached from the node; may be empty.
    collect:
        Whether the job only records and pushes what an earlier one left on the node.
    """

    job: str
    attempt: int
    words: tuple[str, ...]
    kinds: tuple[JobRun, ...] = ()
    hub: str = ""
    root: str = ""
    system: str = ""
    directory: str = ""
    author: tuple[str, ...] = ()
    version: str = ""
    alone: bool = True
    engine: str = ""
    outcome: str = ""
    collect: bool = False

    @property
    def tag(self) -> str:
        """The tag of its runs."""
        return TAG + self.job

    def to_json(self) -> str:
        """Return the text on one line, in ASCII: no shell can misread it."""
        return json.dumps({"schema": SCHEMA, **self.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Parse the text; raise :class:`UserError` for what no mlrepo of this version wrote."""
        try:
            raw = json.loads(text)
            if raw.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            spec = cls.from_dict(raw)
            if not is_job_id(spec.job):
                raise ValueError(f"{spec.job!r} is not the id of a job")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"The standard input does not describe a job: {error}.",
                hint="Only an engine calls this command: `mlrepo bench suite --benchmark digits "
                "--on slurm` submits jobs.",
            ) from error
        return spec
