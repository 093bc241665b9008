"""The token latency limits of language models in Server and Interactive."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS

# A language model of the checkers' list (since v5.1) for which their tables have no limits.
_WITHOUT_LIMITS = ("llama3.1-8b-edge",)
_FIRST = "result_first_token_99.00_percentile_latency_ns"
_LATER = "result_time_per_output_token_99.00_percentile_ns"


def has_token_latencies(round: Round, model: str) -> bool:
    """Say whether the round requires token latencies of the model's runs (v4.0 and later)."""
    limits = round.tables.get("llm_latency_limit_ns") or {}
    return model in limits or model in _WITHOUT_LIMITS


def counts_tokens(round: Round, model: str) -> bool:
    """Say whether runs of the model log tokens: language models, and speech in tokens/s."""
    keys = (round.result_key(model, scenario) for scenario in SCENARIOS)
    return has_token_latencies(round, model) or any("token" in key for key in keys)


def has_token_limits(round: Round, scenario: str) -> bool:
    """Say whether token latencies are limited in the scenario."""
    return scenario in round.token_limited_scenarios


def token_limits_exceeded(
    round: Round, model: str, scenario: str, values: Mapping[str, object]
) -> tuple[str, str, str] | None:
    """Return the key of a latency that exceeds its limit, the expected and the actual value.

    None if both latencies are strictly below their limits; of several pairs of limits (v4.0, v4.1)
    one is enough. A scenario without limits, and a latency that is missing or not a number, count
    as exceeding them.
    """
    exceeded = _FIRST, f"a scenario with limits, not {scenario}", str(values.get(_FIRST))
    for limits in _pairs(round, model, scenario):
        for key, limit in ((_FIRST, limits["ttft"]), (_LATER, limits["tpot"])):
            value = values.get(key)
            if not isinstance(value, int | float) or not value < limit:
                exceeded = key, f"< {limit} ns ({scenario})", str(value)
                break
        else:
            return None
    return exceeded


def latencies_in_words(round: Round, model: str, values: Mapping[str, object]) -> str:
    """Return TTFT and TPOT at the 99th percentile in milliseconds, as far as they are logged."""
    if not has_token_latencies(round, model):
        return ""
    return ", ".join(
        f"{name} p99 {value / 1e6:.4g} ms"
        for name, key in (("TTFT", _FIRST), ("TPOT", _LATER))
        if isinstance(value := values.get(key), int | float) and not isinstance(value, bool)
    )


def _pairs(round: Round, model: str, scenario: str) -> list[Mapping[str, int]]:
    """Return the pairs of limits that apply: v5.0 has one per model, v5.1 one per scenario."""
    limits = (round.tables.get("llm_latency_limit_ns") or {}).get(model) or {}
    if "ttft" in limits:
        return [limits]
    by_scenario = any(name in limits for name in SCENARIOS)
    return [pair for name, pair in limits.items() if name == scenario or not by_scenario]
