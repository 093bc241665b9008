"""Every command that a message names in backticks is complete: it can be typed as it is."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlrepo.cli.main import cli
from mlrepo.errors import UserError
from mlrepo.predecessor import COMMANDS

_ROOT = Path(__file__).parents[2]
# What stands for a value that is inserted when the message is made.
_INSERTED = "INSERTED"
_COMMAND = re.compile(r"`(mlrepo [^`]+)`")


def _messages(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings."""
    passed_over: set[ast.AST] = set()
    for node in ast.walk(tree):  # outer nodes come first
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            passed_over.add(body[0].value)
        if isinstance(node, ast.JoinedStr):
            passed_over.update(node.values)
            parts = (part.value if isinstance(part, ast.Constant) else None for part in node.values)
            yield "".join(_INSERTED if part is None else str(part) for part in parts)
        elif isinstance(node, ast.Constant) and node not in passed_over:
            yield str(node.value)


def _printed() -> Iterator[tuple[str, str]]:
    for room in ("mlrepo", "hooks"):
        for path in sorted((_ROOT / room).rglob("*.py")):
            for text in _messages(ast.parse(path.read_text(encoding="utf-8"))):
                for line in _COMMAND.findall(text):
                    yield f"{path.relative_to(_ROOT)}", line
    for line in COMMANDS:
        if line.here != "mlrepo bench run":  # its flags become options
            yield "the table of CK", re.sub(r"\[[^]]*\]", "", line.here)


def _problem(line: str) -> str:
    """Return what is wrong with a command; values that are placeholders may be refused."""
    command: click.Command = cli
    words = shlex.split(line)[1:]
    if words[0] in ("-C", "INSERTED"):  # of what follows, the words are checked elsewhere
        words = words[2:]
    while isinstance(command, click.Group) and words:
        name, *words = words
        if name.startswith("-"):
            break
        below = command.get_command(click.Context(command), name)
        if below is None:
            return f"no command {name}"
        command = below
    if isinstance(command, click.Group):
        return ""
    try:
        # Within the command line: click keeps the help option that a command is first asked for.
        command.make_context(line, list(words), parent=click.Context(cli, **cli.context_settings))
    except (click.NoSuchOption, UserError) as error:
        return error.message
    except click.BadParameter as error:
        return "" if any(word.isupper() for word in words) else error.format_message()
    except click.UsageError as error:
        return error.message
    return ""


@pytest.mark.long
def test_every_printed_command_can_be_typed_as_it_is() -> None:
    """It names all that the command requires; words in capitals are what the user puts in."""
    found = sorted(set(_printed()))
    assert len(found) > 150
    assert [f"{where}: {line}: {why}" for where, line in found if (why := _problem(line))] == []


@pytest.mark.parametrize(
    "line",
    [
        "mlrepo bench suite",
        "mlrepo experiment rename OLD",
        "mlrepo nonsense",
        "mlrepo log --nonsense",
        "mlrepo log --limit many",
    ],
)
def test_an_incomplete_command_is_found(line: str) -> None:
    """What the other test looks for."""
    assert _problem(line)
