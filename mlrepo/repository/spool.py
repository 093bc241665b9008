"""The spool: it holds a run from its start until the run is on its branch.

``<git-common-dir>/mlrepo/spool/<run-id>/`` is the working directory of the run's child process.
The ``mlrepo`` process that owns it holds the lock beside it; a directory whose lock is free was
left by a crash, and the next process that finds it records the run.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.record import is_run_id
from mlrepo.repository.locks import hold_if_free


@dataclass(frozen=True)
class SpooledRun:
    """One directory of the spool, owned by this process."""

    directory: Path
    lock: io.FileIO

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.directory.name

    def discard(self) -> None:
        """Remove the directory, after the run was recorded; a crash midway is cleaned up later."""
        doomed = self.directory.with_name(f".{self.directory.name}")
        self.directory.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)  # another process may be sweeping it up
        _lock_of(self.directory).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Give up ownership; the directory stays for `mlrepo doctor --fix` or the next run."""
        self.lock.close()


@dataclass(frozen=True)
class Spool:
    """All runs that are not in Git yet."""

    root: Path

    def create(self, run_id: str) -> SpooledRun:
        """Create the directory of a new run, owned by this process."""
        directory = self.root / run_id
        lock = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = hold_if_free(_lock_of(directory))
            if lock is None:
                raise UserError(f"The run {run_id} is being executed already.")
            directory.mkdir()
        except OSError as error:
            if lock is not None:
                lock.close()
            raise UserError(
                f"No directory for the run can be made in {self.root}: {error.strerror}.",
                hint="The repository must be writable, and its disk must have room.",
            ) from error
        return SpooledRun(directory, lock)

    def orphans(self) -> Iterator[SpooledRun]:
        """Take over the runs that dead processes left behind, and yield them."""
        for directory in self._directories():
            lock = hold_if_free(_lock_of(directory))
            if lock is None:
                continue
            if directory.is_dir():
                yield SpooledRun(directory, lock)
            else:  # recorded and discarded between listing and locking
                _lock_of(directory).unlink(missing_ok=True)
                lock.close()

    def count_orphans(self) -> int:
        """Return how many runs dead processes left behind, without taking them over."""
        number = 0
        for directory in self._directories():
            lock = hold_if_free(_lock_of(directory))
            if lock is not None:
                number += directory.is_dir()
                lock.close()
        return number

    def run_ids(self) -> list[str]:
        """Return the runs that are not in Git yet: still running, or left by a crash."""
        return [directory.name for directory in self._directories()]

    def sweep(self) -> None:
        """Remove directories whose removal was interrupted by a crash."""
        if self.root.is_dir():
            for doomed in self.root.glob(".[0-9]*"):
                if doomed.is_dir():
                    shutil.rmtree(doomed, ignore_errors=True)

    def _directories(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(p for p in self.root.iterdir() if is_run_id(p.name) and p.is_dir())


def _lock_of(directory: Path) -> Path:
    return directory.with_name(directory.name + ".lock")
