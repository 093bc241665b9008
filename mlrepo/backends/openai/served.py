"""The latencies of requests from when they are sent: what a server gives to so many at one time.

LoadGen's begin with its query. In Offline that is one for all samples, so that they are mostly
waiting in the client.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable

# By name in the record; LoadGen logs the same percentiles, and 75 for few samples.
_PERCENTILES = (50, 75, 90, 95, 97, 99)


class Served:
    """Collects the latencies of answered requests, in seconds."""

    def __init__(self) -> None:
        self._latency = array("d")
        self._first = array("d")
        self._per_token = array("d")

    def add(self, sent: float, first: float | None, done: float, tokens: int) -> None:
        """Add a request by its moments, in seconds of one clock, and its number of tokens."""
        self._latency.append(done - sent)
        if first is not None:
            self._first.append(first - sent)
            if tokens > 1:
                self._per_token.append((done - first) / (tokens - 1))

    def words(self) -> dict[str, dict[str, float]]:
        """Return the percentiles in milliseconds, by the names of ``TrafficFacts.served``."""
        found = {"latency": self._latency, "ttft": self._first, "tpot": self._per_token}
        return {name: _percentiles(values) for name, values in found.items() if values}


def _percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return percentiles by the nearest rank, as LoadGen has them."""
    ordered = sorted(values)
    return {
        str(percent): ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] * 1e3
        for percent in _PERCENTILES
    }
