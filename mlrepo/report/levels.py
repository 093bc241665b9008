"""Where a series of results changes to another level.

The best division of a series into levels is found for each number of levels (segment neighbourhood:
Auger and Lawrence, Bulletin of Mathematical Biology 51, 1989). More levels are taken only if
Fisher's F of the logarithms says that so many divisions as there are would not bring as much by
chance in 5 of 100 series (Bonferroni). So a change that is undone later is found as well, which one
division at a time would miss.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mlrepo.report.intervals import LEAST_RUNS, LEVEL, fisher_above

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_LEVELS = 20
# How many levels may come at once: a change and its end are two.
_AT_ONCE = 3


def level_starts(results: Sequence[float], borders: Collection[int]) -> list[int]:
    """Return the numbers of the results with which a level begins; 0 is the first.

    Parameters
    ----------
    results:
        In the order of their commits. If one is not above zero, all are one level.
    borders:
        The numbers of the results before which something is known to have changed, such as the
        commit. Noise moves the best place by a run or two: then such a number is taken.
    """
    if not results:
        return []
    if not all(math.isfinite(result) and result > 0 for result in results):
        return [0]
    squares = _Squares(results)
    best = _best_divisions(squares, min(_MOST_LEVELS, len(results) // LEAST_RUNS))
    number = 1
    while found := next(
        (
            more
            for more in range(number + 1, number + _AT_ONCE + 1)
            if _pays(best, number, more, squares.rounding)
        ),
        0,
    ):
        number = found
    if number == 1:
        return [0]
    ends = [*best[number].starts, len(results)]
    for place in range(1, number):
        ends[place] = _known(squares, borders, ends[place - 1], ends[place], ends[place + 1])
    return ends[:-1]


@dataclass(frozen=True)
class _Division:
    """Where the levels of a division begin, and the sum of squares within them."""

    starts: tuple[int, ...]
    squares: float
    length: int


class _Squares:
    """Sums of squares within parts of a series, from sums over its beginnings."""

    def __init__(self, results: Sequence[float]) -> None:
        import numpy as np

        logs = np.log(np.asarray(results, dtype=np.float64))
        logs -= logs.mean()
        self.length = len(results)
        self._sums = np.concatenate(([0.0], np.cumsum(logs)))
        self._squares = np.concatenate(([0.0], np.cumsum(logs**2)))
        # What is left of the squares of equal numbers.
        self.rounding = 1e-20 + 1e-12 * float(self._squares[-1])

    def within(self, begins: NDArray[np.intp], end: int) -> NDArray[np.float64]:
        """Return the sum of squares around its mean of each part that ends before ``end``."""
        sums = self._sums[end] - self._sums[begins]
        around = sums**2 / (end - begins)
        within: NDArray[np.float64] = self._squares[end] - self._squares[begins] - around
        return within

    def of(self, begin: int, end: int) -> float:
        """Return the sum of squares of one part."""
        import numpy as np

        return float(self.within(np.array([begin]), end)[0])


def _best_divisions(squares: _Squares, most: int) -> dict[int, _Division]:
    """Return for each number of levels the division with the least squares."""
    import numpy as np

    length = squares.length
    # least[k][end]: of the first `end` results in k + 1 levels, of which the last began at before.
    least = np.full((most, length + 1), np.inf)
    before = np.zeros((most, length + 1), dtype=np.intp)
    for end in range(LEAST_RUNS, length + 1):
        begins = np.arange(0, end - LEAST_RUNS + 1)
        parts = squares.within(begins, end)
        least[0, end] = parts[0]
        if most > 1:
            sums = least[:-1, : len(begins)] + parts
            before[1:, end] = sums.argmin(axis=1)
            least[1:, end] = sums.min(axis=1)
    found = {1: _Division((0,), squares.of(0, length), length)}
    for number in range(2, most + 1):
        starts, end = [], length
        for levels in range(number - 1, -1, -1):
            end = int(before[levels, end])
            starts.append(end)
        found[number] = _Division(
            tuple(reversed(starts)), max(0.0, float(least[number - 1, length])), length
        )
    return found


def _pays(best: dict[int, _Division], few: int, many: int, rounding: float) -> bool:
    """Say whether more levels explain more than chance would."""
    if many not in best:
        return False
    less, more = best[few].squares, best[many].squares
    if less <= rounding:
        return False
    if more <= rounding:
        return True
    added, left = many - few, best[many].length - many
    # All ways to divide, of which the best was taken.
    ways = math.comb(best[many].length - (LEAST_RUNS - 1) * many - 1, many - 1)
    return _chance(less, more, added, left) * ways < 1 - LEVEL


def _chance(less: float, more: float, added: int, left: int) -> float:
    return fisher_above(max(0.0, less - more) / added / (more / left), added, left)


def _known(squares: _Squares, borders: Collection[int], begin: int, place: int, end: int) -> int:
    """Return the known border that is nearest to a place where a level ends, or the place.

    It must explain the change as well, and be less than :data:`LEAST_RUNS` away.
    """
    near = [
        border
        for border in range(max(begin + 1, place - LEAST_RUNS + 1), min(end, place + LEAST_RUNS))
        if border in borders and min(border - begin, end - border) >= LEAST_RUNS
    ]
    whole, freedom = squares.of(begin, end), end - begin - 2
    for border in sorted(near, key=lambda one: (abs(one - place), one)):
        parts = math.fsum(squares.of(a, b) for a, b in pairwise((begin, border, end)))
        if parts <= squares.rounding or _chance(whole, parts, 1, freedom) < 1 - LEVEL:
            return border
    return place
