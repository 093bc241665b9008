"""Estimates of run times from what a warm-up measured."""

from __future__ import annotations

import pytest

from mlrepo.bench.estimate import Speed

# 10 ms for one sample, 40 ms for eight, 100 ms for 32: larger batches pay.
SPEED = Speed({1: 0.010, 8: 0.040, 32: 0.100}, samples=1000, overhead=2.0)


@pytest.mark.parametrize(
    ("scenario", "mode", "shortest", "least", "seconds"),
    [
        ("Offline", "accuracy", 600, 24_576, 1000 / 320),
        ("SingleStream", "accuracy", 600, 1, 10),
        ("MultiStream", "accuracy", 600, 1, 5),
        ("Server", "accuracy", 600, 1, 40),
        ("Offline", "performance", 600, 1, 660),  # LoadGen prepares a tenth more
        ("Offline", "performance", 10, 24_576, 24_576 / 320),
        ("SingleStream", "performance", 600, 1, 600),
        ("SingleStream", "performance", 0, 1, 0.64),  # 64 queries for early stopping
        ("MultiStream", "performance", 2, 1, 662 * 8 * 0.005),
        ("Server", "compliance", 600, 1, 600),
    ],
)
def test_a_run_takes_what_the_rules_and_the_system_ask(
    scenario: str, mode: str, shortest: float, least: int, seconds: float
) -> None:
    """The longer of the round's shortest run and of the samples that LoadGen needs."""
    estimate = SPEED.seconds_of(scenario, mode, shortest, least)
    assert estimate == pytest.approx(SPEED.overhead + seconds)


def test_a_model_of_one_batch_size_is_estimated_from_that() -> None:
    """A static batch of 16: every scenario pays for it."""
    static = Speed({16: 0.160}, samples=100, overhead=0.0)
    assert static.seconds_of("MultiStream", "accuracy", 600, 1) == pytest.approx(1.0)
