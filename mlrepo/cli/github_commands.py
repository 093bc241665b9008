"""Workflow commands of GitHub Actions, by which a step annotates a commit.

Syntax and escaping follow `::error file=…,line=…::message` as GitHub's runner reads it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import click


def workflow_command(word: str, message: str, **properties: str) -> str:
    """Return one command in one line; properties without a value are left out.

    Parameters
    ----------
    word:
        ``error``, ``warning``, ``notice``, or another command.
    """
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{word} {said}::{_data(message)}" if said else f"::{word}::{_data(message)}"


@contextlib.contextmanager
def plain_output(wanted: bool) -> Iterator[None]:
    """Let GitHub's runner take no line for a command that is printed meanwhile."""
    if not wanted:
        yield
        return
    token = os.urandom(16).hex()  # which no text of others can contain
    click.echo(f"::stop-commands::{token}")
    try:
        yield
    finally:
        click.echo(f"::{token}::")


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # Any other control character would garble the log that it is printed to.
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
