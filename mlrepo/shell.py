"""Quoting of commands so that a person can paste them into a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

_NAMED = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def shell_command(words: Iterable[str | Path]) -> str:
    """Return a command that a shell reads as these words, on one line of printable text.

    A word with spaces, quotes or ``$`` is put in single quotes. One that would end a line, control
    a terminal or end a Markdown code span (a backtick) is written as ``$'…'``, which bash, zsh, ksh
    and POSIX.1-2024 support.
    """
    return " ".join(map(quoted, words))


def quoted(word: str | Path) -> str:
    """Return one word of :func:`shell_command`."""
    text = os.fspath(word)
    if text.isprintable() and "`" not in text:
        return shlex.quote(text)
    return f"$'{''.join(map(_spelt, text))}'"


def _spelt(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable() and char != "`":
        return char
    # In octal, which has a fixed length: some shells read \x41 and a following digit as one.
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
