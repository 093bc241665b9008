"""Set the clock for one process and its children, for every program in them: a library before libc.

Nobody may set the clock of a machine that others use. The library's ``clock_gettime`` adds the
nanoseconds that a file holds to the time of day, and leaves other clocks alone.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *shift(void) {
  static const int64_t *known;
  if (!known) {
    const char *name = getenv("MLREPO_TEST_SHIFT");
    int file = name ? open(name, O_RDONLY) : -1;
    if (file < 0) return 0;
    void *found = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found == MAP_FAILED) return 0;
    known = found;
  }
  return known;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  const int64_t *by = clock == CLOCK_REALTIME && !failed ? shift() : 0;
  if (by) {
    int64_t all = now->tv_sec * 1000000000LL + now->tv_nsec + *by;
    now->tv_sec = all / 1000000000LL;
    now->tv_nsec = all % 1000000000LL;
  }
  return failed;
}
"""


class SettableClock:
    """A clock that can be set; ``environ`` has the variables for a process that goes by it."""

    def __init__(self, place: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler, which makes the library of the clock")
        source, library = place / "clock.c", place / "clock.so"
        source.write_text(_SOURCE)
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        self._file = place / "shift"
        self._file.write_bytes(bytes(8))
        self.environ = {"LD_PRELOAD": str(library), "MLREPO_TEST_SHIFT": str(self._file)}

    def set_by(self, seconds: float) -> None:
        """Set the clock by so many seconds from the true time."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", round(seconds * 1e9)))
