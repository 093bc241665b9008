"""The latencies of a run by the names that people know them by, whoever measured them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlrepo.scenarios import named

if TYPE_CHECKING:
    from mlrepo.record.run import RunRecord

# The metric of LoadGen that has a percentile: of a query, of the time to its first token, and of
# the time per output token.
LATENCIES: Mapping[str, re.Pattern[str]] = {
    "latency": re.compile(r"([0-9]{2}\.[0-9]{2})_percentile_latency"),
    "ttft": re.compile(r"first_token_([0-9]{2}\.[0-9]{2})_percentile_latency"),
    "tpot": re.compile(r"time_per_output_token_([0-9]{2}\.[0-9]{2})_percentile"),
}


def percentiles(record: RunRecord, name: str) -> dict[float, float]:
    """Return the known percentiles of a latency in milliseconds, by percent.

    A client that keeps a number of requests under way measures from when it sends each; otherwise
    these are LoadGen's, from when its query begins.
    """
    traffic = record.backend.traffic
    served = traffic.served.get(name, {}) if traffic else {}
    if served and record.backend.asked_options.get("connections"):
        return {float(key): value for key, value in served.items() if key.isdecimal()}
    return dict(_of_loadgen(record, LATENCIES[name]))


def latency_ms(record: RunRecord, name: str, percent: float = 99) -> float | None:
    """Return one percentile of a latency in milliseconds; None if the record has none."""
    return percentiles(record, name).get(percent)


def loadgen_limits(record: RunRecord) -> dict[str, float]:
    """Return LoadGen's limits of a run in milliseconds, by ``latency`` or ``ttft`` and ``tpot``.

    With token latencies LoadGen ignores the latency of the whole query.
    """
    if not named(record.scenario).bounded:
        return {}
    requested = record.loadgen.requested.others
    if requested.get("use_token_latencies"):
        bounds = {name: requested.get(f"server_{name}_latency") for name in ("ttft", "tpot")}
        return {
            name: bound / 1e6
            for name, bound in bounds.items()
            if isinstance(bound, int | float) and bound > 0
        }
    bound = record.loadgen.effective.target_latency_ns
    return {"latency": bound / 1e6} if bound else {}


def bounded_percent(record: RunRecord) -> float:
    """Return the percentile that LoadGen's limits are of, in percent."""
    return 100 * (record.loadgen.effective.target_latency_percentile or 0.99)


def _of_loadgen(record: RunRecord, pattern: re.Pattern[str]) -> Iterator[tuple[float, float]]:
    for metric, found in record.metrics.items():
        match = pattern.fullmatch(metric)
        if match and found.value is not None:
            yield float(match[1]), found.value
