"""Goodput: the rate of the answers that keep all limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.record.latencies import loadgen_limits, percentiles

if TYPE_CHECKING:
    from mlrepo.record import RunRecord


@dataclass(frozen=True)
class Goodput:
    """A rate (samples/s); ``exact`` says whether LoadGen counted, or percentiles bound it below."""

    rate: float
    exact: bool

    def __str__(self) -> str:
        return f"{'' if self.exact else '≥ '}{self.rate:.4g}"


def goodput(record: RunRecord, limits: Mapping[str, float]) -> Goodput | None:
    """Return the goodput of a run under limits (milliseconds); None without limits or a rate.

    LoadGen counts the queries that exceed its own latency bound. For other limits the percentiles
    say which share keeps each of them at least; shares that do not add up to all answers. A share
    is that of the largest known percentile within the limit.
    """
    if not limits or not record.rate:
        return None
    slow, queries = (record.metric(f"{name}query_count") for name in ("overlatency_", ""))
    own = loadgen_limits(record)
    same = limits.keys() == own.keys() == {"latency"} and math.isclose(
        limits["latency"], own["latency"]
    )
    if same and slow is not None and queries:
        return Goodput(record.rate * max(0.0, 1 - slow / queries), exact=True)
    missed = 0.0
    for name, limit in limits.items():
        within = [percent for percent, value in percentiles(record, name).items() if value <= limit]
        missed += 1 - max(within, default=0.0) / 100
    return Goodput(record.rate * max(0.0, 1 - missed), exact=False)
