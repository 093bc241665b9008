"""Judge accuracy.txt: its metrics, their targets, its hash, its consistency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.checker.accuracy.facts import COUNTS, judge_number, missing_metric
from mlrepo.checker.accuracy.hash import HASH_LINE
from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.logs.accuracy_text import MetricReading, reading_of
from mlrepo.logs.metric_pattern import MetricPattern, metric_pattern


@dataclass(frozen=True)
class _Bound:
    """The least or greatest value that a metric may have, and how to read the metric."""

    metric: str
    pattern: MetricPattern
    least: float = -math.inf
    most: float = math.inf

    def hold(self, scope: Scope, path: str, reading: MetricReading, part: str = "") -> Breaches:
        """Yield a breach if a metric is not a number, or out of bounds in the closed division."""
        number, line = reading.number, reading.line
        if number is None:
            yield Breach(
                "accuracy-text",
                path,
                f"{self.metric} is not a number.",
                line=line,
                actual=reading.value,
                part="no number",
                subject=self.metric,
            )
        # The open division has no target, but a metric must be a number there too.
        elif not self.least <= number <= self.most and not scope.is_open:
            yield Breach(
                "accuracy-target",
                path,
                f"{self.metric} misses its target.",
                line=line,
                expected=f">= {self.least}" if number < self.least else f"<= {self.most}",
                actual=reading.value,
                part=part,
            )

    def is_reached(self, reading: MetricReading) -> bool:
        """Say whether a metric is within the bounds, in every division."""
        return reading.number is not None and self.least <= reading.number <= self.most


def judge_text(scope: Scope, path: str, text: str) -> Judging[dict[str, MetricReading]]:
    """Yield what accuracy.txt lacks; return the metrics in it as printed."""
    targets, limits = _bounds(scope)
    every = scope.round.takes_every_accuracy
    metrics: dict[str, MetricReading] = {}
    has_hash = False
    reached: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        for bound in targets:
            match = bound.pattern.match(line)
            if match:
                yield from judge_number(path, number, bound.metric, match, bound.least)
                if bound.metric in metrics and not every:
                    # The official checker uses the last line; here no line may miss the target.
                    yield from bound.hold(scope, path, metrics[bound.metric], "other line")
                reading = metrics[bound.metric] = reading_of(bound.metric, match, number)
                if every:
                    yield from bound.hold(scope, path, reading)
                if not every or bound.is_reached(reading):
                    reached.add(bound.metric)
        for bound in limits:
            match = bound.pattern.match(line)
            if match:
                yield from bound.hold(scope, path, reading_of(bound.metric, match, number))
        has_hash = has_hash or bool(HASH_LINE.match(line))
        if has_hash and len(reached) == len(targets):
            yield from _judge_rest(scope, path, text, number, targets)
            break
    if not every:
        for bound in targets:
            if bound.metric in metrics:
                yield from bound.hold(scope, path, metrics[bound.metric])
    for bound in targets:
        if bound.metric not in metrics:
            pattern = bound.pattern.pattern.pattern
            yield missing_metric(
                scope, path, text, bound.metric, pattern, bound.least, is_one_of=bool(metrics)
            )
    if not has_hash:
        yield Breach(
            "accuracy-hash",
            path,
            "There is no hash of the accuracy log.",
            is_slight=not scope.round.truncates_logs,
        )
    yield from _judge_counts(scope, path, text)
    return metrics


def _bounds(scope: Scope) -> tuple[Sequence[_Bound], Sequence[_Bound]]:
    """Return the targets of the benchmark, and the values that some metrics may not exceed."""
    patterns = scope.round.tables["accuracy_pattern"]
    limits = scope.round.accuracy_limits(scope.model)

    def bound(metric: str, **bounds: float) -> _Bound:
        return _Bound(metric, metric_pattern(patterns[metric]), **bounds)

    targets = scope.round.accuracy_targets(scope.model, scope.scenario)
    return (
        [bound(target["metric"], least=target["min"]) for target in targets],
        [bound(limit["metric"], most=limit["max"]) for limit in limits],
    )


def _judge_rest(
    scope: Scope, path: str, text: str, read: int, targets: Sequence[_Bound]
) -> Breaches:
    """Strict: check the lines that the official checkers do not read against the targets, too."""
    for number, line in enumerate(text.split("\n")[read:], start=read + 1):
        for bound in targets:
            match = bound.pattern.match(line)
            reading = reading_of(bound.metric, match, number) if match else None
            if reading is not None and reading.number is not None:
                yield from bound.hold(scope, path, reading, "other line")


def _judge_counts(scope: Scope, path: str, text: str) -> Breaches:
    """Strict: the numbers that accuracy-imagenet.py prints must be consistent."""
    for percent, good, total in COUNTS.findall(text):
        if len(good) > 18 or len(total) > 18 or not int(total):
            wrong = True
        else:
            try:
                wrong = abs(float(percent) - 100 * int(good) / int(total)) > 0.001
            except ValueError:
                continue
        if wrong:
            yield Breach(
                "accuracy-text",
                path,
                "accuracy is not good divided by total.",
                line=scope.line_of(path, f"accuracy={percent}%, good={good}"),
                actual=f"{percent} %, {good[:20]} of {total[:20]}",
                part="sum",
            )
