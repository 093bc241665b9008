"""Where further points are placed: on simulated services whose curve is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from mlrepo.bench.sweep.adaptive import find_knee, next_loads
from mlrepo.bench.sweep.points import LoadPoint

# load → (holds, fell behind, height)
Service = Callable[[float], tuple[bool, bool, float]]


def _search(
    service: Service, loads: list[float], *, limited: bool, whole: bool = False
) -> tuple[float | None, int]:
    """Return the knee that is found from the first loads on, and how many runs that took."""
    runs: dict[float, list[tuple[bool, bool, float]]] = {load: [service(load)] for load in loads}
    for _ in range(100):
        wanted = next_loads(_points(runs), limited=limited, whole=whole, resolution=0.02)
        if not wanted:
            break
        for load in wanted:
            runs.setdefault(load, []).append(service(load))
    knee = find_knee(_points(runs), limited=limited)
    return knee.load, sum(map(len, runs.values()))


def _points(runs: dict[float, list[tuple[bool, bool, float]]]) -> list[LoadPoint]:
    return [
        LoadPoint(
            load,
            sum(held for held, _, _ in ran),
            sum(not held for held, _, _ in ran),
            any(behind for _, behind, _ in ran),
            sorted(height for _, _, height in ran)[len(ran) // 2],
        )
        for load, ran in runs.items()
    ]


def _queue(capacity: float, bound: float, noise: float, chance: random.Random) -> Service:
    """A queue with exponential service times: its 99th percentile is ln(100) ÷ (capacity - rate).

    Noise only makes it slower, by up to ``noise`` of its capacity in a fifth of the runs.
    """

    def run(rate: float) -> tuple[bool, bool, float]:
        now = capacity * (1 - noise * chance.random() if chance.random() < 0.2 else 1)
        behind = rate > now / 0.97
        p99 = math.inf if rate >= now else math.log(100) / (now - rate)
        return p99 <= bound and not behind, behind, min(rate, now)

    return run


def _log(low: float, high: float, count: int) -> list[float]:
    return [low * (high / low) ** (place / (count - 1)) for place in range(count)]


@pytest.mark.parametrize(("noise", "within"), [(0.0, 40), (0.3, 39)])
def test_the_rate_where_a_limit_is_crossed_is_found(noise: float, within: int) -> None:
    """Within 3 % of the truth in a third of the runs of a dense grid, for any capacity.

    Where a fifth of the runs is spoilt, a few searches end below it.
    """
    dense = math.ceil(math.log(40) / math.log(1.03)) + 1
    found = 0
    for seed in range(40):
        chance = random.Random(seed)
        capacity = chance.uniform(60, 380)
        truth = capacity - math.log(100) / 0.5
        service = _queue(capacity, 0.5, noise, chance)
        knee, runs = _search(service, _log(10, 400, 8), limited=True)
        assert knee is not None
        assert knee <= truth * 1.0001
        found += knee >= truth * 0.97
        assert runs <= dense / 3
    assert found >= within


def test_one_failure_bounds_nothing_unless_the_system_fell_behind() -> None:
    """The load is measured once more; a third time decides nothing."""
    good, bad = LoadPoint(10, 1, 0, False, 10), LoadPoint(20, 0, 1, False, 20)
    assert next_loads([good, bad], limited=True, whole=False, resolution=0.02) == [20]
    twice = LoadPoint(20, 0, 2, False, 20)
    assert next_loads([good, twice], limited=True, whole=False, resolution=0.02) == [14.142]
    behind = LoadPoint(20, 0, 1, True, 20)
    assert next_loads([good, behind], limited=True, whole=False, resolution=0.02) == [14.142]


def test_a_limit_that_no_point_crosses_needs_no_further_points() -> None:
    """All hold, or none does: the range has no knee."""
    good = [LoadPoint(load, 1, 0, False, load) for load in (1.0, 2.0, 4.0)]
    assert next_loads(good, limited=True, whole=False, resolution=0.02) == []
    assert find_knee(good, limited=True).load == 4
    bad = [LoadPoint(load, 0, 1, True, load) for load in (1.0, 2.0, 4.0)]
    assert next_loads(bad, limited=True, whole=False, resolution=0.02) == []
    assert find_knee(bad, limited=True).load is None


@pytest.mark.parametrize("slots", [3, 7, 20, 41])
def test_the_concurrency_where_throughput_stops_to_grow_is_found(slots: int) -> None:
    """A server of so many slots: throughput grows with the requests until all are taken."""

    def service(requests: float) -> tuple[bool, bool, float]:
        return True, False, min(requests, slots) * 10.0

    knee, runs = _search(
        service, [float(round(load)) for load in _log(1, 128, 8)], limited=False, whole=True
    )
    assert knee == slots
    assert runs <= 128 / 3


def test_a_curve_without_a_bend_ends() -> None:
    """A flat one, one of two points, and one without results ask for nothing."""
    for heights in ([1.0, 1.0, 1.0], [None, None, None], [1.0, 2.0]):
        points = [LoadPoint(float(i + 1), 1, 0, False, h) for i, h in enumerate(heights)]
        assert next_loads(points, limited=False, whole=False, resolution=0.02) == []
