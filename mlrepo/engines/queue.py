"""The queue of one machine, in a directory: its entries, and the process that works on it.

``python -P -m mlrepo.engines.queue DIRECTORY`` runs the entries one after the other and ends when
none is left. An entry is ``<n>.json`` with its script ``<n>.sh``; ``<n>.running`` and ``<n>.ended``
say what became of it. The process holds ``worker.lock`` while it lives, so a job of one that was
killed is told from one that runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.lifetime import bound
from mlrepo.repository.files import write_atomically
from mlrepo.repository.locks import hold_if_free, locked

NOTICE_SECONDS = 120.0
KILLED = "the process of the queue was killed"
_KEPT = 500
_LOCK_SECONDS = 30.0
# A process that ends holds the lock for a moment after it has found the queue empty.
_TURN_SECONDS = 3.0


@dataclass(frozen=True)
class QueuedJob:
    """A job of the queue; ``seconds`` is its limit."""

    number: int
    name: str
    seconds: float
    log: str


@dataclass(frozen=True)
class Queue:
    """The entries in a directory."""

    root: Path

    def add(self, name: str, script: str, seconds: float, log: Path) -> int:
        """Add a job at the end and return its number."""
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / "lock", timeout=_LOCK_SECONDS):
            self._sweep()
            for earlier in self.open_entries():  # an attempt that nobody began
                if earlier.name == name and self._said(earlier.number, "running") is None:
                    write_atomically(self.root / f"{earlier.number}.ended", b"submitted again")
            number = max(self._numbers(), default=0) + 1
            write_atomically(self.root / f"{number}.sh", script.encode())
            entry = {"name": name, "seconds": seconds, "log": str(log)}
            write_atomically(self.root / f"{number}.json", json.dumps(entry).encode())
        return number

    def entries(self) -> Iterator[QueuedJob]:
        """Yield the entries in their order."""
        for number in sorted(self._numbers()):
            with contextlib.suppress(OSError, ValueError, KeyError):
                raw = json.loads((self.root / f"{number}.json").read_text(encoding="utf-8"))
                yield QueuedJob(number, raw["name"], float(raw["seconds"]), raw["log"])

    def open_entries(self) -> list[QueuedJob]:
        """Return the entries that have not ended."""
        return [one for one in self.entries() if self.ended(one.number) is None]

    def ended(self, number: int) -> str | None:
        """Return how an entry ended, or None."""
        return self._said(number, "ended")

    def running(self, number: int) -> bool:
        """Return whether an entry was begun, and has not ended as far as its process said."""
        return self.ended(number) is None and self._said(number, "running") is not None

    def end(self, number: int, why: str) -> None:
        """Note how an entry ended; the first note counts."""
        with locked(self.root / "lock", timeout=_LOCK_SECONDS):
            if self.ended(number) is None:
                write_atomically(self.root / f"{number}.ended", why.encode())

    def begin(self, number: int) -> bool:
        """Take an entry; False if it was cancelled meanwhile."""
        with locked(self.root / "lock", timeout=_LOCK_SECONDS):
            if self.ended(number) is not None:
                return False
            write_atomically(self.root / f"{number}.running", b"")
        return True

    def note_process(self, number: int, process: int) -> None:
        """Note the process of a running entry, which :meth:`interrupt` needs."""
        write_atomically(self.root / f"{number}.running", str(process).encode())

    def interrupt(self, number: int) -> None:
        """Ask a running entry to end."""
        text = self._said(number, "running") or ""
        if self.is_worked_on() and text.isdecimal():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(text), signal.SIGTERM)

    def is_worked_on(self) -> bool:
        """Return whether the queue's process lives."""
        if not self.root.is_dir():
            return False
        lock = hold_if_free(self.root / "worker.lock")
        if lock is None:
            return True
        lock.close()
        return False

    def start(self, module: str, *arguments: str) -> None:
        """Start a process that works on the queue; it ends soon if there is one already."""
        with (self.root / "worker.log").open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(self.root), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _numbers(self) -> list[int]:
        if not self.root.is_dir():
            return []
        stems = (path.stem for path in self.root.glob("*.json"))
        return [int(stem) for stem in stems if stem.isdecimal()]

    def _said(self, number: int, kind: str) -> str | None:
        try:
            return (self.root / f"{number}.{kind}").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _sweep(self) -> None:
        """Forget the oldest jobs that have ended."""
        for number in sorted(self._numbers())[:-_KEPT]:
            if self.ended(number) is not None:
                for kind in ("sh", "json", "running", "ended"):
                    (self.root / f"{number}.{kind}").unlink(missing_ok=True)


@contextlib.contextmanager
def working_on(queue: Queue) -> Iterator[bool]:
    """Hold the queue while working on it; False if another process does and goes on doing so.

    What a process that was killed had begun has ended.
    """
    deadline = time.monotonic() + _TURN_SECONDS
    while (lock := hold_if_free(queue.root / "worker.lock")) is None:
        if time.monotonic() > deadline:
            yield False
            return
        time.sleep(0.05)
    with lock:
        for entry in queue.entries():
            if queue.running(entry.number):
                queue.end(entry.number, KILLED)
        yield True


def work(root: Path) -> None:
    """Run the entries of a queue, one after the other, until none is left."""
    queue = Queue(root)
    with working_on(queue) as mine:
        while mine and (entries := queue.open_entries()):
            if queue.begin(entries[0].number):
                queue.end(entries[0].number, _run(queue, entries[0]))


def _run(queue: Queue, entry: QueuedJob) -> str:
    """Run one entry and return how it ended."""
    script = queue.root / f"{entry.number}.sh"
    with Path(entry.log).open("ab") as log:
        process = subprocess.Popen(
            bound(["bash", str(script)]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        queue.note_process(entry.number, process.pid)
        notice = min(NOTICE_SECONDS, entry.seconds / 2)
        for wait, number in ((entry.seconds - notice, signal.SIGTERM), (notice, signal.SIGKILL)):
            try:
                process.wait(wait)
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, number)
        else:
            process.wait()
            return "its time limit was reached"
    code = process.returncode
    return "it ended" if code == 0 else f"it failed with exit code {code}"


if __name__ == "__main__":
    work(Path(sys.argv[1]))
