"""Infer results from runs of another scenario, so that no log has to be copied.

Source: the submission checkers of mlcommons/inference. Up to v1.1 an Offline result may be inferred
from a SingleStream log; since v2.0 also from MultiStream, and MultiStream from SingleStream; since
v6.0 only for edge systems. The values are those that the checkers compute.
"""

from __future__ import annotations

from collections.abc import Callable

from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS


def sources_of(round_: Round, scenario: str, category: str) -> tuple[str, ...]:
    """Return the scenarios from which a result of ``scenario`` may be inferred, the best first."""
    if round_.inference_category not in category:
        return ()
    return round_.inferred_from.get(scenario, ())


def inferred_result(scenario: str, source: str, number: Callable[[str], float]) -> float:
    """Return the result of ``scenario`` inferred from a run of ``source``.

    ``number`` returns a value of the run's detail log by key; :func:`inferred_unit` is the unit.

    Raises
    ------
    ZeroDivisionError
        The log's mean latency is zero.
    """
    wanted = SCENARIOS[scenario]
    if wanted.is_stream:
        return number("early_stopping_latency_ms") * wanted.samples_per_query / 1e6
    if SCENARIOS[source].samples_per_query > 1:
        mean = number("result_mean_query_latency_ns") / 1e6
        return number("effective_samples_per_query") * 1000 / mean
    return number("result_qps_without_loadgen_overhead")


def inferred_unit(scenario: str) -> str:
    """Return the unit of an inferred result.

    A rate is in samples for every benchmark: a latency per query implies no number of tokens.
    """
    return "ms" if SCENARIOS[scenario].is_stream else "samples/s"
