"""Results that follow from runs of another scenario, so that no log has to be copied.

Source: the submission checkers of mlcommons/inference. Until v1.1 an Offline result may be inferred
from a SingleStream log; since v2.0 also from MultiStream, and MultiStream from SingleStream; since
v6.0 only for systems of the edge category. The values are those that the checkers compute.
"""

from __future__ import annotations

from collections.abc import Callable

from mlrepo.rounds import Round

# Samples of a MultiStream query in the rounds that infer it from SingleStream.
_SAMPLES_PER_QUERY = 8


def sources_of(round_: Round, scenario: str, category: str) -> tuple[str, ...]:
    """Return the scenarios from which a result of ``scenario`` may be inferred, the best first."""
    if round_.version >= (6, 0) and "edge" not in category:
        return ()
    if round_.version < (2, 0):
        return ("SingleStream",) if scenario == "Offline" else ()
    return {"Offline": ("MultiStream", "SingleStream"), "MultiStream": ("SingleStream",)}.get(
        scenario, ()
    )


def inferred_result(scenario: str, source: str, number: Callable[[str], float]) -> float:
    """Return the result of ``scenario`` that follows from a run of ``source``.

    ``number`` returns a value of the run's detail log by key. The result is samples per second for
    Offline, milliseconds for MultiStream.

    Raises
    ------
    ZeroDivisionError
        The log's mean latency is zero.
    """
    if scenario == "MultiStream":
        return number("early_stopping_latency_ms") * _SAMPLES_PER_QUERY / 1e6
    if source == "MultiStream":
        mean = number("result_mean_query_latency_ns") / 1e6
        return number("effective_samples_per_query") * 1000 / mean
    return number("result_qps_without_loadgen_overhead")
