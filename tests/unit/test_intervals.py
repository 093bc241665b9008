"""The intervals of means and ratios of repeated runs, against what is known of them."""

from __future__ import annotations

import random

import pytest

from mlrepo.report.intervals import mean_interval, ratio_interval, student_outside, student_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706205), (2, 4.302653), (4, 2.776445), (8, 2.306004), (30, 2.042272), (1e5, 1.959988)],
)
def test_student_s_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    """Of the 97.5 % of one side, and the other way round."""
    assert student_quantile(freedom) == pytest.approx(quantile, abs=2e-6)
    assert student_outside(quantile, freedom) == pytest.approx(0.05, abs=1e-6)
    assert student_outside(0, freedom) == 1


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("noise", [(3.0, 3.0), (1.0, 6.0)], ids=["alike", "not alike"])
def test_the_interval_holds_the_true_ratio_nineteen_times_in_twenty(
    runs: int, noise: tuple[float, float]
) -> None:
    """Two systems of which one is 5 % faster; few runs must not feign certainty."""
    generator = random.Random(runs)
    trials, held = 600, 0
    for _ in range(trials):
        first = [generator.gauss(100.0, noise[0]) for _ in range(runs)]
        second = [generator.gauss(105.0, noise[1]) for _ in range(runs)]
        interval = ratio_interval(first, second)
        assert interval is not None
        held += interval.low <= 1.05 <= interval.high
    # 95 % less three standard deviations.
    assert held >= 0.923 * trials


def test_it_is_no_wider_than_it_has_to_be() -> None:
    """Five runs of 1 % noise a side: Student's quantile of eight degrees times the error."""
    first = [99.0, 99.5, 100.0, 100.5, 101.0]
    second = [value * 1.05 for value in first]
    interval = ratio_interval(first, second)
    assert interval is not None
    half = 2.306004 * (2 * (0.625 / 5) / 100**2) ** 0.5
    assert interval.low == pytest.approx(1.05 * (1 - half), rel=1e-4)
    assert interval.high == pytest.approx(1.05 * (1 + half), rel=1e-4)
    assert not interval.holds_one


def test_the_other_way_round_it_is_the_reciprocal() -> None:
    """Which side is called first changes nothing but the direction."""
    first, second = [100.0, 103.0, 98.0, 101.0], [97.0, 99.0, 104.0, 96.0]
    there, back = ratio_interval(first, second), ratio_interval(second, first)
    assert there is not None
    assert back is not None
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)


def test_numbers_without_spread_have_an_interval_without_width() -> None:
    """Accuracies of the same model are equal to the last digit."""
    interval = ratio_interval([50.0] * 3, [49.0] * 3)
    assert interval is not None
    assert (interval.low, interval.high) == (0.98, 0.98)
    assert mean_interval([1.0, 1.0, 1.0]) == mean_interval([1.0] * 9)


@pytest.mark.parametrize("odd", [[1.0, 2.0], [1.0, 2.0, 0.0], [1.0, 2.0, float("nan")]])
def test_what_has_no_interval(odd: list[float]) -> None:
    """Two numbers have no spread that one could trust, a zero has no logarithm, NaN is nothing."""
    assert ratio_interval(odd, [1.0, 2.0, 3.0]) is None
    assert ratio_interval([1.0, 2.0, 3.0], odd) is None
    assert mean_interval([1.0, 2.0]) is None
