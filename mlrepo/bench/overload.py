"""Whether a system kept up with the queries that came at random, and which bound of a run is short.

A system that falls behind answers fewer queries per second than arrive, however long the run.
"""

from __future__ import annotations

from mlrepo.record import RunRecord
from mlrepo.record.latencies import loadgen_limits

# A system that takes up less than this share of what arrives falls behind.
_KEPT_UP = 0.97
_TOO_SLOW = "Performance constraints not satisfied"


def sustained(record: RunRecord) -> float | None:
    """Return how many queries per second a run took up; None if it has no rate.

    LoadGen's rate ends with the answer to the last query. That of a language model takes long after
    its first token, also on a system without any queue: this time is taken off, as far as it is
    more than the queries took to arrive. It is the difference of the longest latency and the
    longest time to the first token, since what waits in a queue has no token yet.
    """
    times = _times(record)
    if times is None:
        return record.rate
    queries, arrived, answered = times
    return queries / max(arrived, answered)


def fell_behind(record: RunRecord) -> bool:
    """Say whether a system did less than it was offered, rather than being a little late.

    A lag that the bound of the run allows each query is none: a run that is short beside its bound
    does not tell.
    """
    times = _times(record)
    if times is None:
        offered, did = record.metric("scheduled_samples_per_sec"), record.rate
        return bool(offered and did and did < offered * _KEPT_UP)
    _, arrived, answered = times
    return answered - arrived > max(arrived / _KEPT_UP - arrived, waiting_bound(record))


def _times(record: RunRecord) -> tuple[float, float, float] | None:
    """Return how many queries followed the first, and the seconds until the last came and was done.

    Without the time that its answer took after the first token. None if the run does not tell.
    """
    rate, offered = record.rate, record.metric("scheduled_samples_per_sec")
    queries = (record.metric("query_count") or 0.0) - 1
    if not rate or not offered or queries <= 0:
        return None
    longest, first = (record.metric(name) for name in ("max_latency", "first_token_max_latency"))
    generating = max(0.0, longest - first) / 1e3 if longest and first else 0.0
    return queries, queries / offered, queries / rate - generating


def too_slow(record: RunRecord) -> bool:
    """Say whether LoadGen found a latency beyond its bound, rather than too few queries to tell."""
    return any(_TOO_SLOW in reason for reason in record.reasons)


def waiting_bound(record: RunRecord) -> float:
    """Return how many seconds a query may wait by the run's limits; 0 if it has none."""
    limits = loadgen_limits(record)
    return limits.get("ttft", limits.get("latency", 0.0)) / 1e3
