"""Apply the rules of accuracy runs to the scores of an endpoints run instead of accuracy.txt."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlrepo.checker.accuracy.facts import LENGTHS, is_possible
from mlrepo.checker.accuracy.judge import has_extra_files, judge_sample_count
from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.logs.endpoints import Values, accuracy_entries, scores, value_at

SCORES = "accuracy/accuracy_results.json"
# The only benchmark whose target the official checker enforces for endpoints.
_HELD_TO_TARGET = "qwen3-vl-235b-a22b"
# For these the harness writes a fraction, while the round's target is in percent: the scorers
# bfcl_v4, vbench and pass_at_1 of mlcommons/endpoints. DeepSeek-R1's and ROUGE write percentages.
_FRACTIONS = ("qwen3.6-27b", "wan-2.2-t2v-a14b", "gpt-oss-120b")
_UNPRINTED = str.maketrans({",": " ", '"': None, "{": None, "}": None})


def judge_endpoints_accuracy(scope: Scope, values: Values, results: Any) -> Judging[str]:
    """Yield what is wrong; return the accuracy as the official summary prints it."""
    path, printed = f"{scope.path}/{SCORES}", ""
    found = scores(results)
    if not found:
        yield Breach("accuracy-text", path, "It contains no score.", part="no score")
    else:
        printed = json.dumps(found[0]).translate(_UNPRINTED).strip()
        yield from _judge_targets(scope, path, results)
    errors = values.get("num_errors")
    if errors is not None and errors.value:
        yield Breach(
            "accuracy-loadgen-error",
            path,
            "Samples failed.",
            expected=0,
            actual=errors.value,
            line=scope.line_of(path, f'"{errors.name}"'),
        )
    numbers = {key: each.value for key, each in values.items()}
    yield from judge_sample_count(scope, path, numbers)
    if not has_extra_files(scope, f"{scope.path}/accuracy"):
        yield Breach(
            "accuracy-extra-files",
            f"{scope.path}/accuracy",
            "Images or videos are missing.",
        )
    return printed


def _judge_targets(scope: Scope, path: str, results: Any) -> Breaches:
    """Compare each score with its target; report scores that cannot be compared."""
    if scope.is_open:
        return
    official = scope.model == _HELD_TO_TARGET
    entries = accuracy_entries(results)
    entry: Mapping[str, object] = entries[0] if len(entries) == 1 else {}
    targets = scope.round.accuracy_targets(scope.model, scope.scenario)
    for at, target in enumerate(targets):
        metric, least = target["metric"], target["min"]
        number = _measured(entry, metric, is_own=at == 0)
        if number is None and official:
            number = _named(scores(results)[0], metric)
        if number is None:
            rule = "accuracy-text" if official else "accuracy-not-verified"
            yield Breach(
                rule,
                path,
                f"No score can be compared with the target of {metric}.",
                line=scope.line_of(path, '"score"'),
                expected=f">= {least}",
                actual=_said(entries),
            )
            continue
        if metric not in LENGTHS and scope.model in _FRACTIONS and number <= 1:
            number *= 100
        yield from _compare(scope, path, metric, number, least, held=official)


def _said(entries: Sequence[Mapping[str, object]]) -> object:
    return entries[0]["score"] if len(entries) == 1 else f"{len(entries)} accuracy scores"


def _compare(
    scope: Scope, path: str, metric: str, number: float, least: float, *, held: bool
) -> Breaches:
    is_length = metric in LENGTHS
    limits = scope.round.accuracy_limits(scope.model)
    most = next((limit["max"] for limit in limits if limit["metric"] == metric), math.inf)
    line = scope.line_of(path, '"output_sequence_lengths"' if is_length else '"score"')
    what = "The length of the answers" if is_length else "The score"
    if not number >= least:
        yield Breach(
            "accuracy-target",
            path,
            f"{what} misses the target of {metric}.",
            line=line,
            expected=f">= {least}",
            actual=number,
            part="" if held else "not held to it",
        )
    elif number > most:
        yield Breach(
            "accuracy-target",
            path,
            f"{what} exceeds the limit of {metric}.",
            line=line,
            expected=f"<= {most}",
            actual=number,
            part="not held to it",
        )
    elif not is_possible(metric, number, least):
        yield Breach(
            "accuracy-range",
            path,
            "The score cannot be that high.",
            line=line,
            expected="a share of 1 or of 100",
            actual=number,
        )


def _measured(entry: Mapping[str, object], metric: str, *, is_own: bool) -> float | None:
    """Return an entry's value of a metric; a single score is of the benchmark's own metric."""
    score = entry.get("score")
    if isinstance(score, dict):
        return _named(score, metric)
    if metric == "TOKENS_PER_SAMPLE":
        return _number(value_at(entry, "output_sequence_lengths.avg"))
    return _number(score) if is_own else None


def _named(score: Any, metric: str) -> float | None:
    """Return the metric's value from an object of scores; a single score as it is."""
    if not isinstance(score, dict):
        return _number(score)
    known = {str(name).lower(): value for name, value in score.items()}
    names = (metric.lower(), metric.split("_")[-1].lower(), "f1", "score", "accuracy")
    return next((n for n in (_number(known.get(name)) for name in names) if n is not None), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
