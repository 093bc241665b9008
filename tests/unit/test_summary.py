"""``mlperf_log_summary.txt``: LoadGen's sentences, as printed by LoadGen 6.0.17."""

from __future__ import annotations

import pytest

from mlrepo.logs.summary import invalid_reasons

_HEAD = """================================================
MLPerf Results Summary
================================================
SUT name : PyFastSUT
Scenario : {scenario}
Mode     : PerformanceOnly
{result}
Result is : {verdict}
"""
_TAIL = """
================================================
Additional Stats
================================================
No warnings encountered during test.
  Min duration satisfied : NO
 * not an advice
"""


def _summary(verdict: str, body: str) -> str:
    return (
        _HEAD.format(scenario="X", result="Samples per second: 1", verdict=verdict) + body + _TAIL
    )


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        (
            """  Min duration satisfied : NO
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Recommendations:
 * Increase expected QPS so the loadgen pre-generates a larger (coalesced) query.
""",
            (
                "Min duration not satisfied",
                "Increase expected QPS so the loadgen pre-generates a larger (coalesced) query.",
            ),
        ),
        (
            """  Performance constraints satisfied : NO
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
 * Reduce target QPS to improve latency.
Early Stopping Result:
 * Run unsuccessful.
 * Processed 700 queries.
 * Would need to run at least 75674 more queries,
 with the run being successful if every additional
 query were under latency.
""",
            (
                "Performance constraints not satisfied",
                "Early stopping not satisfied",
                "Reduce target QPS to improve latency.",
                "Run unsuccessful. Processed 700 queries. Would need to run at least 75674 more "
                "queries, with the run being successful if every additional query were under "
                "latency.",
            ),
        ),
        (
            """  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
Early Stopping Result:
 * Only processed 10 queries.
 * Need to process at least 64 queries for early stopping.
""",
            (
                "Early stopping not satisfied",
                "Only processed 10 queries. Need to process at least 64 queries for early "
                "stopping.",
            ),
        ),
        (
            """  Min duration satisfied : NO
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Recommendations:
 * Decrease the expected latency so the loadgen pre-generates more queries.
Early Stopping Result:
 * Processed at least 64 queries (100).
 * Would discard 2 highest latency queries.
 * Early stopping 90.0th percentile estimate: 269049
 * Not enough queries processed for 99.0th percentile
 early stopping estimate (would need to process at
 least 662 total queries).
""",
            (
                "Min duration not satisfied",
                "Decrease the expected latency so the loadgen pre-generates more queries.",
            ),
        ),
    ],
    ids=["Offline", "Server", "SingleStream too short", "SingleStream too early"],
)
def test_reasons_are_conditions_then_advice(body: str, reasons: tuple[str, ...]) -> None:
    """Failed conditions, LoadGen's advice, and early stopping only when it is the reason."""
    assert invalid_reasons(_summary("INVALID", body)) == reasons


def test_a_valid_run_has_no_reason() -> None:
    """The explanation of the percentile estimate is no reproach."""
    body = """  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Early Stopping Result:
 * Processed at least 64 queries (100).
 * Would discard 2 highest latency queries.
"""
    assert invalid_reasons(_summary("VALID", body)) == ()


@pytest.mark.parametrize("text", ["", "\x00\xff", "Recommendations:", "Early Stopping Result:\n"])
def test_a_text_that_is_no_summary_gives_no_reason(text: str) -> None:
    """A summary cut short by a crash is read as far as it goes."""
    assert invalid_reasons(text) == ()
