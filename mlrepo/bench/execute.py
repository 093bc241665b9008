"""Run the child process of a benchmark: start it, watch it, survive its failures."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mlrepo.bench.console import Console
from mlrepo.bench.judge import CLOCK, OUTCOME_FILE, ChildExit
from mlrepo.errors import UserError
from mlrepo.harness import child as entry
from mlrepo.harness.clock import MOST_SET_SECONDS, clock_offset
from mlrepo.harness.events import read_progress
from mlrepo.harness.spec import CONSOLE_FILE, read_events
from mlrepo.limits import memory_kills
from mlrepo.record import timestamp
from mlrepo.repository.files import write_atomically
from mlrepo.systems.noise import load_now

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 5.0
# How long the rate of the warm-up is better known than that of the run.
_FIRST_SECONDS = 2.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotStartedError(UserError):
    """The benchmark process could not be started, so there is nothing to record."""


@dataclass(frozen=True)
class RunLength:
    """What decides how long LoadGen runs: a duration, or a number of samples at a rate.

    Both are minimums: a run ends when it has had both. ``rate`` is the expected samples per second.
    """

    duration: float
    samples: float
    rate: float

    @property
    def seconds(self) -> float:
        """The expected seconds."""
        return max(self.duration, self.samples / self.rate if self.rate > 0 else 0.0)

    @property
    def why(self) -> str:
        """What decides, in words."""
        if self.seconds > self.duration:
            rate = f"{self.rate:,.0f}" if self.rate >= 100 else f"{self.rate:.3g}"
            return f"{self.samples:,.0f} samples at {rate}/s"
        return f"it lasts at least {self.duration:,.6g} s"

    def left(self, elapsed: float, samples: int) -> float:
        """Return the expected seconds left: of the duration or of the samples, the larger."""
        measured = samples > 0 and elapsed > _FIRST_SECONDS
        rate = samples / elapsed if measured else self.rate
        rest = max(0.0, self.samples - samples)
        return max(0.0, self.duration - elapsed, rest / rate if rate > 0 else 0.0)


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes
    ----------
    phase:
        ``starting``, ``loading``, ``compiling``, ``warming``, ``comparing``, ``generating``
        (LoadGen builds its list of queries), ``started`` (measuring) or ``finished``.
    elapsed:
        Seconds since the phase began.
    fraction:
        The completed fraction, 0 to 1, if known.
    left:
        Expected seconds left, if known.
    samples:
        Samples completed.
    steps:
        How much of the phase is done, in words: ``12 of 48 functions``.
    length:
        How long the run is expected to take, once that is known.
    clock:
        The clock's offset when a performance run began (:func:`clock_offset`).
    """

    phase: str
    elapsed: float
    samples: int
    fraction: float | None = None
    left: float | None = None
    steps: str = ""
    length: RunLength | None = None
    clock: float | None = None


def execute(
    directory: Path,
    environ: Mapping[str, str],
    *,
    prefix: Sequence[str] = (),
    timeout: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ChildExit:
    """Run the specification in ``directory`` and save how the child ended.

    The child has its own session, so that Ctrl-C reaches only the parent, which then stops the
    child and records the interrupted run.

    Raises
    ------
    NotStartedError
        The command prefix cannot be started, or the directory cannot be written.
    UserError
        How the child ended could not be saved; keep the directory.
    """
    command = [*prefix, *entry.command(entry.RUN)]
    kills = memory_kills()
    with _stop_requests() as stop, _console(directory) as console:
        child = _start(command, directory, environ, console)
        try:
            stopped, clock_set = _watch(child, directory, stop, timeout, on_progress)
        finally:
            _end(child)
    ended = timestamp(datetime.datetime.now(datetime.UTC))
    outcome = ChildExit(
        child.returncode, stopped, ended, load_now(), memory_kills() - kills, clock_set
    )
    try:
        write_atomically(directory / OUTCOME_FILE, json.dumps(outcome.to_dict()).encode())
    except OSError as error:
        raise UserError(
            f"{directory} cannot be written: {error.strerror}.",
            hint="Make room, then run `mlrepo doctor --fix`: it records what there is of the run.",
        ) from error
    return outcome


def _console(directory: Path) -> Console:
    try:
        return Console(directory / CONSOLE_FILE)
    except OSError as error:
        raise NotStartedError(
            f"{directory} cannot be written: {error.strerror}.",
            hint="Make room on the disk and run the command again; nothing was started.",
        ) from error


def _start(
    command: Sequence[str], directory: Path, environ: Mapping[str, str], console: Console
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=console.writer,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise NotStartedError(
            f"The command prefix {command[0]!r} cannot be started: {error.strerror}.",
            hint="Check --prefix.",
        ) from error
    finally:
        console.started()


def _watch(
    child: subprocess.Popen[bytes],
    directory: Path,
    stop: list[str],
    timeout: float | None,
    on_progress: Callable[[Progress], None],
) -> tuple[str, float]:
    """Wait for the child; return why it must be stopped, '' if it ended, and how the clock was set.

    Those are the seconds by which the clock was set while LoadGen measured by it; 0 if it was not.
    """
    begin = time.monotonic()
    on_progress(_progress(directory))
    while True:
        running = _is_running(child)
        now = _progress(directory)  # also what it said since, of a short run everything
        on_progress(now)
        clock_set = 0.0 if now.clock is None else clock_offset() - now.clock
        if abs(clock_set) <= MOST_SET_SECONDS:
            clock_set = 0.0
        if not running:
            return "", clock_set
        if stop:
            return stop[0], clock_set
        if clock_set:
            return CLOCK, clock_set
        if timeout is not None and time.monotonic() - begin > timeout:
            return "timeout", clock_set


def _is_running(child: subprocess.Popen[bytes]) -> bool:
    """Wait a moment; say whether the child still runs."""
    try:
        child.wait(timeout=_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _progress(directory: Path) -> Progress:
    last: Mapping[str, object] = {"event": "starting", "time": time.time()}
    begin = last
    length: RunLength | None = None
    clock: float | None = None
    for event in read_events(directory):
        last = event
        length = _length_of(event) or length
        if isinstance(found := event.get("clock"), float):
            clock = found
        if event["event"] != begin["event"]:
            begin = event
    phase = str(last["event"])
    elapsed = max(0.0, time.time() - float(str(begin["time"])))
    samples = read_progress(directory)
    if phase == "compiling":
        known = "total" in last
        steps = f"{last['done']} of {last['total']} functions" if known else ""
        return Progress(phase, elapsed, samples, steps=steps)
    if phase != "started" or length is None:
        return Progress(phase, elapsed, samples, length=length, clock=clock)
    left = length.left(elapsed, samples)
    fraction = elapsed / (elapsed + left) if elapsed + left > 0 else 1.0
    return Progress(phase, elapsed, samples, fraction, left, length=length, clock=clock)


def _length_of(event: Mapping[str, object]) -> RunLength | None:
    values = [event.get(name) for name in ("min_duration", "least_samples", "rate")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return RunLength(*numbers) if len(numbers) == len(values) else None


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill every process of the child's session."""
    for number, grace in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[str]]:
    """Collect the names of termination signals instead of being killed by them."""
    received: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)

    try:
        before = {number: signal.signal(number, note) for number in _STOPPING}
    except ValueError:  # not in the main thread: the caller handles signals
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
