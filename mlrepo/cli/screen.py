"""The door to the terminal: untrusted text is shown, but never controls the terminal.

Names, tags, logs and Git's messages may come from anybody, and output is built from them in many
places. Instead of escaping in each place, everything written to standard output or standard error
passes through here once. Escape sequences, other control characters, and characters that reorder
or hide text become ``\\uXXXX``. JSON spells them the same way, so its meaning does not change.
mlrepo's own colours and cursor movements are written with :func:`own`, which nobody can forge.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from mlrepo.harmless import harmless

# Random for each process, so that no untrusted text can contain it.
_NONCE = os.urandom(8).hex()
_OWN = re.compile(rf"\ue000{_NONCE}:([0-9a-f]*)\ue001")


def own(sequence: str) -> str:
    """Return one of mlrepo's own control sequences in a form that passes the door."""
    return f"\ue000{_NONCE}:{sequence.encode().hex()}\ue001" if sequence else ""


def unstyled(text: str) -> str:
    """Return the text without mlrepo's own control sequences, for files."""
    return _OWN.sub("", text)


def segments(text: str) -> Iterator[tuple[str, str]]:
    """Yield the text in parts, each with mlrepo's own control sequence that follows it, or ''."""
    parts = _OWN.split(text)
    for number in range(0, len(parts) - 1, 2):
        yield parts[number], own(bytes.fromhex(parts[number + 1]).decode())
    yield parts[-1], ""


class Door:
    """A text stream that keeps untrusted text from controlling the terminal.

    It has no ``buffer``; write bytes with :func:`write_bytes`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, made harmless, with mlrepo's own sequences only on a terminal."""
        if not isinstance(text, str):
            raise TypeError("only text can be written here")
        shown = harmless(text)
        if "\ue000" in shown:
            styled = self.stream.isatty()
            shown = _OWN.sub(lambda m: bytes.fromhex(m[1]).decode() if styled else "", shown)
        self.stream.write(shown)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "writelines"):
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextlib.contextmanager
def doors() -> Iterator[None]:
    """Wrap standard output and standard error in a door, unless they have one already."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, Door) else cast(TextIO, Door(stream)) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_bytes(data: bytes) -> None:
    """Write bytes to standard output unchanged, or as harmless text if it is a terminal."""
    sys.stdout.flush()
    stream = sys.stdout.stream if isinstance(sys.stdout, Door) else sys.stdout
    if stream.isatty():
        sys.stdout.write(data.decode("utf-8", "backslashreplace"))
    else:
        stream.buffer.write(data)
        stream.buffer.flush()
