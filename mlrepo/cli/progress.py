"""Progress on standard error: one line on a terminal, cut to its width; else a line per phase."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Never

import click

from mlrepo.cli.screen import own
from mlrepo.cli.verbosity import quiet

if TYPE_CHECKING:
    from tqdm import tqdm

    from mlrepo.bench.execute import Progress

_PHASES = {
    "starting": "starting",
    "loading": "loading model and data",
    "compiling": "compiling",
    "warming": "warming up",
    "comparing": "comparing scores",
    "generating": "generating queries",
    "started": "measuring",
    "finished": "ending",
    "failed": "ending",
}
_REDRAW_SECONDS = 0.2
_USUAL_WIDTH = 80


def duration_words(seconds: float) -> str:
    """Return a duration for people: ``45 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class ProgressLine:
    """The progress of a run, after one line that says how long it takes and why.

    ``more`` returns text to append, such as the time left for all of the work; ``shorter`` says how
    to shorten a long run.
    """

    def __init__(
        self, label: str, more: Callable[[Progress], str] | None = None, *, shorter: str = ""
    ) -> None:
        self._label = label
        self._more = more
        self._shorter = shorter
        self._phase = ""
        self._said_length = False
        self._line = _TerminalLine()
        self._quiet = quiet()

    def update(self, progress: Progress) -> None:
        """Draw the progress, at most five times a second."""
        if self._quiet:
            return
        self._say_length(progress)
        changed = progress.phase != self._phase
        self._phase = progress.phase
        text = f"{self._label}: {_PHASES[progress.phase]}"
        if not self._line.terminal:
            if changed:
                click.echo(text + self._rest(progress), err=True)
            return
        # What is cut first on a narrow terminal comes last.
        if progress.left is not None:
            text += f"  {duration_words(progress.left)} left"
        text += f"{self._rest(progress)}  {duration_words(progress.elapsed)}"
        if progress.samples:
            text += f"  {progress.samples:,} samples"
        self._line.draw(text, progress.fraction, at_once=changed)

    def _say_length(self, progress: Progress) -> None:
        length = progress.length
        if length is None or self._said_length:
            return
        self._said_length = True
        self._line.clear()
        words = f"{self._label}: about {duration_words(length.seconds)}: {length.why}"
        if self._shorter and length.seconds >= 60:
            words += f"; {self._shorter}"
        click.echo(words, err=True)

    def _rest(self, progress: Progress) -> str:
        more = (progress.steps, self._more(progress) if self._more else "")
        return "".join(f"  ({words})" for words in more if words)

    def close(self) -> None:
        """Remove the line."""
        self._line.clear()


class StepLine:
    """Progress of work of known size, with the time left; redrawn on a terminal only."""

    def __init__(self, label: str, *, unit: str) -> None:
        self._unit = unit
        self._line = _TerminalLine()
        self.begin(label)

    def begin(self, label: str) -> None:
        """Begin with the work, or with another part of it."""
        self._label = label
        self._begun: tuple[float, int] | None = None
        if not self._line.terminal and not quiet():
            click.echo(label, err=True)

    def update(self, done: int, total: int | None) -> None:
        """Draw how much is done, at most five times a second."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, done)
        text = f"{self._label}: {done:,} {self._unit}"
        if total:
            text += f" of {total:,}"
            began, before = self._begun
            if done > before:
                left = (total - done) * (now - began) / (done - before)
                text += f"  {duration_words(left)} left"
        self._line.draw(text, done / total if total else None, at_once=done == total)

    def close(self) -> None:
        """Remove the line."""
        self._line.clear()


class TextLine:
    """A changing text with the time left; redrawn on a terminal only."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._line = _TerminalLine()
        if not self._line.terminal and not quiet():
            click.echo(label, err=True)

    def update(self, text: str, left: float) -> None:
        """Draw a text, and the estimated seconds left."""
        shown = f"{self._label}: {text}  {duration_words(max(0.0, left))} left"
        self._line.draw(shown, None, at_once=True)

    def close(self) -> None:
        """Remove the line."""
        self._line.clear()


class _TerminalLine:
    """One line of a terminal that tqdm draws; nothing where there is no terminal, or with -q."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty() and not quiet()
        self._bar: tqdm[Never] | None = None
        self._drawn = 0.0

    def draw(self, text: str, fraction: float | None, *, at_once: bool) -> None:
        """Draw a text, with a bar if the completed fraction is known."""
        now = time.monotonic()
        if not self.terminal or (not at_once and now - self._drawn < _REDRAW_SECONDS):
            return
        self._drawn = now
        if self._bar is None:
            self._bar = _bar(text)
        bar = self._bar
        # The text is an argument of the format, not a part of it: it may have braces.
        bar.bar_format = "{desc}" if fraction is None else "{desc}  {percentage:3.0f}% {bar:10}"
        bar.n, bar.ncols = fraction or 0.0, _width()
        bar.set_description_str(text, refresh=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Stderr:
    """Standard error for tqdm, whose only control character is a carriage return."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return sys.stderr.write(text.replace("\r", own("\r")))

    def flush(self) -> None:
        sys.stderr.flush()


def _bar(text: str) -> tqdm[Never]:
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread: what draws is called often enough
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    # It is drawn when it is made.
    return tqdm(
        desc=text,
        bar_format="{desc}",
        ncols=_width(),
        total=1.0,
        leave=False,
        file=_Stderr(),
        ascii=not unicode,
    )


def _width() -> int:
    """Return the columns of the terminal, one less: a full line would wrap on some.

    ``COLUMNS`` can make it narrower, never wider than the terminal is.
    """
    given = os.environ.get("COLUMNS", "")
    try:
        found = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        found = 0
    chosen = int(given) if given.isdecimal() else 0
    return max(2, min(filter(None, (found, chosen)), default=_USUAL_WIDTH)) - 1
