"""The benchmarks of mlrepo on this machine, of all users and repositories.

Each one has a file in a directory that all users share, and holds a lock on it while it runs. The
kernel releases the lock of a process that ended in whatever way, so the file of a dead one is
recognised. Files stay until no benchmark runs that may have met them, so that even one that was
short is noticed. Times are seconds since boot, suspension included: every process has the same.

Whoever does not share the directory (another container) is not seen here; its load is, by
:mod:`mlrepo.systems.noise`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# The first one that can be written is used, and all are read. A fixed path: TMPDIR may be a user's.
PLACES = (Path("/dev/shm/mlrepo-benchmarks"), Path("/tmp/mlrepo-benchmarks"))
_NAME = re.compile(r"[0-9]{1,10}-[0-9a-f]{16}\.json")
_LARGEST = 4096
_MOST = 256
_BEAT_SECONDS = 1.0


@dataclass(frozen=True)
class Neighbour:
    """A benchmark; times are in seconds since boot, and ``seen`` is when it last ran for sure."""

    pid: int
    user: str
    began: float
    seen: float
    runs: bool

    def __str__(self) -> str:
        """Return how messages name it."""
        return f"process {self.pid} of {self.user}"


def now() -> float:
    """Return the seconds since boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Announcement:
    """This benchmark's own file; None where there is no directory to write to."""

    places: tuple[Path, ...] = PLACES
    began: float = field(default_factory=now)
    _descriptor: int | None = None
    _beat: float = 0.0

    def __enter__(self) -> Announcement:
        """Announce this benchmark; without a directory to write to it is not announced."""
        for place in self.places:
            with contextlib.suppress(OSError):
                self._announce(place)
                return self
        return self

    def __exit__(self, *ended: object) -> None:
        """Leave the time of the end in the file, and release it."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._write()
        os.close(self._descriptor)
        self._descriptor = None

    def beat(self) -> None:
        """Note that this benchmark still runs, at most once a second."""
        if self._descriptor is not None and now() - self._beat >= _BEAT_SECONDS:
            with contextlib.suppress(OSError):
                self._write()

    def _announce(self, place: Path) -> None:
        with contextlib.suppress(FileExistsError):
            place.mkdir()
            place.chmod(0o1777)
        with _directory(place) as directory:
            _remove_old(directory)
            name = f"{os.getpid()}-{secrets.token_hex(8)}.json"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            descriptor = os.open(f"{name}.new", flags, 0o644, dir_fd=directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._descriptor = descriptor
                self._write()
                # Visible from here on, and locked already.
                os.rename(f"{name}.new", name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                self._descriptor = None
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    os.unlink(f"{name}.new", dir_fd=directory)
                raise

    def _write(self) -> None:
        assert self._descriptor is not None
        self._beat = now()
        entry = {"pid": os.getpid(), "began": self.began, "seen": self._beat}
        os.pwrite(self._descriptor, json.dumps(entry).ljust(128).encode(), 0)


def neighbours(since: float | None = None, places: tuple[Path, ...] = PLACES) -> list[Neighbour]:
    """Return the benchmarks of other processes that run, and those that ran after ``since``."""
    found = [one for place in places for one in _entries(place)]
    moment = now()
    return sorted(
        (
            one
            for one in found
            if one.pid != os.getpid()
            and one.began <= moment
            and (one.runs or (since is not None and one.seen >= since))
        ),
        key=lambda one: one.began,
    )


@contextlib.contextmanager
def _directory(place: Path) -> Iterator[int]:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))[:_MOST]


def _entries(place: Path) -> Iterator[Neighbour]:
    with contextlib.suppress(OSError), _directory(place) as directory:
        for name in _names(directory):
            entry = _read(directory, name)
            if entry is not None:
                yield entry


def _read(directory: int, name: str) -> Neighbour | None:
    """Return the benchmark of a file, None for what is none: anybody may write there."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        entry = json.loads(os.read(descriptor, _LARGEST))
        pid, began, seen = int(entry["pid"]), float(entry["began"]), float(entry["seen"])
        if not (0 < pid < 2**31 and 0 <= began <= seen):
            return None
        return Neighbour(pid, _user(status.st_uid), began, seen, not _is_free(descriptor))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Return whether no living process holds the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_old(directory: int) -> None:
    """Remove the user's own files that no running benchmark can have met."""
    known = {name: entry for name in _names(directory) if (entry := _read(directory, name))}
    oldest = min((one.began for one in known.values() if one.runs), default=now())
    for name, entry in known.items():
        if not entry.runs and (entry.seen < oldest or entry.began > now()):
            with contextlib.suppress(OSError):  # another user's, in a directory like /tmp
                os.unlink(name, dir_fd=directory)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
