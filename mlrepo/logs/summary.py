"""``mlperf_log_summary.txt``: LoadGen's text for people, and the keys of its detail log."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from mlrepo.scenarios import SCENARIOS

_CONDITION = re.compile(r"^[ \t]+(\w[\w ]*?) satisfied[ \t]*: NO[ \t\r]*$", re.MULTILINE)
_ADVICE = re.compile(r"^ \* (.+)$", re.MULTILINE)
_ESTIMATE = re.compile(r"Early stopping [\d.]{1,8}th percentile estimate: (\d{1,20})")
_ERRORS = re.compile(r"^(No|\d{1,9}) (?:errors|ERRORS?) encountered", re.MULTILINE)
_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_SETTINGS = (
    "samples_per_query",
    "target_qps",
    "max_async_queries",
    "min_query_count",
    "max_query_count",
    "qsl_rng_seed",
    "sample_index_rng_seed",
    "schedule_rng_seed",
    "accuracy_log_rng_seed",
    "accuracy_log_probability",
    "accuracy_log_sampling_target",
    "print_timestamps",
    "performance_issue_unique",
    "performance_issue_same",
    "performance_issue_same_index",
    "performance_sample_count",
    "accuracy_sample_count",
)
# The summary's name of each key of the detail log (results.cc and test_settings_internal.cc of
# LoadGen 1.0 to 6.0); latencies are per query if a query has several samples.
_KEYS: Mapping[str, str] = {
    "SUT name": "sut_name",
    "Scenario": "effective_scenario",
    "Mode": "effective_test_mode",
    "Result is": "result_validity",
    "Performance constraints satisfied": "result_perf_constraints_met",
    "Min duration satisfied": "result_min_duration_met",
    "Min queries satisfied": "result_min_queries_met",
    "Early stopping satisfied": "early_stopping_met",
    "QPS w/ loadgen overhead": "result_qps_with_loadgen_overhead",
    "QPS w/o loadgen overhead": "result_qps_without_loadgen_overhead",
    "Samples per second": "result_samples_per_second",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "Completed samples per second": "result_completed_samples_per_sec",
    "Tokens per second": "result_tokens_per_second",
    "Completed tokens per second": "result_completed_tokens_per_second",
    "Tokens per second (inferred)": "result_inferred_tokens_per_second",
    "Completed tokens per second (inferred)": "result_inferred_completed_tokens_per_second",
    "Min First Token latency (ns)": "result_first_token_min_latency_ns",
    "Max First Token latency (ns)": "result_first_token_max_latency_ns",
    "Mean First Token latency (ns)": "result_first_token_mean_latency_ns",
    **{
        f"{word} {infix} Output Token (ns)": f"result_time_to_output_token_{word.lower()}"
        for word in ("Min", "Max", "Mean")
        for infix in ("Time to", "Time per")
    },
    **{
        f"{p} percentile first token latency (ns)": f"result_first_token_{p}_percentile_latency_ns"
        for p in _PERCENTILES
    },
    **{
        f"{p} percentile time to output token (ns)": (
            f"result_time_per_output_token_{p}_percentile_ns"
        )
        for p in _PERCENTILES
    },
    **{name: f"effective_{name}" for name in _SETTINGS},
    "target_latency (ns)": "effective_target_latency_ns",
    "min_duration (ms)": "effective_min_duration_ms",
    "max_duration (ms)": "effective_max_duration_ms",
}
# Lines that every version of LoadGen writes after a performance run.
ALWAYS = (
    "Scenario",
    "Mode",
    "Result is",
    "Min duration satisfied",
    "Min queries satisfied",
    "99.00 percentile latency (ns)",
    "min_duration (ms)",
)


@functools.cache
def logged_as(scenario: str) -> Mapping[str, str]:
    """Return the key of the detail log for each name in the summary of a scenario."""
    known = SCENARIOS.get(scenario)
    has_samples = known is not None and known.samples_per_query > 1
    of_query, per_query = ("query_", "per_query_") if has_samples else ("", "")
    own = {
        f"{word} latency (ns)": f"result_{word.lower()}_{of_query}latency_ns"
        for word in ("Min", "Max", "Mean")
    }
    own |= {
        f"{p} percentile latency (ns)": f"result_{p}_percentile_{per_query}latency_ns"
        for p in _PERCENTILES
    }
    return {**_KEYS, **own}


SUMMARISED = frozenset(key for name in SCENARIOS for key in logged_as(name).values())


def summary_fields(text: str) -> dict[str, str]:
    """Return the first value of each ``name : value`` line, as text."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip(" \t\0"))
    return fields


def estimates(text: str) -> list[int]:
    """Return the percentiles, in ns, that early stopping estimates, in the order of the text."""
    return [int(number) for number in _ESTIMATE.findall(text)]


def counted_errors(text: str) -> int | None:
    """Return how many errors the summary counts; None if it has no such line."""
    found = _ERRORS.search(text)
    if found is None:
        return None
    return 0 if found[1] == "No" else int(found[1])


def invalid_reasons(summary: str) -> tuple[str, ...]:
    """Return why LoadGen calls a run INVALID: failed conditions, then its recommendations.

    The text after "Early Stopping Result" also explains the percentile estimate of valid runs, so
    it counts only if early stopping itself is not satisfied.
    """
    head = summary.partition("Additional Stats")[0].rstrip("=\n")
    verdict, _, early_stopping = head.partition("Early Stopping Result:")
    reasons = [f"{name} not satisfied" for name in _CONDITION.findall(verdict)]
    advice = _ADVICE.findall(verdict.partition("Recommendations:")[2])
    if any(reason.startswith("Early stopping") for reason in reasons):
        advice += [" ".join(early_stopping.split()).replace("* ", "")] if early_stopping else []
    return tuple(reasons + [text.strip() for text in advice])
