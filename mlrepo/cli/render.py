"""Tables, JSON and verdicts for people and machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlrepo.cli.screen import own
from mlrepo.cli.table import no_room, output_width, table_lines

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

T = TypeVar("T")
# Longer lists are printed one entry per line.
_MOST_INDENTED = 100


class JsonEntries:
    """The entries of a long list, each made when it is printed."""

    def __init__(self, items: Sequence[T], value: Callable[[T], object]) -> None:
        self._values = (value(item) for item in items)
        self.number = len(items)

    def __iter__(self) -> Iterator[object]:
        return self._values


def print_json(schema: str, values: Mapping[str, Any]) -> None:
    """Print one JSON object with its schema name first; long lists have an entry per line.

    Python's fast C encoder works only without indentation, and thousands of entries need it.
    """
    ascii_only = sys.stdout.encoding.lower() != "utf-8"
    values = {
        key: list(value) if isinstance(value, JsonEntries) and not _is_long(value) else value
        for key, value in values.items()
    }
    long = {key: value for key, value in values.items() if _is_long(value)}
    short = {"schema": schema, **{key: None if key in long else v for key, v in values.items()}}
    text = json.dumps(short, indent=2, ensure_ascii=ascii_only)
    for key, entries in long.items():
        head, begins, text = text.partition(f'\n  "{key}": null')
        click.echo(f"{head}{begins.removesuffix('null')}[", nl=False)
        for number, entry in enumerate(entries):
            line = json.dumps(entry, ensure_ascii=ascii_only)
            click.echo(f"{',' if number else ''}\n    {line}", nl=False)
        click.echo("\n  ]", nl=False)
    click.echo(text)


def _is_long(value: Any) -> bool:
    if isinstance(value, JsonEntries):
        return value.number > _MOST_INDENTED
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
    click.echo("\n".join((style(lines[0], bold=True), *lines[1:])))
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
    colours = {"VALID": "green", "INTERRUPTED": "yellow", "PUBLISHED": "cyan"}
    colour = colours.get(validity, "red")
    return style(validity, fg=colour)


def print_headline(record: RunRecord) -> None:
    """Print what was run, its result and verdict, and the reasons for the verdict."""
    from mlrepo.layout.eligibility import not_compared
    from mlrepo.record import metric_words

    result = "" if record.result.value is None else f" {record.result}"
    title = style(
        f"{record.benchmark} {record.scenario} {record.test or record.mode}:{result}", bold=True
    )
    click.echo(f"{title} {verdict(record.validity)}")
    for reason in record.reasons:
        click.echo(f"  because {reason}")
    if further := record.further_metrics:
        click.echo(f"  also    {metric_words(further)}")
    if why := not_compared(record):
        click.echo(f"  scores  not compared with the model's own: {why}")
    for words in record.load.noise.disturbances:
        click.echo(f"  disturbed: {words}")
    for words in record.host.description.words():
        click.echo(f"  system  {words}")
    options = record.backend.options
    if isinstance(options, Mapping) and options.get("fallback"):
        click.echo(f"  note: a fallback compiled the model: {options['fallback']}")
