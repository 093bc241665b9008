"""``mlperf_log_detail.txt`` up to v0.7: sentences, of which only those with ERROR matter."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import BinaryIO

_BLOCK = 1 << 20
_MARK = b"ERROR"
# Only the end of a longer line is read.
_LONGEST_LINE = 1 << 16


def error_lines(stream: BinaryIO, ignored: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line with an error, except ignored ones.

    Memory use does not grow with the log; a block without errors is only searched.
    """
    passed_over = [text.encode() for text in ignored]
    number, rest = 1, b""
    while block := stream.read(_BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        lines, rest = block[:end], block[end:]
        if _MARK in lines:
            yield from _errors(lines.split(b"\n"), number, passed_over)
        number += lines.count(b"\n")
        if len(rest) > _BLOCK:
            rest = rest[-_LONGEST_LINE:]
    yield from _errors([rest], number, passed_over)


def _errors(lines: list[bytes], number: int, ignored: list[bytes]) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(lines, start=number):
        if _MARK in line and not any(text in line for text in ignored):
            yield at, line.decode("utf-8", "replace")
