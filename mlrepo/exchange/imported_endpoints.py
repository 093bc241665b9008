"""Read the files of a run against an endpoint as if they were a LoadGen log."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.checker.endpoints.accuracy import SCORES
from mlrepo.checker.endpoints.performance import SUMMARY
from mlrepo.findings import Finding
from mlrepo.logs.detail import DetailLog
from mlrepo.logs.endpoints import (
    Values,
    accuracy_entries,
    accuracy_values,
    parse_config,
    parse_results,
    performance_values,
)
from mlrepo.record import ACCURACY, PERFORMANCE, VALID, Metric
from mlrepo.rounds import Place, Round

FILES = {PERFORMANCE: SUMMARY, ACCURACY: SCORES}
"""The results file of each mode, relative to the directory of the result."""
_CONFIGS = ("config.yaml", "config.yml")
_BEGAN = "test_datetime"
# Findings that make such a run INVALID: its files contain no result, or samples failed.
_RULES = ("endpoints", "performance-loadgen-error", "accuracy-loadgen-error")


@dataclass(frozen=True)
class EndpointsLog:
    """The files of one run.

    Attributes
    ----------
    log:
        Their values, under the keys of a detail log.
    files:
        The files by name.
    scores:
        The scores of an accuracy run.
    """

    log: DetailLog
    files: Mapping[str, bytes]
    scores: tuple[Any, ...] = ()

    def accuracy(self, round_: Round, place: Place) -> Metric:
        """Return the score in the round's metric; its value is None if there are several."""
        targets = round_.accuracy_targets(place.benchmark, place.scenario)
        metric = str(targets[0]["metric"]) if targets else "score"
        score = self.scores[0] if len(self.scores) == 1 else None
        if isinstance(score, dict):
            score = {str(name).lower(): value for name, value in score.items()}.get(metric.lower())
        if isinstance(score, bool) or not isinstance(score, int | float):
            return Metric(None, metric)
        return Metric(float(score), metric)


def read_endpoints(
    read: Callable[[str], bytes], round_: Round, path: str, mode: str
) -> EndpointsLog | None:
    """Return the files of a mode's run; None if it is not a run against an endpoint.

    ``read`` returns a file of the tree, empty if it is missing. The harness itself does not call
    runs VALID or INVALID: :func:`reasons` says why a run is not a result.
    """
    tables = round_.tables.get("endpoints")
    if not tables or mode not in FILES:
        return None
    data = read(f"{path}/{FILES[mode]}")
    configs = {name: found for name in _CONFIGS if (found := read(f"{path}/{name}"))}
    if not data:
        return None
    files = {FILES[mode].rpartition("/")[2]: data, **configs}
    try:
        results = parse_results(data)
        config = parse_config(next(iter(configs.values()), b""))
        reader = accuracy_values if mode == ACCURACY else performance_values
        values = reader(tables, results, config)
        scores = accuracy_entries(results) if mode == ACCURACY else []
    except (ValueError, TypeError, AttributeError) as error:
        return EndpointsLog(DetailLog({}, (f"{FILES[mode]} cannot be read: {error}",)), files)
    log = DetailLog({**_plain(values), "result_validity": VALID}, ())
    return EndpointsLog(log, files, tuple(each["score"] for each in scores))


def reasons(findings: Iterable[Finding], path: str, mode: str) -> tuple[str, ...]:
    """Return why a run against an endpoint is not a result, in the checker's words."""
    own = (f"{path}/{FILES[mode]}", *(f"{path}/{name}" for name in _CONFIGS))
    return tuple(
        f"{finding.path.removeprefix(path).lstrip('/')}: {finding.message}"
        for finding in findings
        if finding.breaks_strict and finding.rule in _RULES and finding.path in own
    )


def _plain(values: Values) -> dict[str, object]:
    found = {key: each.value for key, each in values.items()}
    began = found.get(_BEGAN)
    if isinstance(began, int | float) and 0 < began < 1 << 33:
        found[_BEGAN] = datetime.datetime.fromtimestamp(began, datetime.UTC).isoformat()
    return found
