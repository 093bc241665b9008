"""Whether work grows with its input as it should: a ratio of CPU times, never a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def growth(work: Callable[[int], object], size: int) -> float:
    """Return how many times the CPU time of ``work(4 * size)`` is that of ``work(size)``.

    It is about 4 where the work is linear and 16 where it is quadratic. The quickest of several
    tries counts, so that a busy machine does not.
    """

    def seconds(amount: int) -> float:
        work(amount)
        tries = []
        for _ in range(5):
            begin = time.process_time()
            work(amount)
            tries.append(time.process_time() - begin)
        return min(tries)

    return seconds(4 * size) / max(seconds(size), 1e-5)
