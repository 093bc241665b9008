"""A child process ends with its parent: an orphan would disturb what is measured next."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let the kernel end this process with its parent: an orphan would disturb the next run."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def die_with(process: int) -> None:
    """End this process and its group with ``process``: a command prefix may stand between them.

    A thread sleeps in the kernel until then; it costs the measured ones nothing.
    """
    try:
        descriptor = os.pidfd_open(process)
    except (AttributeError, OSError):
        return  # not Linux, an old one, or a prefix that made another process namespace

    def watch() -> None:
        select.select([descriptor], [], [])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
