"""How the child reports to its parent: one JSON object per line, and a counter."""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from mlrepo.errors import MlrepoError, Unusable, error_line
from mlrepo.harness.spec import EVENTS_FILE, PROGRESS_FILE

_COUNTER = struct.Struct("<q")
FAILED_EXIT = 3


class Reporter:
    """Writes events and counts completed samples.

    The counter is a few bytes of shared memory: counting costs less than a microsecond per batch,
    while a message would disturb the measured latencies.
    """

    def __init__(self, directory: Path) -> None:
        self._events = (directory / EVENTS_FILE).open("a", encoding="utf-8")
        path = directory / PROGRESS_FILE
        path.write_bytes(_COUNTER.pack(0))
        with path.open("r+b") as stream:
            self._counter = mmap.mmap(stream.fileno(), _COUNTER.size)
        self._completed = 0

    def event(self, name: str, **values: Any) -> None:
        """Append one event and hand it to the operating system."""
        self._events.write(json.dumps({"event": name, "time": time.time(), **values}) + "\n")
        self._events.flush()

    def count(self, samples: int) -> None:
        """Add completed samples to the progress counter."""
        self._completed += samples
        _COUNTER.pack_into(self._counter, 0, self._completed)

    def fail(self, error: BaseException) -> NoReturn:
        """Report the failure and end the process at once.

        An exception must not propagate through LoadGen: its logging thread stays alive, and the
        process would abort at exit with ``terminate called`` instead of the reason.
        """
        expected = isinstance(error, MlrepoError)
        try:
            self.event(
                "failed",
                message=error.message if isinstance(error, MlrepoError) else error_line(error),
                hint=error.hint if isinstance(error, MlrepoError) else "",
                detail=error.detail if isinstance(error, MlrepoError) else "",
                expected=expected,
                usage=isinstance(error, Unusable),
                traceback="" if expected else "".join(traceback.format_exception(error)),
            )
        finally:  # also when the disk is full
            os._exit(FAILED_EXIT)


def read_progress(directory: Path) -> int:
    """Return how many samples the child has completed."""
    try:
        return int(_COUNTER.unpack((directory / PROGRESS_FILE).read_bytes())[0])
    except (OSError, struct.error):
        return 0
