"""Keep the beginning and the end of what the processes of a run print."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from pathlib import Path
from types import TracebackType

HEAD_SIZE = TAIL_SIZE = 512 * 1024
# How long the pipe is drained after the process ends; others may hold it open.
_LAST_SECONDS = 2.0
_POLL_SECONDS = 0.1


def shortened(path: Path) -> bytes:
    """Return a file's content; if it is too large, head and tail with a note in between."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if not is_shortened(size):
            return stream.read()
        head = stream.read(HEAD_SIZE)
        stream.seek(size - TAIL_SIZE)
        return head + _note(size) + stream.read(TAIL_SIZE)


def is_shortened(size: int) -> bool:
    """Return whether a content of ``size`` bytes is recorded without its middle."""
    return size > HEAD_SIZE + TAIL_SIZE


def shortened_bytes(data: bytes) -> bytes:
    """Like :func:`shortened`, for content in memory."""
    if not is_shortened(len(data)):
        return data
    return data[:HEAD_SIZE] + _note(len(data)) + data[-TAIL_SIZE:]


class Console:
    """Copies a pipe to a file as data arrives, up to a limit.

    The head is written at once. The tail is added at the end, with a note of how much was left out.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; raise OSError where it cannot be written."""
        self._file = path.open("wb", buffering=0)
        self._reader, self.writer = os.pipe()
        self._ended = threading.Event()
        self._until = float("inf")
        self._thread = threading.Thread(target=self._pump, daemon=True)

    def __enter__(self) -> Console:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read the rest and close the file; the processes have ended."""
        self.started()
        self._until = time.monotonic() + _LAST_SECONDS
        self._ended.set()
        self._thread.join()
        os.close(self._reader)
        self._file.close()

    def started(self) -> None:
        """Close our write end of the pipe: the process has it now."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def _pump(self) -> None:
        size, tail = 0, bytearray()
        while data := self._next():
            head = max(0, HEAD_SIZE - size)
            size += len(data)
            self._write(data[:head])
            tail += data[head:]
            if len(tail) > 4 * TAIL_SIZE:
                del tail[:-TAIL_SIZE]
        if is_shortened(size):
            self._write(_note(size))
        self._write(bytes(tail[-TAIL_SIZE:]))

    def _next(self) -> bytes:
        """Return the next output; nothing at the end.

        A process that left the run's session may hold the pipe open; it is not waited for.
        """
        while time.monotonic() < self._until:
            ended = self._ended.is_set()
            if select.select([self._reader], [], [], _POLL_SECONDS)[0]:
                return os.read(self._reader, 1 << 16)
            if ended:
                return b""
        return b""

    def _write(self, data: bytes) -> None:
        # A full disk loses the output, not the run: a full pipe must not block the process.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(data)


def _note(size: int) -> bytes:
    left = size - HEAD_SIZE - TAIL_SIZE
    return f"\n[mlrepo left out {left} of {size} bytes here]\n".encode()
