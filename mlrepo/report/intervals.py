"""How sure the mean of repeated runs is, and the ratio of two such means.

Student's distribution is computed here: nothing else in mlrepo would use SciPy, which takes 100 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, variance

# Of fewer runs, nobody can tell how much they differ by themselves.
LEAST_RUNS = 3
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval, of a mean or of a ratio."""

    low: float
    high: float

    @property
    def holds_one(self) -> bool:
        """Whether a ratio may be 1: the difference is within the noise."""
        return self.low <= 1.0 <= self.high


def ratio_interval(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return the interval of mean(second) ÷ mean(first); None for too few runs, or one not > 0.

    Welch's interval (Biometrika 34, 1947) of the difference of the logarithms, which assumes no
    equal noise; the variance of the logarithm of a mean by the delta method. The interval of the
    reciprocal is the reciprocal interval.
    """
    if min(len(first), len(second)) < LEAST_RUNS or min(*first, *second) <= 0:
        return None
    if not all(map(math.isfinite, (*first, *second))):
        return None
    parts = [variance(side) / len(side) / fmean(side) ** 2 for side in (first, second)]
    ratio, squared = fmean(second) / fmean(first), math.fsum(parts)
    if squared == 0:
        return Interval(ratio, ratio)
    freedom = squared**2 / math.fsum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True)
    )
    half = student_quantile(freedom) * math.sqrt(squared)
    return Interval(ratio * math.exp(-half), ratio * math.exp(half))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return Student's interval of the mean of runs; None for too few of them."""
    if len(values) < LEAST_RUNS:
        return None
    half = student_quantile(len(values) - 1) * math.sqrt(variance(values) / len(values))
    return Interval(fmean(values) - half, fmean(values) + half)


@lru_cache(maxsize=4096)
def student_quantile(freedom: float) -> float:
    """Return how far from 0 Student's variable of so many degrees of freedom is in 95 of 100."""
    low, high = 0.0, 1.0
    while student_outside(high, freedom) > 1 - LEVEL:
        high *= 2
    for _ in range(44):
        middle = (low + high) / 2
        if student_outside(middle, freedom) > 1 - LEVEL:
            low = middle
        else:
            high = middle
    return high


def student_outside(distance: float, freedom: float) -> float:
    """Return the probability that Student's variable is further from 0."""
    return fisher_above(distance**2, 1, freedom)


def fisher_above(ratio: float, upper: float, lower: float) -> float:
    """Return the probability that Fisher's ratio of variances is larger (Abramowitz 26.6.2).

    Parameters
    ----------
    upper, lower:
        The degrees of freedom of the numerator and of the denominator.
    """
    return _beta(lower / (lower + upper * ratio), lower / 2, upper / 2)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b) (NIST DLMF 8.17)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - _beta(1 - x, b, a)
    log = a * math.log(x) + b * math.log1p(-x) - math.log(a)
    log += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    # The continued fraction of 8.17.22, from the last term on.
    fraction = 1.0
    for m in range(30 + math.isqrt(int(max(a, b))), 0, -1):
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + odd / (1 + even / fraction)
    return math.exp(log) / fraction
