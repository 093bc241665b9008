"""The points of a load curve: what a search needs of the runs at one load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mlrepo.bench.overload import fell_behind, too_slow
from mlrepo.record import VALID, RunRecord
from mlrepo.record.latencies import latency_ms, loadgen_limits
from mlrepo.scenarios import SCENARIOS


@dataclass(frozen=True)
class LoadPoint:
    """All runs at one load.

    Attributes
    ----------
    load:
        The value of the axis.
    good:
        How many of its runs hold the limits and keep up with the load.
    bad:
        How many do not.
    behind:
        Whether a run did less than it was offered: noise does not do that for long.
    height:
        The median of what the curve shows, the higher the better: a rate, or the negative of a
        latency. None if no run has a result.
    """

    load: float
    good: int
    bad: int
    behind: bool
    height: float | None


def load_point(load: float, records: Sequence[RunRecord], limits: Mapping[str, float]) -> LoadPoint:
    """Return the point of the runs at one load."""
    held = [holds(record, limits) for record in records]
    heights = [height for record in records if (height := _height(record)) is not None]
    return LoadPoint(
        load,
        sum(held),
        len(held) - sum(held),
        any(fell_behind(record) for record in records),
        median(heights) if heights else None,
    )


def holds(record: RunRecord, limits: Mapping[str, float]) -> bool:
    """Say whether a run kept up with its load within the limits.

    Without typed limits LoadGen's bound with its early stopping says so. A run that had too few
    queries for early stopping is judged by its percentile alone.
    """
    if fell_behind(record):
        return False
    if not limits and record.validity == VALID:
        return True
    if not limits and too_slow(record):
        return False
    bounds = limits or loadgen_limits(record)
    values = {name: latency_ms(record, name) for name in bounds}
    return bool(bounds) and all(
        value is not None and value <= bounds[name] for name, value in values.items()
    )


def _height(record: RunRecord) -> float | None:
    value = record.result.value
    lower = SCENARIOS[record.scenario].lower_is_better
    return -value if value is not None and lower else value
