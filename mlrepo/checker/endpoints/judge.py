"""Judge a result measured against an endpoint (v6.1 and later): no LoadGen log, but summaries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.endpoints.accuracy import SCORES, judge_endpoints_accuracy
from mlrepo.checker.endpoints.performance import SUMMARY, EndpointsPerformance
from mlrepo.checker.scope import Scope
from mlrepo.compliance import compliance_test
from mlrepo.logs.endpoints import (
    Found,
    Values,
    accuracy_values,
    parse_config,
    parse_results,
    performance_values,
    scores,
    value_at,
)
from mlrepo.tree import Missing

_CONFIGS = ("config.yaml", "config.yml")
_LOGS = ("performance/run_1/mlperf_log_detail.txt", "accuracy/mlperf_log_detail.txt")
_CONCURRENCY = "settings.load_pattern.target_concurrency"
_LARGEST = 16 << 20


@dataclass
class EndpointsRun:
    """The judgement on an endpoints result.

    Attributes
    ----------
    value:
        The result as the official checker prints it; None if it reads none.
    unit:
        The unit of what was counted, whatever the official summary says.
    accuracy:
        The accuracy as the official summary prints it.
    inferred:
        As in the official summary: whether the two spellings of the scenario differ.
    """

    value: float | None = None
    unit: str = ""
    accuracy: str = ""
    inferred: bool = False


def is_endpoints(scope: Scope) -> bool:
    """Say whether the result holds the files of an endpoints run and no detail log of LoadGen."""
    if not scope.round.tables.get("endpoints"):
        return False
    files = (*_CONFIGS, SUMMARY, SCORES)
    return any(scope.exists(f"{scope.path}/{name}") for name in files) and not any(
        scope.exists(f"{scope.path}/{name}") for name in _LOGS
    )


def judge_endpoints(scope: Scope) -> Judging[EndpointsRun]:
    """Judge configuration, performance, accuracy and audits of an endpoints result."""
    files = _Files(scope)
    config = yield from files.config()
    run = EndpointsRun()
    performance = yield from files.values(SUMMARY, performance_values, config)
    scored = yield from files.values(SCORES, accuracy_values, config)
    if scope.model not in scope.round.tables["endpoints"]["allowed_models"]:
        yield Breach(
            "endpoints",
            scope.path,
            "The benchmark cannot be run on endpoints.",
            actual=scope.model,
        )
    if performance is not None:
        judged = EndpointsPerformance(
            scope, performance, files.config_path, value_at(config, _CONCURRENCY)
        )
        run.value = yield from judged.judge()
        run.inferred, run.unit = judged.is_inferred, judged.unit
    yield from _judge_completeness(scope, files.data)
    if scored is not None:
        run.accuracy = yield from judge_endpoints_accuracy(scope, scored, files.data[SCORES])
    yield from _judge_audits(scope, performance or {})
    return run


def _judge_completeness(scope: Scope, data: Mapping[str, object]) -> Breaches:
    """Strict: each file says whether the harness completed all requested work."""
    for name, results in data.items():
        entries = value_at(results, "accuracy_scores") if name == SCORES else [results]
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and entry.get("complete", True) is not True:
                path = f"{scope.path}/{name}"
                yield Breach(
                    "endpoints",
                    path,
                    "The run is not complete.",
                    expected=True,
                    line=scope.line_of(path, '"complete": false'),
                    actual=entry["complete"],
                    part="not complete",
                )


@dataclass
class _Files:
    """The files of one result, read once."""

    scope: Scope
    config_path: str = ""
    data: dict[str, object] = field(default_factory=dict)

    def config(self) -> Judging[Any]:
        """Return the configuration; the official parser takes the first one that it can read."""
        self.config_path = f"{self.scope.path}/{_CONFIGS[0]}"
        for name in _CONFIGS:
            path = f"{self.scope.path}/{name}"
            if not self.scope.exists(path):
                continue
            self.config_path = path
            config = yield from self._parsed(path, parse_config)
            if config is not None:
                return config
        if not any(self.scope.exists(f"{self.scope.path}/{name}") for name in _CONFIGS):
            yield Breach(
                "endpoints", self.config_path, "The configuration is missing.", part="missing file"
            )
        return {}

    def values(
        self, name: str, read: Callable[[Any, Any, Any], Values], config: Any
    ) -> Judging[Values | None]:
        """Return the values of a results file; None, and breaches, if it cannot be used."""
        path = f"{self.scope.path}/{name}"
        parsed = (yield from self._parsed(path, parse_results)) if self.scope.exists(path) else None
        if not self.scope.exists(path):
            yield Breach("endpoints", path, f"{name} is missing.", part="missing file")
        data = {} if parsed is None else parsed
        self.data[name] = data
        try:
            values = read(self.scope.round.tables["endpoints"], data, config)
            if name == SCORES:
                scores(data)
        except ValueError as error:
            yield Breach(
                "endpoints",
                path,
                f"It cannot be used: {error}.",
                part="unusable",
                subject=str(error),
            )
            return None
        return values

    def _parsed(self, path: str, parse: Callable[[bytes], Any]) -> Judging[Any]:
        try:
            data = self.scope.tree.read(path, _LARGEST + 1)
            if len(data) > _LARGEST:
                raise ValueError(f"it is larger than {_LARGEST} bytes")
            return parse(data)
        except (Missing, ValueError) as error:
            yield Breach("unreadable", path, f"It cannot be read: {error}.")
            return None


def _judge_audits(scope: Scope, values: Values) -> Breaches:
    """Judge the audits; the official checker does so in the open division too."""
    tables = scope.round.tables
    tests = tables["compliance_tests"].get(scope.model) or []
    for test in tests:
        name = tables["endpoints"]["compliance_mapping"].get(test)
        if name is not None:
            yield from _judge_audit(scope, test, name)
        bounds = compliance_test(test).endpoint_bounds(tables)
        if bounds is not None:
            yield from _judge_output_length(scope, test, values, bounds)


def _judge_audit(scope: Scope, test: str, name: str) -> Breaches:
    path = f"{scope.path}/audit/audit_{name}.json"
    if not scope.exists(path):
        if compliance_test(test).endpoints_binding:
            yield Breach("compliance", path, f"The audit of {test} is missing.")
        return
    try:
        audit = parse_results(scope.tree.read(path, _LARGEST))
        said, passed = audit["test"], audit["passed"]
    except (Missing, ValueError, TypeError, KeyError) as error:
        yield Breach("compliance", path, f"The audit cannot be read: {error}.")
        return
    if said != name or not passed:
        yield Breach(
            "compliance",
            path,
            f"The audit of {test} did not pass.",
            line=scope.line_of(path, '"test"' if said != name else '"passed"'),
            expected=f"{name} passed",
            actual=f"{said}: {passed}",
        )


def _judge_output_length(
    scope: Scope, test: str, values: Values, bounds: tuple[float, float]
) -> Breaches:
    least, most = bounds
    found = values.get("mean_output_tokens", Found(None))
    number = found.value if isinstance(found.value, int | float) else math.nan
    if not least <= number <= most:
        yield Breach(
            "compliance",
            f"{scope.path}/{SUMMARY}",
            f"{test}: the mean output is not as long.",
            line=scope.line_of(f"{scope.path}/{SUMMARY}", f'"{found.name}"') if found.name else 0,
            expected=f"{least} to {most} tokens",
            actual=found.value,
        )
