"""Tables, JSON and progress for people and machines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.screen import own
from mlrepo.cli.table import no_room, output_width, table_lines
from mlrepo.cli.verbosity import quiet

if TYPE_CHECKING:
    from mlrepo.bench.execute import Progress
    from mlrepo.record import RunRecord

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
# Return to the beginning of the line and clear it.
_REDRAW = own("\r\033[K")
# Longer lists are printed one entry per line.
_MOST_INDENTED = 100


def print_json(schema: str, values: Mapping[str, Any]) -> None:
    """Print one JSON object with its schema name first; long lists have an entry per line.

    Python's fast C encoder works only without indentation, and thousands of entries need it.
    """
    ascii_only = sys.stdout.encoding.lower() != "utf-8"
    long = {key: value for key, value in values.items() if _is_long(value)}
    short = {"schema": schema, **{key: None if key in long else v for key, v in values.items()}}
    text = json.dumps(short, indent=2, ensure_ascii=ascii_only)
    for key, entries in long.items():
        lines = ",\n    ".join(json.dumps(entry, ensure_ascii=ascii_only) for entry in entries)
        text = text.replace(f'\n  "{key}": null', f'\n  "{key}": [\n    {lines}\n  ]', 1)
    click.echo(text)


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and len(value) > _MOST_INDENTED


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    drop: Sequence[str] = (),
    cut: str = "",
    tail: str = "",
    wrap: str = "",
) -> None:
    """Print columns padded to their widest cell, fitted to the width of the terminal.

    ``right`` are the columns of numbers; ``drop``, the columns that may be left out on a narrow
    terminal, the least important first; ``cut``, ``tail`` and ``wrap`` as for :func:`table_lines`.
    """
    width = output_width()
    lines, hidden = table_lines(
        header, rows, right=right, drop=drop, cut=cut, tail=tail, wrap=wrap, width=width
    )
    click.echo(style(lines[0], bold=True))
    for line in lines[1:]:
        click.echo(line)
    if hidden:
        click.echo(no_room(hidden, width))


def style(text: str, *, fg: str | None = None, bold: bool | None = None) -> str:
    """Return the text in a colour that passes the door, which escapes sequences in the text itself.

    With NO_COLOR, return the text unchanged.
    """
    if os.environ.get("NO_COLOR"):
        return text
    before, _, after = click.style("|", fg=fg, bold=bold).partition("|")
    return f"{own(before)}{text}{own(after)}"


def verdict(validity: str) -> str:
    """Return the validity in its colour."""
    colour = {"VALID": "green", "INTERRUPTED": "yellow"}.get(validity, "red")
    return style(validity, fg=colour)


def print_headline(record: RunRecord) -> None:
    """Print what was run, its result and verdict, and the reasons for the verdict."""
    from mlrepo.layout.eligibility import not_compared

    result = "" if record.result.value is None else f" {record.result}"
    title = style(
        f"{record.benchmark} {record.scenario} {record.test or record.mode}:{result}", bold=True
    )
    click.echo(f"{title} {verdict(record.validity)}")
    for reason in record.reasons:
        click.echo(f"  because {reason}")
    if why := not_compared(record):
        click.echo(f"  scores  not compared with the model's own: {why}")
    for words in record.load.noise.disturbances:
        click.echo(f"  disturbed: {words}")
    for words in record.host.description.words():
        click.echo(f"  system  {words}")
    options = record.backend.options
    if isinstance(options, Mapping) and options.get("fallback"):
        click.echo(f"  note: a fallback compiled the model: {options['fallback']}")


class ProgressLine:
    """A progress line on stderr: redrawn on a terminal, otherwise one line per phase.

    ``more`` returns text to append, such as the time left for all of the work.
    """

    def __init__(self, label: str, more: Callable[[Progress], str] | None = None) -> None:
        self._label = label
        self._more = more
        self._phase = ""
        self._terminal = sys.stderr.isatty()
        self._quiet = quiet()
        self._drawn = 0.0

    def update(self, progress: Progress) -> None:
        """Draw the progress, at most five times a second."""
        if self._quiet:
            return
        changed = progress.phase != self._phase
        self._phase = progress.phase
        if not self._terminal:
            if changed:
                text = f"{self._label}: {_PHASES[progress.phase]}"
                click.echo(text + self._rest(progress), err=True)
            return
        if not changed and time.monotonic() - self._drawn < 0.2:
            return
        self._drawn = time.monotonic()
        text = f"{self._label}: {_PHASES[progress.phase]}  {progress.elapsed:.0f} s"
        if progress.fraction is not None:
            text += f"  {progress.fraction:4.0%}"
        if progress.left is not None:
            text += f"  {progress.left:.0f} s left"
        if progress.samples:
            text += f"  {progress.samples} samples"
        text += self._rest(progress)
        click.echo(f"{_REDRAW}{text}", err=True, nl=False)

    def _rest(self, progress: Progress) -> str:
        more = (progress.steps, self._more(progress) if self._more else "")
        return "".join(f"  ({words})" for words in more if words)

    def close(self) -> None:
        """Remove the line."""
        if self._terminal and self._phase:
            click.echo(_REDRAW, err=True, nl=False)


class StepLine:
    """Progress on stderr of work of known size, with the time left; redrawn on a terminal only."""

    def __init__(self, label: str, *, unit: str) -> None:
        self._label, self._unit = label, unit
        self._terminal = sys.stderr.isatty() and not quiet()
        self._begin: tuple[float, int] | None = None
        self._drawn = 0.0
        if not self._terminal and not quiet():
            click.echo(label, err=True)

    def update(self, done: int, total: int | None) -> None:
        """Draw how much is done, at most five times a second."""
        now = time.monotonic()
        if self._begin is None:
            self._begin = (now, done)
        if not self._terminal or (now - self._drawn < 0.2 and done != total):
            return
        self._drawn = now
        text = f"{self._label}: {done:,} {self._unit}"
        if total:
            text += f" of {total:,} ({done / total:.0%})"
            began, before = self._begin
            if done > before:
                text += f"  {(total - done) * (now - began) / (done - before):.0f} s left"
        click.echo(f"{_REDRAW}{text}", err=True, nl=False)

    def close(self) -> None:
        """Remove the line."""
        if self._terminal and self._begin is not None:
            click.echo(_REDRAW, err=True, nl=False)


class TextLine:
    """A changing text on stderr, with the time left; redrawn on a terminal only."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._terminal = sys.stderr.isatty() and not quiet()
        if not self._terminal and not quiet():
            click.echo(label, err=True)

    def update(self, text: str, left: float) -> None:
        """Draw a text, and the estimated seconds left."""
        if self._terminal:
            shown = f"{self._label}: {text}  {max(0.0, left):.0f} s left"
            click.echo(f"{_REDRAW}{shown}", err=True, nl=False)

    def close(self) -> None:
        """Remove the line."""
        if self._terminal:
            click.echo(_REDRAW, err=True, nl=False)
