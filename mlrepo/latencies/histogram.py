"""Histograms of latencies with logarithmic buckets: any percentile within 1 %."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mlrepo.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Each bucket is so much wider than the one before: a value is within 1 % of every other one in its
# bucket, and within 0.5 % of its middle.
GROWTH = 1.01
_LOG = math.log(GROWTH)
# The bucket of 2^63 ns, which is 292 years.
_LAST = math.floor(63 * math.log(2) / _LOG)
_MOST = 2**53


@dataclass(frozen=True)
class Histogram:
    """How many latencies there are in each bucket.

    Bucket i has those from ``GROWTH ** i`` to ``GROWTH ** (i + 1)`` nanoseconds.

    Attributes
    ----------
    numbers, counts:
        The buckets that are not empty, in order, and how many latencies each has.
    shortest, longest, mean:
        Of all latencies, in nanoseconds, exactly.
    """

    numbers: tuple[int, ...]
    counts: tuple[int, ...]
    shortest: float
    longest: float
    mean: float

    @classmethod
    def of(
        cls, latencies: npt.NDArray[np.int64], weights: npt.NDArray[np.int64] | None = None
    ) -> Histogram:
        """Return the histogram of latencies in nanoseconds, shape [n], n > 0.

        ``weights`` is how often each one counts, shape [n]; once if absent.
        """
        import numpy as np

        totals = np.zeros(_LAST + 1, np.int64)
        sums = []
        for start in range(0, len(latencies), 1 << 18):  # large temporaries are slow, and memory
            part = latencies[start : start + (1 << 18)]
            often = None if weights is None else weights[start : start + (1 << 18)]
            numbers = (np.log(np.maximum(part, 1)) / _LOG).astype(np.int64)
            found = np.bincount(numbers, often, minlength=len(totals))
            totals += found.astype(np.int64)
            sums.append(
                float(
                    part.sum(dtype=float) if often is None else (part.astype(float) * often).sum()
                )
            )
        filled = np.flatnonzero(totals)
        return cls(
            tuple(filled.tolist()),
            tuple(totals[filled].tolist()),
            float(latencies.min()),
            float(latencies.max()),
            sum(sums) / int(totals.sum()),
        )

    @cached_property
    def _running(self) -> list[int]:
        return list(accumulate(self.counts))

    @property
    def count(self) -> int:
        """How many latencies there are."""
        return self._running[-1]

    def percentile(self, share: float) -> float:
        """Return the latency in nanoseconds that the share (0 to 1) of all latencies is below.

        It is within 0.5 % of what LoadGen reports: of n sorted latencies, the one numbered
        ``floor(n * share)`` (``PerformanceSummary::ProcessLatencies`` in results.cc).
        """
        from bisect import bisect_right

        rank = min(int(self.count * share), self.count - 1)
        if rank == 0:
            return self.shortest
        if rank == self.count - 1:
            return self.longest
        middle: float = GROWTH ** (self.numbers[bisect_right(self._running, rank)] + 0.5)
        return min(max(middle, self.shortest), self.longest)

    def tail(self, most: int) -> Iterator[tuple[float, float]]:
        """Yield latencies in nanoseconds and the share of all that is slower, above 0.

        They are ends of buckets, so many at most and two, equally far from each other on a
        logarithmic axis of shares as far as there are buckets.
        """
        left = [self.count - running for running in self._running[:-1]]
        if not left:
            return
        step = (left[0] / left[-1]) ** (1 / most)
        wanted = float(left[0])
        for number, slower in zip(self.numbers, left, strict=False):
            if slower <= wanted or slower == left[-1]:
                wanted = slower / step
                yield min(GROWTH ** (number + 1), self.longest), slower / self.count

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """Yield for each bucket that is not empty its ends in nanoseconds, and its count."""
        for number, count in zip(self.numbers, self.counts, strict=True):
            yield GROWTH**number, GROWTH ** (number + 1), count

    def to_dict(self) -> dict[str, object]:
        """Return the plain form: each bucket by its distance from the one before."""
        before = (0, *self.numbers)
        return {
            "count": self.count,
            "shortest_ns": _plain(self.shortest),
            "longest_ns": _plain(self.longest),
            "mean_ns": round(self.mean, 1),
            "steps": [here - last for last, here in zip(before, self.numbers, strict=False)],
            "counts": list(self.counts),
        }

    @classmethod
    def from_dict(cls, raw: object) -> Histogram:
        """Read the plain form.

        Raises
        ------
        UserError
            It is none.
        """
        if not isinstance(raw, Mapping):
            raise UserError("a histogram is no object")
        steps, counts = whole_numbers(raw, "steps"), whole_numbers(raw, "counts")
        numbers = tuple(accumulate(steps))
        if (
            len(steps) != len(counts)
            or not counts
            or min(counts) < 1
            or min(steps[1:], default=1) < 1
            or not 0 <= numbers[0] <= numbers[-1] <= _LAST
            or sum(counts) != raw.get("count")
            or sum(counts) > _MOST
        ):
            raise UserError("its steps, counts and count do not fit together")
        shortest, longest, mean = (
            finite(raw.get(name), name) for name in ("shortest_ns", "longest_ns", "mean_ns")
        )
        # The first and the last bucket hold them; edges are rounded.
        low, high = GROWTH ** (numbers[0] - 1), GROWTH ** (numbers[-1] + 2)
        if not (low <= max(shortest, 1) <= longest <= max(high, 1) or longest < 1):
            raise UserError("its shortest and longest latency are not in its buckets")
        return cls(numbers, tuple(counts), shortest, longest, mean)


def whole_numbers(raw: Mapping[Any, Any], name: str) -> Sequence[int]:
    """Return a list of whole numbers, at most as many as there can be buckets.

    Raises
    ------
    UserError
        There is none of this name.
    """
    found = raw.get(name)
    if (
        not isinstance(found, list)
        or len(found) > _LAST + 1
        or not {*map(type, found)} <= {int}
        or (found and not -_MOST <= min(found) <= max(found) <= _MOST)
    ):
        raise UserError(f"{name} is no list of whole numbers")
    return found


def numbers(values: Sequence[object], name: str) -> tuple[float | None, ...]:
    """Return finite numbers that are not negative, some of them None, of a list.

    Raises
    ------
    UserError
        It has anything else.
    """
    known: list[Any] = [one for one in values if one is not None]
    if not {*map(type, known)} <= {int, float}:
        raise UserError(f"{name} has what is no number")
    # A sum with NaN is NaN, which `min` and `max` may miss.
    if known and not (0 <= min(known) <= max(known) <= 2.0**63 and math.isfinite(sum(known))):
        raise UserError(f"{name} is out of range")
    return tuple(values)  # type: ignore[arg-type]


def finite(value: object, name: str) -> float:
    """Return a finite number that is not negative; raise :class:`UserError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name} is no number")
    if not 0 <= value <= 2.0**63:
        raise UserError(f"{name} is out of range")
    return float(value)


def _plain(value: float) -> float:
    return int(value) if value.is_integer() else value
