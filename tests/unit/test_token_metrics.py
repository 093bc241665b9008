"""What is taken from LoadGen's logs of token runs means what its name says."""

from __future__ import annotations

import pytest

from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.logs.metrics import loadgen_metrics
from tests.outside import CORPUS, needs_shared

_PUBLISHED = "open/NVIDIA/results/Jetson-Thor_TRT/llama3.1-8b-edge/SingleStream/performance/run_1"


@needs_shared(CORPUS)
def test_rates_of_a_published_run_agree_with_its_latencies() -> None:
    """LoadGen logs 3e-08 and 31.3 tokens/s; 41 ms for each of 10,000 answers make the latter."""
    log = parse_detail((CORPUS / "v6.0" / _PUBLISHED / "mlperf_log_detail.txt").read_bytes())
    assert log.number("result_token_throughput") == pytest.approx(3.13e-08, rel=0.01)
    found = loadgen_metrics(log)
    rates = {name: one.value for name, one in found.items() if one.unit == "tokens/s"}
    assert rates == {"completed_tokens_per_second": pytest.approx(31.3015)}
    # One answer after the other: its tokens by its latency, first token and all further ones.
    latency, first, each = (
        found[name].value
        for name in ("mean_latency", "first_token_mean_latency", "time_to_output_token_mean")
    )
    assert latency and first and each and found["mean_latency"].unit == "ms"
    tokens = 1 + (latency - first) / each
    assert tokens / latency * 1e3 == pytest.approx(rates["completed_tokens_per_second"], rel=0.01)


def test_no_queries_are_late_by_a_bound_that_does_not_count() -> None:
    """Where tokens are timed LoadGen ignores the latency of the whole query."""
    late = {"result_overlatency_query_count": 24}
    assert "overlatency_query_count" in loadgen_metrics(DetailLog(late, ()))
    of_tokens = DetailLog({**late, "requested_use_token_latencies": True}, ())
    assert loadgen_metrics(of_tokens) == {}
