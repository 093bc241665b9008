"""Read a performance run of v0.7 or before: its summary takes the place of the detail log."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.logs.old_detail import error_lines
from mlrepo.logs.scan import DetailScan, digest_of_head
from mlrepo.rounds import Round
from mlrepo.tree import Missing

_VALID = re.compile(r"Result\s+is\s*:\s+VALID")
_NAME = re.compile(r"[\w\s.()/]+")
_FIELD_VALUE = re.compile(r"[\w+.][\w+.\s]*")
# More errors than this add no information.
_MOST_ERRORS = 100
_INFERRED = "result_qps_without_loadgen_overhead"
# From the name in later logs to the summary's name.
_NAMES = {
    "effective_performance_sample_count": "performance_sample_count",
    "effective_qsl_rng_seed": "qsl_rng_seed",
    "effective_sample_index_rng_seed": "sample_index_rng_seed",
    "effective_schedule_rng_seed": "schedule_rng_seed",
    "result_99.00_percentile_latency_ns": "99.00 percentile latency (ns)",
    "result_99.00_percentile_per_query_latency_ns": "99.00 percentile latency (ns)",
    "effective_min_query_count": "min_query_count",
    "effective_samples_per_query": "samples_per_query",
    "effective_min_duration_ms": "min_duration (ms)",
    _INFERRED: "QPS w/o loadgen overhead",
    "effective_target_latency_ns": "target_latency (ns)",
    "result_min_latency_ns": "Min latency (ns)",
    "result_mean_latency_ns": "Mean latency (ns)",
    "result_max_latency_ns": "Max latency (ns)",
    **{
        f"effective_{name}": name
        for name in (
            "accuracy_log_rng_seed",
            "accuracy_log_probability",
            "accuracy_log_sampling_target",
            "performance_issue_unique",
            "performance_issue_same",
            "performance_issue_same_index",
        )
    },
}


def read_old_run(scope: Scope, directory: str) -> Judging[DetailScan | None]:
    """Yield what is missing; return the run in the terms of a detail log, or None."""
    path = f"{directory}/mlperf_log_summary.txt"
    text = scope.text(path, 1 << 20)
    if text is None:
        yield Breach("performance-log", path, "The summary is missing or not text.")
        return None
    scan = scan_summary(text, scope.round)
    yield from _find_errors(scope, f"{directory}/mlperf_log_detail.txt", scan)
    return scan


def scan_summary(text: str, round: Round) -> DetailScan:
    """Return the run as its summary describes it."""
    head = digest_of_head(text.encode("utf-8", "surrogatepass"))
    return DetailScan(_values(text, round), head=head)


def _values(text: str, round: Round) -> dict[str, object]:
    """Return a summary's values, by their names in detail logs; results by the round's names."""
    values: dict[str, object] = {}
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if _VALID.match(line):
            values["result_validity"] = "VALID"
        name, colon, rest = line.partition(":")
        match = _FIELD_VALUE.match(rest.lstrip())
        if colon and match and _NAME.fullmatch(name):
            fields[name.strip()] = match[0].strip()
    values["effective_scenario"] = fields.get("Scenario", "").replace(" ", "")
    for key, name in _NAMES.items():
        if name in fields:
            # The checker of v0.7 prints an inferred result as it is written here: `11.10`.
            values[key] = fields[name] if key == _INFERRED else _value(fields[name])
    for name in round.tables["result_field"].values():
        if name in fields:
            values[name] = _value(fields[name])
    return values


def summary_field(key: str) -> str:
    """Return the summary's name for a key of the detail log; the key itself if it has no other."""
    if key == "result_validity":
        return "Result is"
    return _NAMES.get(key, "Scenario" if key == "effective_scenario" else key)


def _value(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _find_errors(scope: Scope, path: str, scan: DetailScan) -> Breaches:
    try:
        with scope.tree.open(path) as stream:
            found = error_lines(stream, scope.round.tables["ignored_loadgen_errors"])
            scan.errors += (text for _, text in islice(found, _MOST_ERRORS))
    except Missing:
        yield Breach("performance-log", path, "The detail log is missing.")
