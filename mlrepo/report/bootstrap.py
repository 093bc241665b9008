"""How sure the ratio of two sets of repeated runs is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Below this many runs a side, resampling says nothing that the eye would not see.
LEAST_RUNS = 3
_RESAMPLES = 10_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a ratio."""

    low: float
    high: float

    @property
    def holds_one(self) -> bool:
        """Return whether the two sets may be equal: their difference is within the noise."""
        return self.low <= 1.0 <= self.high


def ratio_interval(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return the bootstrap interval of mean(second) ÷ mean(first); None for too few runs.

    Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13) of
    the logarithm of the ratio, so that the interval of the reciprocal is the reciprocal interval.
    With n runs the resampled spread is too small by √((n−1)/n), and the normal quantile too small
    against Student's; deviations are stretched by both (the expanded percentile interval of
    Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 5.3). The random
    numbers are seeded: the same runs give the same interval.
    """
    if min(len(first), len(second)) < LEAST_RUNS or min(*first, *second) <= 0:
        return None
    import numpy as np

    generator = np.random.default_rng(6)
    means = []
    for values in (first, second):
        data = np.asarray(values, dtype=np.float64)
        picks = generator.integers(len(data), size=(_RESAMPLES, len(data)))
        means.append(data[picks].mean(axis=1))
    centre = math.log(np.mean(second)) - math.log(np.mean(first))
    spread = np.log(means[1]) - np.log(means[0]) - centre
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(spread, (tail, 100 - tail))
    stretch = _stretch(min(len(first), len(second)))
    return Interval(math.exp(centre + stretch * low), math.exp(centre + stretch * high))


def _stretch(runs: int) -> float:
    """Return how much wider the interval of so few runs has to be than its resampled spread."""
    from statistics import NormalDist

    normal = NormalDist().inv_cdf(0.5 + _LEVEL / 2)
    return math.sqrt(runs / (runs - 1)) * student_quantile(runs - 1) / normal


def student_quantile(freedom: int) -> float:
    """Return Student's 97.5 % quantile (expansion of Cornish and Fisher; exact for two)."""
    if freedom == 2:
        return 4.302653
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
