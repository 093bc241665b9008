"""Look up line numbers of texts in a stream, only when a finding needs them."""

from __future__ import annotations

from collections.abc import Collection
from typing import BinaryIO

_BLOCK = 1 << 20


def first_lines(stream: BinaryIO, texts: Collection[bytes]) -> dict[bytes, int]:
    """Return the line, counted from 1, on which each of the texts first occurs.

    Texts that do not occur are left out. Memory use does not grow with the stream or its lines.
    """
    found: dict[bytes, int] = {}
    missing = set(texts)
    longest = max(map(len, missing), default=1)
    before, rest = 1, b""
    while missing and (block := stream.read(_BLOCK)):
        block = rest + block
        for text in sorted(missing):
            at = block.find(text)
            if at >= 0:
                found[text] = before + block.count(b"\n", 0, at)
                missing.discard(text)
        # A text may begin in this block and end in the next.
        kept = min(longest - 1, len(block))
        rest = block[len(block) - kept :]
        before += block.count(b"\n", 0, len(block) - kept)
    return found
