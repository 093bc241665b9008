"""Strict: was power measured once a second during the whole run, and are the files not empty?

The daemon samples once a second ("500000 samples at 1000ms", as the Power WG's checker requires).
In 9,514 published results of v1.0 to v5.1 there are 99.8 to 100.2 samples per 100 seconds, and the
window is 99.99 to 101.2 % of the run in Server and Offline, and up to 126 % in the stream
scenarios, whose queries may be short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.scope import Scope
from mlrepo.logs.power import PowerSamples
from mlrepo.scenarios import named
from mlrepo.tree import Missing

_LEAST_SHARE = 0.99
# How much samples without power may change the mean before it could be deliberate.
_CHANGE = 0.01
_SHORTEST = 0.99
_LONGEST, _LONGEST_STREAM = 1.05, 1.5
_LARGEST = 64 << 20


def judge_samples(scope: Scope, path: str, samples: PowerSamples, seconds: float) -> Breaches:
    """Judge the number and sign of the samples inside the window of ``seconds``."""
    least = _LEAST_SHARE * seconds - 2
    if samples.times < least:
        yield Breach(
            "power-samples",
            path,
            "There is not a sample for every second of the run.",
            expected=f">= {least:.0f}",
            actual=samples.times,
        )
    wrong = samples.total - samples.positive
    if not wrong:
        return
    if abs(samples.mean_watts - samples.mean_positive) > _CHANGE * samples.mean_positive:
        yield Breach(
            "power-samples",
            path,
            "Samples of 0 W or less change the mean.",
            expected=f"{samples.mean_positive:.6g} W without them",
            actual=f"{samples.mean_watts:.6g} W with {wrong} of them",
        )
    else:
        yield Breach(
            "power-not-positive",
            path,
            "Some samples are 0 W or less.",
            actual=f"{wrong} of {samples.total}",
        )


def judge_window(scope: Scope, seconds: float, detail: Mapping[str, object]) -> Breaches:
    """Compare the window from power_begin to power_end with the duration of the run."""
    path = f"{scope.path}/performance/run_1/mlperf_log_detail.txt"
    duration = _duration(detail)
    scenario = named(detail.get("effective_scenario"))
    is_rate = scenario.at_once or scenario.at_random
    longest = (_LONGEST if is_rate else _LONGEST_STREAM) * duration
    if not duration or _SHORTEST * duration <= seconds <= longest:
        return
    short = seconds < duration
    yield Breach(
        "power-samples",
        path,
        "Power was not measured during the whole run."
        if short
        else "Power was measured long after or before the run.",
        line=scope.line_of(path, '"power_begin"'),
        actual=f"{seconds:.0f} s",
        expected=f">= {duration:.0f} s" if short else f"<= {longest:.0f} s",
    )


def _duration(detail: Mapping[str, object]) -> float:
    """Return the run's duration in seconds by its own figures; 0 if they do not say."""
    scenario = named(detail.get("effective_scenario"))
    queries = _number(detail, "result_query_count")
    if scenario.at_once:  # all samples are issued at the beginning
        return _number(detail, "result_max_latency_ns") / 1e9
    if scenario.at_random:
        rate = _number(detail, "result_completed_samples_per_sec")
        return queries / rate if rate else 0.0
    per_query = _number(detail, "result_mean_query_latency_ns")
    return queries * (per_query or _number(detail, "result_mean_latency_ns")) / 1e9


def _number(detail: Mapping[str, object], key: str) -> float:
    value = detail.get(key)
    try:
        return float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0


def judge_contents(scope: Scope, directory: str, names: Sequence[str]) -> Breaches:
    """Yield files of a power measurement that are empty, or named .json and not a JSON object."""
    for name in names:
        path = f"{directory}/{name}"
        entry = scope.tree.entry(path)
        if entry is not None and entry.size == 0:
            yield Breach("power-files", path, "The file is empty.", part="contents")
        elif name.endswith(".json") and not _is_object(scope, path):
            yield Breach("power-files", path, "It is not a JSON object.", part="contents")


def _is_object(scope: Scope, path: str) -> bool:
    try:
        return isinstance(json.loads(scope.tree.read(path, _LARGEST)), dict)
    except (Missing, ValueError, RecursionError):
        return False
