"""A series of numbers as one line of blocks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

_BLOCKS = "▁▂▃▄▅▆▇█"
# For outputs that have no block characters.
_ASCII = "_.-~=+*#"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a character for each value, or for each mean of neighbours where they do not fit.

    The lowest has the lowest block and the highest the highest, or all the middle one if they are
    equal.
    """
    blocks = _BLOCKS if (sys.stdout.encoding or "").lower().startswith("utf") else _ASCII
    if len(values) > width:
        ends = [len(values) * number // width for number in range(width + 1)]
        values = [fmean(values[begin:end]) for begin, end in pairwise(ends)]
    low, high = min(values), max(values)
    if low == high:
        return blocks[len(blocks) // 2 - 1] * len(values)
    steps = (len(blocks) - 1) / (high - low)
    return "".join(blocks[round((value - low) * steps)] for value in values)
