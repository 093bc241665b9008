"""Processes that end with the one that started them, as an orphan would disturb the next run.

Each program is bound before it does anything else. ``python -m mlrepo.lifetime HOLDER COMMAND…``
does that for third-party programs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_PR_SET_PDEATHSIG = 1
# proc(5): from -1000 (never killed) to 1000 (always killed first).
_OOM_VICTIM = "1000"
_ORPHANED = 1
# The index of the start time in /proc/PID/stat, after the program's name.
_START = 19


def this_process() -> str:
    """Return an identifier of this process for :func:`end_with`.

    A process id alone is not enough: it is reused after the process has ended, and means another
    process in another namespace.
    """
    return f"{os.getpid()}:{_started(os.getpid())}:{_namespace()}"


def end_with(holder: str) -> None:
    """End this process and its group when the process ``holder`` ends, or now if it has ended.

    A command prefix may have started processes in between, so a thread waits in the kernel until
    the holder ends, at no cost for the measured threads.
    """
    descriptor = _bind(holder)
    if descriptor is None:
        return

    def watch() -> None:
        select.select([descriptor], [], [])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def be_killed_first() -> None:
    """Make the kernel kill this process first if memory runs out, not mlrepo, which records it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_VICTIM)


def bound(command: Sequence[str]) -> list[str]:
    """Return a command that runs ``command`` so that it ends with this process."""
    return [sys.executable, "-P", "-m", "mlrepo.lifetime", this_process(), *command]


def worker_pool(
    workers: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """Return a pool of processes that end with this one, however it ends."""
    # 25 ms to import: avoided if one process does all the work.
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(
        workers, initializer=_begin, initargs=(os.getpid(), initializer, initargs)
    )


def _bind(holder: str) -> int | None:
    """End this process with its parent, or now if ``holder`` has ended; return its pidfd."""
    _signal_at_parents_end()
    process, started, namespace = holder.split(":")
    if namespace != _namespace():
        return None  # a prefix created another PID namespace: the holder is not visible
    try:
        descriptor = os.pidfd_open(int(process))
    except ProcessLookupError:
        os._exit(_ORPHANED)
    except (AttributeError, OSError):
        return None  # not Linux, or an old kernel
    if _started(int(process)) != started:
        os._exit(_ORPHANED)
    return descriptor


def end_with_parent(parent: int) -> None:
    """End this process with the one that forked it, or now if that has ended."""
    _signal_at_parents_end()
    if os.getppid() != parent:
        os._exit(_ORPHANED)


def _begin(parent: int, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    end_with_parent(parent)
    # Ctrl-C reaches all processes of a terminal: these end with the work that they have begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if initializer is not None:
        initializer(*initargs)


def _signal_at_parents_end() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _started(process: int) -> str:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[_START]
    except (OSError, IndexError):
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _main() -> None:
    _bind(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    _main()
