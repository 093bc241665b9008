"""LoadGen's numeric results with their units."""

from __future__ import annotations

from mlrepo.logs.detail import DetailLog
from mlrepo.record import Metric

# Nanoseconds, too, though their names do not say it.
_UNNAMED_NS = "time_to_output_token_"


def loadgen_metrics(detail: DetailLog) -> dict[str, Metric]:
    """Return LoadGen's numeric results: latencies in milliseconds, rates per second or tokens/s."""
    found: dict[str, Metric] = {}
    for key in detail.group("result_"):
        number = detail.number(f"result_{key}")
        if number is None:
            continue
        if key.endswith("_ns") or key.startswith(_UNNAMED_NS):
            found[key.removesuffix("_ns")] = Metric(number / 1e6, "ms")
        elif "token" in key and ("per_sec" in key or "throughput" in key):
            found[key] = Metric(number, "tokens/s")
        elif "per_sec" in key or "qps" in key:
            found[key] = Metric(number, "1/s")
        else:
            found[key] = Metric(number, "")
    return found
