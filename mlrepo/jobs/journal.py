"""The journal of the jobs that this clone submitted: what only the submitter knows.

It is below the clone's own store and never committed. What became of a job is not in it: Git and
the engine know that, see :mod:`mlrepo.jobs.state`.

``jobs/<group>/group.json`` holds what the jobs of one command have in common;
``jobs/<group>/<n>.json`` one job; ``<n>.<attempt>.log`` and ``<n>.<attempt>.outcome.json`` what its
attempts wrote, where nodes share the file system.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.jobs.spec import JobRun
from mlrepo.record.codec import Facts
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.locks import locked

_GROUP = re.compile(r"[0-9a-z]{6}\Z")
_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Attempt(Facts):
    """One submission of a job.

    Attributes
    ----------
    number:
        From 1.
    submitted:
        When, as RFC 3339 in UTC, by the submitter's clock.
    id:
        The engine's name of it; empty if the submitter died before it was noted.
    """

    number: int
    submitted: str
    id: str = ""


@dataclass(frozen=True)
class Job(Facts):
    """A cell that is to be run.

    Attributes
    ----------
    words, kinds:
        As in :class:`~mlrepo.jobs.spec.JobSpec`.
    seconds:
        How long it is expected to take.
    cancelled:
        Whether the user cancelled it.
    """

    id: str
    words: tuple[str, ...]
    kinds: tuple[JobRun, ...]
    seconds: float
    attempts: tuple[Attempt, ...] = ()
    cancelled: bool = False

    @property
    def group(self) -> str:
        """The id of its group."""
        return self.id.partition(".")[0]

    @property
    def number(self) -> int:
        """Its number in the group."""
        return int(self.id.partition(".")[2])

    @property
    def name(self) -> str:
        """Its name in the engine; all attempts have the same."""
        return f"mlrepo-{self.id}"


@dataclass(frozen=True)
class JobGroup(Facts):
    """The jobs of one command.

    Attributes
    ----------
    on:
        The engine with its argument, as typed.
    options:
        Its options, with those of the user's file.
    command:
        The command as typed.
    hub, system, author, alone:
        As in :class:`~mlrepo.jobs.spec.JobSpec`.
    setup:
        Lines of bash before the job, which make its ``interpreter``; empty for the engine's.
    """

    id: str
    on: str
    command: tuple[str, ...]
    created: str
    options: Mapping[str, str] = field(default_factory=dict)
    hub: str = ""
    system: str = ""
    author: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobJournal:
    """The jobs of a clone."""

    root: Path

    @classmethod
    def of(cls, repository: ResultsRepository) -> JobJournal:
        """Return the journal of a repository."""
        return cls(repository.store / "jobs")

    def lock(self) -> AbstractContextManager[None]:
        """Hold the journal for changes; two commands never submit the same job."""
        return locked(self.root / "lock", timeout=_LOCK_SECONDS)

    def new_id(self) -> str:
        """Return the id of a new group, which no other group of this clone has."""
        while (self.root / (name := secrets.token_hex(3))).exists():
            pass
        return name

    def add(self, group: JobGroup, jobs: list[Job]) -> None:
        """Write a group and its jobs, all or nothing."""
        directory = self.root / group.id
        try:
            directory.mkdir(parents=True)
            for job in jobs:
                self.write(job)
            # Written last: a directory without it is none.
            _write(directory / "group.json", group.to_dict())
        except OSError as error:
            raise UserError(
                f"The journal of jobs in {directory} cannot be written: {error.strerror}.",
                hint="The repository must be writable, and its disk must have room. Nothing was "
                "submitted.",
            ) from error

    def write(self, job: Job) -> None:
        """Write one job."""
        _write(self.root / job.group / f"{job.number}.json", job.to_dict())

    def attempted(self, job: Job) -> Job:
        """Note that a job is about to be submitted, before it is: nothing is submitted unnoted."""
        attempt = Attempt(len(job.attempts) + 1, now())
        job = replace(job, attempts=(*job.attempts, attempt))
        self.write(job)
        return job

    def submitted(self, job: Job, name: str) -> Job:
        """Note the engine's name of the last attempt."""
        last = replace(job.attempts[-1], id=name)
        job = replace(job, attempts=(*job.attempts[:-1], last))
        self.write(job)
        return job

    def refused(self, job: Job) -> Job:
        """Take back the last attempt, which the engine did not accept."""
        job = replace(job, attempts=job.attempts[:-1])
        self.write(job)
        return job

    def log(self, job: Job, attempt: int) -> Path:
        """Return the file with the output of an attempt, on a file system that nodes share."""
        return self.root / job.group / f"{job.number}.{attempt}.log"

    def outcome(self, job: Job, attempt: int) -> Path:
        """Return the file with the outcome of an attempt, on a file system that nodes share."""
        return self.root / job.group / f"{job.number}.{attempt}.outcome.json"

    def groups(self) -> list[JobGroup]:
        """Return the groups, newest first; one that cannot be read is left out."""
        found = []
        for path in self.root.glob("*/group.json"):
            with contextlib.suppress(OSError, ValueError, RecursionError):
                group = JobGroup.from_dict(json.loads(path.read_text(encoding="utf-8")))
                if group.id == path.parent.name and _GROUP.match(group.id):
                    found.append(group)
        return sorted(found, key=lambda group: (group.created, group.id), reverse=True)

    def jobs(self, group: JobGroup) -> Iterator[Job]:
        """Yield the jobs of a group, by number."""
        paths = (self.root / group.id).glob("*.json")
        numbered = ((int(path.stem), path) for path in paths if path.stem.isdecimal())
        for _, path in sorted(numbered):
            with contextlib.suppress(OSError, ValueError, RecursionError):
                yield Job.from_dict(json.loads(path.read_text(encoding="utf-8")))

    def find(self, names: tuple[str, ...]) -> list[tuple[JobGroup, list[Job]]]:
        """Return the named groups and jobs, or all.

        Raises
        ------
        UserError
            There is no job or group of a name.
        """
        all_ = [(group, list(self.jobs(group))) for group in self.groups()]
        if not names:
            return all_
        for name in names:
            if not any(name in (group.id, *(job.id for job in jobs)) for group, jobs in all_):
                newest = f", the newest group is {all_[0][0].id}" if all_ else ""
                raise UserError(
                    f"There is no job or group {name!r} in this clone{newest}.",
                    hint="`mlrepo jobs` lists them.",
                )
        picked = [
            (group, [job for job in jobs if group.id in names or job.id in names])
            for group, jobs in all_
        ]
        return [(group, jobs) for group, jobs in picked if jobs]


def _write(path: Path, value: Mapping[str, object]) -> None:
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def now() -> str:
    """Return the time by this machine's clock, as RFC 3339 in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
