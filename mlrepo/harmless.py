"""Text of others, so that it is shown and steers nothing: no terminal, no direction of reading."""

from __future__ import annotations

import re

# Control characters except newline, tab, and a carriage return before a newline; halves of
# surrogate pairs; line separators; and Unicode's format characters (category Cf), among them those
# that change the direction of text (Unicode Standard Annex 9) and those that are invisible.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f]|\r(?!\n)"
)


def harmless(text: str) -> str:
    """Escape what would control a terminal or change how the rest of the text reads."""
    if text.isascii() and text.isprintable():
        return text
    return _STEERING.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
