"""The queue on this machine: one run at a time, in this repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlrepo.engines import ENDED, QUEUED, RUNNING, EngineJob, EngineSettings, Seen
from mlrepo.engines.options import flag, refuse_unknown, seconds
from mlrepo.engines.queue import Queue
from mlrepo.engines.script import bash_script
from mlrepo.errors import UserError

OPTIONS = {
    "limit": "the time limit, instead of mlrepo's estimate",
    "alone": "accepted for the sake of other engines: there is nobody to look for",
}


class LocalEngine:
    """Jobs on this machine, one after the other, by a process of their own."""

    elsewhere = False
    python = ""
    directory = ""

    def __init__(self, settings: EngineSettings) -> None:
        refuse_unknown("local", settings.options, OPTIONS)
        if settings.argument:
            raise UserError(
                f"The engine local is this machine: it takes no {settings.argument!r}.",
                hint="Write --on local.",
            )
        self.exclusive = flag(settings.options, "alone", False)
        self.limit = seconds(settings.options, "limit")
        self._queue = Queue(settings.store / "queue")

    def check(self) -> None:
        """Find nothing to refuse."""

    def submit(self, job: EngineJob) -> str:
        """Put the job at the end of the queue, and see to it that somebody works on it."""
        number = self._queue.add(job.name, bash_script(job), job.seconds, job.log)
        self._queue.start()
        return str(number)

    def look(self, names: Iterable[str]) -> Mapping[str, Sequence[Seen]]:
        """Read the queue."""
        wanted, worked_on = set(names), self._queue.is_worked_on()
        found: dict[str, list[Seen]] = {}
        before = 0
        for entry in self._queue.entries():
            ended = self._queue.ended(entry.number)
            waits = ended is None and not self._queue.running(entry.number)
            if entry.name in wanted:
                seen = self._seen(entry.number, ended, before, waits=waits, worked_on=worked_on)
                found.setdefault(entry.name, []).insert(0, seen)
            before += ended is None
        return found

    def _seen(
        self, number: int, ended: str | None, before: int, *, waits: bool, worked_on: bool
    ) -> Seen:
        if ended is not None:
            return Seen(str(number), ENDED, ended)
        if not waits:
            if worked_on:
                return Seen(str(number), RUNNING)
            return Seen(str(number), ENDED, "the process of the queue was killed")
        if not worked_on:
            return Seen(str(number), QUEUED, "nobody works on the queue: `mlrepo jobs wait` does")
        return Seen(str(number), QUEUED, f"{before} before it" if before else "")

    def cancel(self, ids: Sequence[str]) -> None:
        """Take jobs out of the queue; the one that runs is asked to end, and records its run."""
        for number in map(int, ids):
            if self._queue.running(number):
                self._queue.interrupt(number)
            else:
                self._queue.end(number, "it was cancelled")

    def resume(self) -> None:
        """See to it that somebody works on what waits."""
        if any(self._queue.ended(one.number) is None for one in self._queue.entries()):
            self._queue.start()
