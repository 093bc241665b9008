"""The rules of an accuracy run, on the scores of an endpoints run instead of accuracy.txt."""

from __future__ import annotations

import json
from typing import Any

from mlrepo.checker.accuracy import has_extra_files, judge_sample_count
from mlrepo.checker.scope import Scope
from mlrepo.logs.endpoints import Values, scores

SCORES = "accuracy/accuracy_results.json"
# The official checker holds only this benchmark's endpoints to its target.
_HELD_TO_TARGET = "qwen3-vl-235b-a22b"
_UNPRINTED = str.maketrans({",": " ", '"': None, "{": None, "}": None})


def judge_endpoints_accuracy(scope: Scope, values: Values, results: Any) -> str:
    """Report what is wrong; return the accuracy as the official summary prints it."""
    path, printed = f"{scope.path}/{SCORES}", ""
    found = scores(results)
    if not found:
        scope.report("accuracy-text", path, "It holds no score.", official=True)
    else:
        printed = json.dumps(found[0]).translate(_UNPRINTED).strip()
        _judge_targets(scope, path, found)
    errors = values.get("num_errors")
    if errors is not None and errors.value:
        scope.report("accuracy-loadgen-error", path, "Samples failed.", expected=0,
                     actual=errors.value, line=scope.line_of(path, f'"{errors.name}"'),
                     official=True)  # fmt: skip
    judge_sample_count(scope, path, {key: each.value for key, each in values.items()})
    if not has_extra_files(scope, f"{scope.path}/accuracy"):
        scope.report("accuracy-extra-files", f"{scope.path}/accuracy",
                     "Images or videos are missing.", official=True)  # fmt: skip
    return printed


def _judge_targets(scope: Scope, path: str, found: list[Any]) -> None:
    """Hold each score to its target; what cannot be compared is named, never passed over."""
    if scope.is_open:
        return
    line = scope.line_of(path, '"score"')
    for target in scope.round.accuracy_targets(scope.model, scope.scenario):
        metric, least = target["metric"], target["min"]
        official = scope.model == _HELD_TO_TARGET
        number = _comparable(found[0], metric)
        if number is None:
            rule = "accuracy-text" if official else "accuracy-not-verified"
            scope.report(rule, path, f"No score can be compared with the target of {metric}.",
                         line=line, expected=f">= {least}", actual=found[0],
                         official=official)  # fmt: skip
        elif not number >= least:
            scope.report("accuracy-target", path, f"{metric} misses its target.", line=line,
                         expected=f">= {least}", actual=number, official=official)  # fmt: skip


def _comparable(score: Any, metric: str) -> float | None:
    """Return a score as a number: itself, or the entry of an object that names the metric."""
    candidates = [score]
    if isinstance(score, dict):
        names = (metric, metric.lower(), metric.split("_")[-1].lower(), "f1", "score", "accuracy")
        candidates = [score.get(name) for name in names]
    for candidate in candidates:
        if isinstance(candidate, int | float | str):
            try:
                return float(candidate)
            except (ValueError, OverflowError):
                continue
    return None
