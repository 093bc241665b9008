"""Ask on a terminal for what a command requires and nobody gave; else name all of it at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from mlrepo.errors import UserError


@dataclass(frozen=True)
class Question:
    """One value that is missing.

    Attributes
    ----------
    name:
        The option or argument, or what it is.
    about:
        What it means.
    ways:
        How to give it without being asked.
    choices:
        The values that it can have; empty for any.
    """

    name: str
    about: str = ""
    ways: str = ""
    choices: Sequence[str] = ()


def can_ask() -> bool:
    """Return whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def answers(missing: Sequence[Question]) -> dict[str, str]:
    """Return an answer to each question, by name.

    Raises
    ------
    UserError
        Nobody can be asked: there is no terminal.
    """
    if not missing:
        return {}
    if not can_ask():
        raise not_given(missing)
    given: dict[str, str] = {}
    for one in missing:
        kind = click.Choice(list(one.choices), case_sensitive=False) if one.choices else str
        text = f"{one.name} ({one.about.rstrip('.')})"
        while not given.get(one.name):
            given[one.name] = str(click.prompt(text, type=kind, err=True)).strip()
    return given


def not_given(missing: Sequence[Question], path: str = "") -> UserError:
    """Return the error that names everything that is missing, and how to give it.

    Parameters
    ----------
    path:
        The command, such as ``mlrepo run withdraw``, whose help has an example; empty for none.
    """
    ways = [_way(one) for one in missing if one.about or one.choices]
    if path:
        ways.append(f"`{path} --help` shows the options with an example.")
    names = ", ".join(one.name for one in missing)
    return UserError(f"Not given, and required: {names}.", hint="\n  ".join(ways))


def _way(one: Question) -> str:
    about = f"{one.about.rstrip('.')}." if one.about else ""
    choices = f"One of: {', '.join(one.choices)}." if one.choices else ""
    return f"{one.ways or one.name}: {' '.join(filter(None, (about, choices)))}"
