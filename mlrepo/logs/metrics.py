"""LoadGen's numeric results with their units, without those that are not what their names say."""

from __future__ import annotations

from mlrepo.logs.detail import DetailLog
from mlrepo.record import Metric

# Nanoseconds, too, though their names do not say it.
_UNNAMED_NS = "time_to_output_token_"
# LogDetail of results.cc divides all tokens by the sum of all latencies in nanoseconds (the summary
# has seconds), which is a rate of one request, also where many are answered at one time; and by the
# time when the last query was sent, which leaves its answer, and all that were waited for, out.
# completed_tokens_per_second is right in every scenario: all tokens by the time until the last
# query was answered.
_NO_RATES = ("token_throughput", "token_throughput_with_loadgen_overhead")
# Queries beyond a target latency that does not count where tokens are timed; LoadGen's own
# configuration sets it to 0, so that all are.
_OF_WHOLE_QUERIES = ("overlatency_query_count",)


def loadgen_metrics(detail: DetailLog) -> dict[str, Metric]:
    """Return LoadGen's numeric results: latencies in milliseconds, rates per second or tokens/s."""
    left_out = set(_NO_RATES)
    if detail.values.get("requested_use_token_latencies"):
        left_out.update(_OF_WHOLE_QUERIES)
    found: dict[str, Metric] = {}
    for key in detail.group("result_"):
        number = detail.number(f"result_{key}")
        if number is None or key in left_out:
            continue
        if key.endswith("_ns") or key.startswith(_UNNAMED_NS):
            found[key.removesuffix("_ns")] = Metric(number / 1e6, "ms")
        elif "tokens_per_sec" in key:
            found[key] = Metric(number, "tokens/s")
        elif "per_sec" in key or "qps" in key:
            found[key] = Metric(number, "1/s")
        else:
            found[key] = Metric(number, "")
    return found
