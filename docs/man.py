"""Write a man page for each command from the command line itself: ``make man``.

python -m docs.man [DIRECTORY]     (default: build/man/man1)
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from mlrepo import __version__
from mlrepo.cli.environment import all_variables
from mlrepo.cli.main import cli

_EXIT = (
    ("0", "done"),
    ("1", "judged invalid"),
    ("2", "usage or user error"),
    ("69", "a remote is not available"),
    ("70", "a bug; a report was written"),
    ("75", "busy; try again"),
    ("130", "interrupted"),
)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page: ``mlrepo.1``, ``mlrepo-bench-run.1``."""
    context = click.Context(cli, info_name="mlrepo", **cli.context_settings)
    for one in _contexts(context):
        yield f"{_dashed(one)}.1", _page(one)


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _contexts(
                click.Context(below, info_name=name, parent=context, **below.context_settings)
            )


def _dashed(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context) -> str:
    command, name = context.command, _dashed(context)
    help_text = cleandoc(command.help or "")
    summary, _, rest = help_text.partition("\n")
    lines = [f'.TH "{name.upper()}" "1" "" "mlrepo {__version__}" "mlrepo"']
    lines += [".SH NAME", f"{_text(name)} \\- {_text(summary)}"]
    usage = " ".join(command.collect_usage_pieces(context))
    lines += [".SH SYNOPSIS", f".B {_text(context.command_path)}", _text(usage)]
    if rest.strip():
        lines += [".SH DESCRIPTION", *_paragraphs(rest.strip())]
    records = [param.get_help_record(context) for param in command.get_params(context)]
    options = [record for record in records if record is not None]
    if options:
        lines += [".SH OPTIONS", *_definitions(options)]
    if isinstance(command, click.Group):
        names = [
            (below.command_path, cleandoc(below.command.help or "").partition("\n")[0])
            for below in _contexts(context)
            if below.parent is context
        ]
        lines += [".SH COMMANDS", *_definitions(names)]
    if context.parent is None:
        lines += [".SH ENVIRONMENT", *_definitions(all_variables())]
        lines += [".SH EXIT STATUS", *_definitions(_EXIT)]
    else:
        above = _dashed(context.parent)
        lines += [".SH SEE ALSO", f".BR {_text(above)} (1)"]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    """Yield a help text's paragraphs; one that begins with a backspace keeps its lines."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        kept = paragraph.startswith("\b\n")
        lines = paragraph.removeprefix("\b\n").splitlines()
        yield from (".nf", *map(_text, lines), ".fi") if kept else map(_text, lines)


def _definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, about in pairs:
        yield from (".TP", f".B {_text(term)}", _text(about) if about else "\\&")


def _text(text: str) -> str:
    """Escape what roff reads as its own, and characters that are not ASCII."""
    special = {"\\": "\\e", "-": "\\-", '"': "\\(dq"}
    escaped = "".join(
        special.get(char, char) if char.isascii() else f"\\[u{ord(char):04X}]" for char in text
    )
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Write all pages."""
    directory = Path(*sys.argv[1:2] or ["build/man/man1"])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (directory / name).write_text(text, encoding="utf-8")
    print(f"{directory}: read one with `man -l {directory}/mlrepo.1`")


if __name__ == "__main__":
    main()
