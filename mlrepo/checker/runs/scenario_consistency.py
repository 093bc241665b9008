"""Check lines that determine each other in a scenario's run; see ``consistency``."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlrepo.checker.runs.statements import EARLY_STOPPING_TEXTS, Contradiction, Statements
from mlrepo.logs.summary import estimates
from mlrepo.scenarios import Scenario

# Rates are logged with six digits.
_DIGITS = 2e-5
# LoadGen adds up latencies in 64 bits: beyond that the mean is wrong.
_LARGEST_SUM = 2**63


def offline(log: Statements) -> Iterator[Contradiction]:
    """Yield what cannot be true of a single query with all samples."""
    key = "result_samples_per_second"
    longest = log.number("result_max_latency_ns") / 1e9
    samples = log.number(key) * longest
    generated = log.number("generated_samples_per_query")
    loaded = log.number("effective_performance_sample_count")
    possible = [generated]
    if loaded >= 1 and math.isfinite(generated):
        # Samples may be added until each loaded one is issued equally often.
        possible.append(math.ceil(generated / loaded) * loaded)
    if min((abs(samples / each - 1) for each in possible if each), default=0) > _DIGITS:
        expected = f"{generated / longest if longest else math.inf:g}"
        yield log.against(
            key, "The rate is not the samples divided by the longest latency.", expected
        )
    if samples < log.number("effective_min_sample_count") * (1 - _DIGITS):
        yield log.against(
            key,
            "Fewer samples were run than requested.",
            f">= {log.values['effective_min_sample_count']} samples",
            "performance-min-queries",
        )
    if longest * 1e3 < log.number("effective_min_duration_ms"):
        yield log.against(
            "result_max_latency_ns",
            "The run was shorter than requested.",
            f">= {log.values['effective_min_duration_ms']} ms",
            "performance-min-duration",
        )


def server(log: Statements) -> Iterator[Contradiction]:
    """Yield what cannot be true of queries that arrive at random times."""
    count = log.queries()
    scheduled, completed = "result_scheduled_samples_per_sec", "result_completed_samples_per_sec"
    rate = log.number(scheduled)
    if log.number(completed) > rate * 1.001:
        yield log.against(
            completed, "Samples were completed faster than they arrived.", f"<= {rate:g}"
        )
    generated = (count - 1) / (log.number("generated_query_duration") or math.nan) * 1e9
    if abs(rate - generated) > max(0.01, 2 / max(count, 1)) * generated:
        yield log.against(
            scheduled, "The rate is not the queries divided by their duration.", f"{generated:g}"
        )
    if (count - 1) / (rate or math.nan) * 1e3 < log.number("effective_min_duration_ms") * 0.9999:
        yield log.against(
            scheduled,
            "The run was shorter than requested.",
            f">= {log.values['effective_min_duration_ms']} ms",
            "performance-min-duration",
        )
    tokens, issued = (
        "result_completed_tokens_per_second",
        log.number("result_token_throughput_with_loadgen_overhead"),
    )
    following = issued * log.number(completed) / (rate or math.nan)
    if abs(log.number(tokens) - following) > 0.01 * following:
        yield log.against(
            tokens, "Tokens and samples were not completed at the same rate.", f"{following:g}"
        )
    yield from _server_latency(log, count)


def _server_latency(log: Statements, count: float) -> Iterator[Contradiction]:
    target = log.number("effective_target_latency_ns")
    if log.values.get("requested_use_token_latencies") or not target > 0:
        return
    allowed = 1 - log.number("effective_target_latency_percentile")
    if log.number("result_overlatency_query_count") > allowed * count + 1:
        yield log.against(
            "result_overlatency_query_count",
            "Too many queries exceeded the target latency.",
            f"<= {allowed:.2%} of {count:g}",
        )


def stream(log: Statements, scenario: Scenario) -> Iterator[Contradiction]:
    """Yield what cannot be true of queries that follow each other."""
    query = "query_" if scenario.samples_per_query > 1 else ""
    yield from _mean(log, f"result_mean_{query}latency_ns", query)
    yield from _estimates(log, scenario)
    least = log.number("effective_min_duration_ms")
    if scenario.samples_per_query == 1:
        with_, without = (f"result_qps_{word}_loadgen_overhead" for word in ("with", "without"))
        mean = log.number("result_mean_latency_ns") or math.nan
        if abs(log.number(without) - 1e9 / mean) > _DIGITS * 1e9 / mean:
            yield log.against(
                without, "The rate is not one sample per mean latency.", f"{1e9 / mean:g}"
            )
        if log.number(with_) > log.number(without) * 1.001:
            yield log.against(
                with_, "The overhead of LoadGen is negative.", f"<= {log.values[without]}"
            )
        lasted = (log.queries() - 1) / (log.number(with_) or math.nan) * 1e3
        if lasted < least * 0.9999:
            yield log.against(
                with_,
                "The run was shorter than requested.",
                f">= {least:g} ms",
                "performance-min-duration",
            )
    # LoadGen itself takes up to an eighth of a MultiStream run.
    elif log.queries() * log.number("result_mean_query_latency_ns") / 1e6 < least / 2:
        yield log.against(
            "result_mean_query_latency_ns",
            "The run was shorter than requested.",
            f"queries of {least:g} ms together",
            "performance-min-duration",
        )


def _mean(log: Statements, key: str, query: str) -> Iterator[Contradiction]:
    least, most = (log.number(f"result_{end}_{query}latency_ns") for end in ("min", "max"))
    overflows = log.queries() * most >= _LARGEST_SUM
    if not overflows and (log.number(key) < least or log.number(key) > most):
        yield log.against(
            key, "The mean is not between the minimum and the maximum.", f"{least:g} to {most:g}"
        )


def _estimates(log: Statements, scenario: Scenario) -> Iterator[Contradiction]:
    """Check that early stopping's estimates are between their percentile and the maximum."""
    of_tokens = bool(log.values.get("requested_use_token_latencies"))
    keys = ["early_stopping_latency_ss", "early_stopping_latency_ms"]
    percentiles = [log.number("effective_target_latency_percentile") * 100, 99.0]
    if scenario.samples_per_query > 1:
        keys, percentiles = keys[1:], percentiles[:1]
    printed = estimates(
        str(log.values.get(EARLY_STOPPING_TEXTS[1] if of_tokens else EARLY_STOPPING_TEXTS[0], ""))
    )
    for at, key in enumerate(keys):
        if not log.number(key) > 0:
            continue  # too few queries for this percentile
        if scenario.samples_per_query > 1:
            least, most = f"result_{percentiles[at]:.2f}_percentile_per_query_latency_ns", "query_"
        else:
            least, most = f"result_{percentiles[at]:.2f}_percentile_latency_ns", ""
        if of_tokens:
            least, most = least.replace("result_", "result_first_token_"), "first_token_"
        top = "result_first_token_max_latency_ns" if of_tokens else f"result_max_{most}latency_ns"
        if log.number(key) < log.number(least) or log.number(key) > log.number(top):
            yield log.against(
                key,
                "The estimate is not between its percentile and the maximum.",
                f"{log.values.get(least)} to {log.values.get(top)} ns",
            )
        if at < len(printed) and printed[at] != log.values[key]:
            yield log.against(
                key, "The estimate is not the one in early stopping's text.", printed[at]
            )
