"""Engines with a queue of their own, and the queue on this machine: one run at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from mlrepo.engines import ENDED, QUEUED, RUNNING, EngineJob, EngineSettings, Seen
from mlrepo.engines.options import refuse_unknown, seconds
from mlrepo.engines.queue import KILLED, Queue
from mlrepo.engines.script import bash_script
from mlrepo.errors import UserError

OPTIONS = {"limit": "the time limit, instead of mlrepo's estimate"}


class QueuedEngine:
    """Jobs in a queue of the repository's clone, on which a process of its own works.

    Attributes
    ----------
    WORKER:
        The module that works on the queue.
    """

    WORKER: ClassVar[str]

    def __init__(self, queue: Queue, *arguments: str) -> None:
        self._queue = queue
        self._arguments = arguments

    def submit(self, job: EngineJob) -> str:
        """Put the job at the end of the queue, and see to it that somebody works on it."""
        number = self._queue.add(job.name, bash_script(job), job.seconds, job.log)
        self._queue.start(self.WORKER, *self._arguments)
        return str(number)

    def look(self, names: Iterable[str]) -> Mapping[str, Sequence[Seen]]:
        """Read the queue."""
        wanted, worked_on = set(names), self._queue.is_worked_on()
        found: dict[str, list[Seen]] = {}
        before = 0
        for entry in self._queue.entries():
            ended = self._queue.ended(entry.number)
            if entry.name in wanted:
                seen = self._seen(entry.number, ended, before, worked_on=worked_on)
                found.setdefault(entry.name, []).insert(0, seen)
            before += ended is None
        return found

    def _seen(self, number: int, ended: str | None, before: int, *, worked_on: bool) -> Seen:
        if ended is not None:
            return Seen(str(number), ENDED, ended)
        if self._queue.running(number):
            return Seen(str(number), RUNNING) if worked_on else Seen(str(number), ENDED, KILLED)
        if not worked_on:  # neither queued nor running anywhere: it is to be submitted again
            return Seen(str(number), ENDED, "the process of the queue was killed before it began")
        return Seen(str(number), QUEUED, f"{before} before it" if before else "")

    def cancel(self, ids: Sequence[str]) -> None:
        """Take jobs out of the queue; the one that runs is asked to end, and records its run."""
        for number in map(int, ids):
            if self._queue.running(number):
                self._queue.interrupt(number)
            else:
                self._queue.end(number, "it was cancelled")


class LocalEngine(QueuedEngine):
    """Jobs on this machine, one after the other, in this repository."""

    WORKER = "mlrepo.engines.queue"
    elsewhere = False
    exclusive = False
    python = ""
    directory = ""

    def __init__(self, settings: EngineSettings) -> None:
        refuse_unknown("local", settings.options, OPTIONS)
        if settings.argument:
            raise UserError(
                f"The engine local is this machine: it takes no {settings.argument!r}.",
                hint="Write --on local.",
            )
        self.limit = seconds(settings.options, "limit")
        super().__init__(Queue(settings.store / "queue"))

    def check(self) -> None:
        """Find nothing to refuse."""
