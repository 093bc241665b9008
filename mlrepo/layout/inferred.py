"""The value of a result that follows from a run of another scenario."""

from __future__ import annotations

from mlrepo.logs.detail import parse_detail
from mlrepo.record import Metric
from mlrepo.rounds.inference import inferred_result, inferred_unit


def inferred_metric(scenario: str, source: str, detail_log: bytes) -> Metric:
    """Return the result of ``scenario`` from the detail log of a run of ``source``.

    Its value is None where the log lacks what it follows from, or its mean latency is zero.
    """
    detail = parse_detail(detail_log)

    def number(key: str) -> float:
        found = detail.number(key)
        if found is None:
            raise LookupError(key)
        return found

    try:
        value: float | None = inferred_result(scenario, source, number)
    except (LookupError, ZeroDivisionError):
        value = None
    return Metric(value, inferred_unit(scenario))
