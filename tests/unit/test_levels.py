"""Where a series changes: found where it does, and in few series that do not."""

from __future__ import annotations

import random

import pytest

from mlrepo.report.levels import level_starts


def _series(*levels: tuple[int, float], noise: float = 0.01, seed: int = 1) -> list[float]:
    generator = random.Random(seed)
    return [mean * generator.gauss(1, noise) for number, mean in levels for _ in range(number)]


@pytest.mark.parametrize("length", [6, 10, 30])
def test_few_series_without_a_change_are_divided(length: int) -> None:
    """At most 5 of 100, however many places there are; the bound has three standard deviations."""
    divided = sum(
        len(level_starts(_series((length, 100), seed=seed), range(0, length, 5))) > 1
        for seed in range(400)
    )
    assert divided <= 400 * 0.083


@pytest.mark.parametrize(("before", "after"), [(5, 5), (45, 5), (45, 3)])
def test_a_loss_of_five_times_the_noise_is_found_where_it_is(before: int, after: int) -> None:
    """5 % at 1 % noise, in nearly every series, at the commit that made it."""
    found = sum(
        level_starts(_series((before, 100), (after, 95), seed=seed), range(0, 50, 5)) == [0, before]
        for seed in range(100)
    )
    assert found >= 95


def test_several_changes_are_several_levels() -> None:
    """Also where the last level is as the first."""
    series = _series((10, 100), (10, 120), (10, 100))
    assert level_starts(series, [10, 20]) == [0, 10, 20]


def test_a_commit_that_explains_a_change_comes_before_a_place_inside() -> None:
    """Noise moves the best place by a run; the commit does not move."""
    odd = [100.0, 100.3, 99.8, 100.1, 96.5, 95.1, 95.2, 94.9, 95.0, 95.1]
    assert level_starts(odd, []) == [0, 4]
    assert level_starts(odd, [5]) == [0, 5]
    assert level_starts(_series((6, 100), (6, 80), (5, 80)), [12]) == [0, 6]


def test_series_that_have_one_level() -> None:
    """None, one, five, equal ones, and what has no logarithm."""
    assert level_starts([], []) == []
    for series in ([1.0], [1.0] * 5, [7.1] * 40, [1.0, 2.0, 0.0] * 4, [1.0, float("nan")] * 4):
        assert level_starts(series, []) == [0]


def test_equal_numbers_that_change_once() -> None:
    """Accuracies without any noise."""
    assert level_starts([98.5] * 7 + [98.4] * 4, []) == [0, 7]


def test_thousands_of_runs_take_no_time() -> None:
    """Sums are kept, so that each place takes the same time."""
    assert level_starts(_series((1500, 100), (1500, 101)), range(0, 3000, 5)) == [0, 1500]
