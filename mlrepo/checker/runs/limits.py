"""Judge a performance run's limits: samples, seeds, latencies, queries and duration."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.runs.numbers import Unjudgeable, compared, out_of_bounds
from mlrepo.checker.runs.old_performance import summary_field
from mlrepo.checker.runs.tokens import (
    has_token_latencies,
    has_token_limits,
    token_limits_exceeded,
)
from mlrepo.checker.scope import Scope
from mlrepo.compliance import compliance_test
from mlrepo.rounds import Round
from mlrepo.scenarios import named

# A single pass over a data set of fixed size has no minimum duration.
_NO_MIN_DURATION = ("e2e-rag-qna", "e2e-rag-db")
_AIM = "effective_target_latency_ns"


def line_of_key(scope: Scope, path: str, key: str) -> int:
    """Return the key's line in the log; called only for a breach."""
    return scope.line_of(path, f'"{key}"' if scope.round.has_detail_log() else summary_field(key))


def judge_limits(
    scope: Scope, path: str, scenario: str, values: Mapping[str, object], test: str
) -> Breaches:
    """Yield limits that a run of ``scenario`` misses; ``values`` are those of its log.

    Raises
    ------
    Unjudgeable
        A number is missing, or the round has no limit for the benchmark.
    """
    yield from _judge_settings(scope, path, values, test)
    yield from _judge_latency(scope, path, scenario, values)
    yield from _judge_amount(scope, path, scenario, values)


def _hold(
    scope: Scope,
    rule: str,
    path: str,
    message: str,
    values: Mapping[str, object],
    key: str,
    *,
    least: float | None = None,
    most: float | None = None,
    unit: str = "",
) -> Breaches:
    """Yield a breach if the value of a key is out of its bounds."""
    value = compared(values, key)
    if bound := out_of_bounds(value, least=least, most=most):
        yield Breach(
            rule,
            path,
            message,
            line=line_of_key(scope, path, key),
            expected=f"{bound}{unit}",
            actual=value,
            # No official checker's comparison is true for NaN, so they accept it.
            part="" if value == value else "not a number",
        )


def _judge_settings(scope: Scope, path: str, values: Mapping[str, object], test: str) -> Breaches:
    least = scope.round.tables["performance_sample_count_min"].get(scope.model)
    if least is None:
        raise Unjudgeable(f"The round does not know the benchmark {scope.model}.")
    yield from _hold(
        scope,
        "performance-sample-count",
        path,
        "Too few samples are loaded.",
        values,
        "effective_performance_sample_count",
        least=least,
    )
    for name, seed in (compliance_test(test).seeds(scope.round) or scope.round.seeds()).items():
        if values.get(f"effective_{name}") != seed:
            yield Breach(
                "performance-seeds",
                path,
                f"{name} is not the round's.",
                line=line_of_key(scope, path, f"effective_{name}"),
                expected=seed,
                actual=values.get(f"effective_{name}"),
            )
    yield from _judge_tokens(scope, path, values)


def _judge_tokens(scope: Scope, path: str, values: Mapping[str, object]) -> Breaches:
    if not has_token_latencies(scope.round, scope.model):
        return
    if not values.get("requested_use_token_latencies"):
        yield Breach(
            "performance-token-latency",
            path,
            "Token latencies are not measured.",
            line=line_of_key(scope, path, "requested_use_token_latencies"),
        )
        return
    logged = str(values.get("effective_scenario"))
    if scope.round.limits_tokens_by_log and logged != scope.scenario:
        # What LoadGen ran as Server must meet Server's limits, whatever it is submitted as.
        yield from _hold_to_token_limits(scope, path, values, scope.scenario, "shown scenario")
        yield from _hold_to_token_limits(scope, path, values, logged)
    else:
        yield from _hold_to_token_limits(scope, path, values, scope.scenario)


def _hold_to_token_limits(
    scope: Scope, path: str, values: Mapping[str, object], scenario: str, part: str = ""
) -> Breaches:
    if not has_token_limits(scope.round, scenario):
        return
    exceeded = token_limits_exceeded(scope.round, scope.model, scenario, values)
    if exceeded is not None:
        key, expected, actual = exceeded
        yield Breach(
            "performance-token-latency",
            path,
            "Token latencies exceed the limits.",
            line=line_of_key(scope, path, key),
            expected=expected,
            actual=actual,
            part=part,
        )


def stops_early(round: Round, scenario: str) -> bool:
    """Say whether LoadGen's early stopping applies to the scenario in the round (since v2.0)."""
    return scenario in (round.tables.get("early_stopping_scenarios") or ())


def _judge_latency(
    scope: Scope, path: str, scenario: str, values: Mapping[str, object]
) -> Breaches:
    limit = (scope.round.tables["latency_limit_ns"].get(scope.model) or {}).get(scenario)
    if stops_early(scope.round, scenario):
        if not values.get("early_stopping_met"):
            yield Breach(
                "performance-early-stopping",
                path,
                "Early stopping is not satisfied.",
                line=line_of_key(scope, path, "early_stopping_met"),
                actual=values.get("early_stopping_result", "absent"),
            )
        if limit:
            yield from _hold(
                scope,
                "performance-target-latency",
                path,
                "The target latency is too long.",
                values,
                _AIM,
                most=limit,
                unit=" ns",
            )
        return
    if not limit:
        return
    per_query = "per_query_" if named(scenario).samples_per_query > 1 else ""
    yield from _hold(
        scope,
        "performance-latency",
        path,
        "The 99th percentile latency is too long.",
        values,
        f"result_99.00_percentile_{per_query}latency_ns",
        most=limit,
        unit=" ns",
    )
    target = values.get(_AIM)
    if named(scenario).at_random and isinstance(target, int | float) and target > limit:
        yield Breach(
            "performance-target-latency",
            path,
            "The target latency is too long.",
            line=line_of_key(scope, path, _AIM),
            expected=f"<= {limit} ns",
            actual=target,
            part="without early stopping",
        )


def _judge_amount(scope: Scope, path: str, scenario: str, values: Mapping[str, object]) -> Breaches:
    tables = scope.round.tables
    if not tables["min_queries"]:
        return  # v0.5 sets none
    if not stops_early(scope.round, scenario):
        if scope.model not in tables["min_queries"]:
            raise Unjudgeable(f"The round has no query count for {scope.model}.")
        least = tables["min_queries"][scope.model].get(scenario)
        if least:
            yield from _hold(
                scope,
                "performance-min-queries",
                path,
                "Too few queries are requested.",
                values,
                "effective_min_query_count",
                least=least,
            )
    if named(scenario).at_once:
        per_model = tables["offline_min_samples_per_query"].get("per_model") or {}
        if scope.round.offline_samples_by_benchmark and scope.model not in per_model:
            raise Unjudgeable(f"The round has no samples per query for {scope.model}.")
        yield from _hold(
            scope,
            "performance-samples-per-query",
            path,
            "The query is too small.",
            values,
            "effective_samples_per_query",
            least=scope.round.min_offline_samples(scope.model),
        )
    if scope.model in _NO_MIN_DURATION:
        return
    yield from _hold(
        scope,
        "performance-min-duration",
        path,
        "The run is too short.",
        values,
        "effective_min_duration_ms",
        least=scope.round.min_duration_ms(),
        unit=" ms",
    )
