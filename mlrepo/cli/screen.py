"""The door to the terminal: text of others is shown there, and never steers it.

Names, tags, logs and messages of Git come from anybody, and what is printed is put together from
them in many places. So nothing is escaped in those places: whatever goes to standard output or
standard error passes here, once. Escape sequences, other control characters, and marks that turn
or hide text become ``\\uXXXX``, which is also their spelling in JSON: JSON stays what it was.
Colours and cursor movements of mlrepo's own are written by :func:`own`, which nobody can forge.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

# Control characters but newline and tab (a return only before a newline), halves of surrogate
# pairs, line separators, and the format characters of Unicode (category Cf): among them those that
# change the direction of text (Unicode Standard Annex 9) and those that cannot be seen.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f]|\r(?!\n)"
)
# Unknown before the process starts, so no text of others can hold it.
_NONCE = os.urandom(8).hex()
_OWN = re.compile(rf"\ue000{_NONCE}:([0-9a-f]*)\ue001")


def harmless(text: str) -> str:
    """Return text in which nothing steers a terminal or changes how the rest of it reads."""
    if text.isascii() and text.isprintable():
        return text
    return _STEERING.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def own(sequence: str) -> str:
    """Return a control sequence of mlrepo's own in a form that passes the door."""
    return f"\ue000{_NONCE}:{sequence.encode().hex()}\ue001" if sequence else ""


def unstyled(text: str) -> str:
    """Return text without mlrepo's own sequences, as files get it."""
    return _OWN.sub("", text)


class Door:
    """A text stream behind which nothing of others steers the terminal.

    It has no ``buffer``: bytes go through :func:`write_bytes`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, harmless; own sequences only where they are seen as such."""
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
    """Put a door before standard output and standard error, where there is none yet."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, Door) else cast(TextIO, Door(stream)) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_bytes(data: bytes) -> None:
    """Write bytes to standard output as they are; on a terminal as harmless text."""
    sys.stdout.flush()
    stream = sys.stdout.stream if isinstance(sys.stdout, Door) else sys.stdout
    if stream.isatty():
        sys.stdout.write(data.decode("utf-8", "backslashreplace"))
    else:
        stream.buffer.write(data)
        stream.buffer.flush()
