"""Advisory locks that the kernel releases when their holder dies, even by kill -9."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mlrepo.errors import Busy


@contextlib.contextmanager
def locked(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold an exclusive ``flock`` on ``path``, created if absent; wait at most ``timeout`` seconds.

    Raises
    ------
    Busy
        Another process still holds it after ``timeout`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path, os.O_RDWR | os.O_CREAT, timeout):
        yield


@contextlib.contextmanager
def locked_directory(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock on an existing directory itself, which leaves no file in it.

    Raises
    ------
    Busy
        Another process still holds it after ``timeout`` seconds.
    """
    with _held(path, os.O_RDONLY | os.O_DIRECTORY, timeout):
        yield


@contextlib.contextmanager
def _held(path: Path, flags: int, timeout: float) -> Iterator[None]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + timeout
        while not _try(descriptor):
            if time.monotonic() > deadline:
                raise Busy(
                    f"Another mlrepo process has held {path} for {timeout:.0f} s.",
                    hint="Wait for it to end and run the command again.",
                )
            time.sleep(0.002)
        yield
    finally:
        os.close(descriptor)


def hold_if_free(path: Path) -> io.FileIO | None:
    """Hold the lock until the returned file is closed; None if another process holds it."""
    file = io.FileIO(path, "a")
    if _try(file.fileno()):
        return file
    file.close()
    return None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
