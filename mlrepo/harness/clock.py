"""The clock that LoadGen measures by, beside one that nobody sets.

LoadGen takes times from ``std::chrono::high_resolution_clock``, which is the time of day with
GNU's library. Where the clock is set during a run, its latencies are wrong, and one that is set
back makes it wait as long to send the next query.
"""

from __future__ import annotations

import time

# NTP's programs slew the clock by smaller errors, which changes both clocks alike.
MOST_SET_SECONDS = 0.05
_READINGS = 5


def clock_offset() -> float:
    """Return by how many seconds the time of day is ahead of the monotonic clock."""
    readings = []
    for _ in range(_READINGS):
        before = time.monotonic_ns()
        day = time.time_ns()
        took = time.monotonic_ns() - before
        readings.append((took, day - before))
    return min(readings)[1] / 1e9
