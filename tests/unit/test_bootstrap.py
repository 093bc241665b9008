"""The interval of a ratio of repeated runs, against ratios that are known."""

from __future__ import annotations

import numpy as np
import pytest

from mlrepo.report.bootstrap import ratio_interval


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.long
def test_the_interval_holds_the_true_ratio_nineteen_times_in_twenty(runs: int) -> None:
    """Two systems of which one is 5 % faster, with 3 % noise; few runs must not feign certainty."""
    random = np.random.default_rng(runs)
    trials, held = 300, 0
    for _ in range(trials):
        first = random.normal(100.0, 3.0, runs)
        second = random.normal(105.0, 3.0, runs)
        interval = ratio_interval(list(first), list(second))
        assert interval is not None
        held += interval.low <= 1.05 <= interval.high
    assert held >= 0.93 * trials


def test_a_difference_well_above_the_noise_is_seen() -> None:
    """10 % with five runs of 1 % noise a side."""
    random = np.random.default_rng(1)
    first, second = random.normal(100.0, 1.0, 5), random.normal(110.0, 1.0, 5)
    interval = ratio_interval(list(first), list(second))
    assert interval is not None
    assert not interval.holds_one
    assert interval.low > 1.05


def test_the_other_way_round_it_is_the_reciprocal() -> None:
    """Which side is called first changes nothing but the direction."""
    first, second = [100.0, 103.0, 98.0, 101.0], [97.0, 99.0, 104.0, 96.0]
    there, back = ratio_interval(first, second), ratio_interval(second, first)
    assert there is not None
    assert back is not None
    assert there.low == pytest.approx(1 / back.high, rel=0.01)
    assert there.high == pytest.approx(1 / back.low, rel=0.01)
    assert ratio_interval(first, second) == there


def test_too_few_runs_have_no_interval() -> None:
    """Two numbers have no spread that one could trust; a zero has no logarithm."""
    assert ratio_interval([1.0, 2.0], [1.0, 2.0, 3.0]) is None
    assert ratio_interval([1.0, 2.0, 0.0], [1.0, 2.0, 3.0]) is None
