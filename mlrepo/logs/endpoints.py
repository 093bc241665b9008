"""The files of an endpoints run (v6.1 and later): its configuration, its results, its scores.

Where a LoadGen run has a detail log, a run against an endpoint has ``config.yaml``,
``performance/result_summary.json`` and ``accuracy/accuracy_results.json``. The round's tables say
which of their fields corresponds to which key of a detail log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.bounded import parse_yaml
from mlrepo.scenarios import SCENARIOS, spelled

# These keys of a detail log are computed if the files do not have them.
_COUNT, _DURATION = "generated_query_count", "generated_query_duration"
_RATE_AT_ONCE, _RATE = "result_samples_per_second", "result_completed_samples_per_sec"
_SAMPLES = "effective_accuracy_sample_count"


@dataclass(frozen=True)
class Found:
    """A value and where it was found.

    Attributes
    ----------
    value:
        As in the file.
    name:
        The last part of the field's name in the file; empty for a computed value.
    in_config:
        Whether it is in the configuration rather than in the results.
    """

    value: Any
    name: str = ""
    in_config: bool = False


Values = dict[str, Found]


def parse_results(data: bytes) -> Any:
    """Return the content of a JSON file of results; raise :class:`ValueError` if it is not JSON."""
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_config(data: bytes) -> Any:
    """Return the content of a YAML configuration; raise :class:`ValueError` if it is not YAML."""
    return parse_yaml(data) or {}


def performance_values(tables: Mapping[str, object], results: Any, config: Any) -> Values:
    """Return the values of a performance run by their keys in a detail log.

    Parameters
    ----------
    tables:
        The round's table ``endpoints``.
    results, config:
        The contents of the two files.

    Raises
    ------
    ValueError
        The official parser cannot compute with the values.
    """
    values = _mapped(tables, results, config)
    _add_rate(values)
    return values


def accuracy_values(tables: Mapping[str, object], results: Any, config: Any) -> Values:
    """Return the values of an accuracy run; see :func:`performance_values`."""
    values = _mapped(tables, results, config)
    if not isinstance(results, dict):
        raise ValueError("it is not a JSON object")
    samples = _samples(results)
    if samples is not None:
        values[_SAMPLES] = Found(samples, "total_samples")
        values.setdefault("qsl_reported_total_count", Found(samples, "total_samples"))
    _add_rate(values)
    return values


def scores(results: Mapping[str, object]) -> list[Any]:
    """Return the scores of an accuracy run, one per data set; raise :class:`ValueError`."""
    listed = results.get("accuracy_scores", [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("accuracy_scores is not a list of objects")
    return [each["score"] for each in listed if each.get("score") is not None]


def accuracy_entries(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of an accuracy run that have a score, except the performance data set."""
    return [
        each
        for each in results.get("accuracy_scores", [])
        if each.get("score") is not None and each.get("dataset_type") in (None, "accuracy")
    ]


def _mapped(tables: Mapping[str, Any], results: Any, config: Any) -> Values:
    values: Values = {}
    for field, key in tables["field_map"].items():
        found = _found(tables, field.strip(), results, config)
        if found is not None:
            values.setdefault(key, found)
    count = values.get("qsl_reported_total_count")
    if count is not None:
        values.setdefault(_COUNT, count)
    return values


def _found(tables: Mapping[str, Any], field: str, results: Any, config: Any) -> Found | None:
    """Look in the results by the field's name and its alternative, then in the configuration."""
    places = (
        (results, field, False),
        (results, tables["json_alt_paths"].get(field), False),
        (config, tables["yaml_field_map"].get(field), True),
        (config, field, True),
    )
    for data, name, in_config in places:
        value = value_at(data, name) if name else None
        if value is not None:
            return Found(value, name.rpartition(".")[2], in_config)
    return None


def value_at(data: Any, name: str) -> Any:
    """Return the value of a dotted name; at each level the longest matching key wins.

    ``50.0`` also finds ``50``, as percentiles are named. Empty lists and objects count as none.
    """
    parts = name.split(".")
    at = 0
    while at < len(parts):
        if not isinstance(data, dict):
            is_trailing_zero = at > 0 and parts[at:] == ["0"] and not isinstance(data, list)
            return data if is_trailing_zero else None
        for end in range(len(parts), at, -1):
            key = ".".join(parts[at:end])
            if key in data:
                data, at = data[key], end
                break
        else:
            return None
    return None if isinstance(data, dict | list) and not data else data


def _add_rate(values: Values) -> None:
    """Add the rate that follows from count and duration, if the files have none."""
    needed = [values.get(key) for key in (_DURATION, _COUNT, "effective_scenario")]
    if not all(found is not None and found.value for found in needed):
        return
    duration, count, scenario = (found.value for found in needed if found is not None)
    try:
        known = SCENARIOS.get(spelled(scenario))
        key = _RATE_AT_ONCE if known is not None and known.at_once else _RATE
        if key not in values:
            values[key] = Found(count / (duration / 1e9))
    except (AttributeError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{_COUNT} and {_DURATION} give no rate: {error}") from error


def _samples(results: Mapping[str, Any]) -> int | None:
    """Return the total number of samples in all data sets of an accuracy run."""
    counts = []
    try:
        for each in results.get("accuracy_scores", []):
            if not isinstance(each, dict) or each.get("dataset_type") not in (None, "accuracy"):
                continue
            if each.get("total_samples") is not None:
                counts.append(int(each["total_samples"]))
            elif each.get("response_counts", {}).get("issued") is not None:
                counts.append(int(each["response_counts"]["issued"]))
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the samples cannot be counted: {error}") from error
    return sum(counts) if counts else None
