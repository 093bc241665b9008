"""Read the metrics in ``accuracy.txt`` by the patterns of a round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.logs.metric_pattern import metric_pattern

# What the rounds' names of metrics that are shares of right answers have in common: acc, ACCURACY.
_SHARE = "acc"


@dataclass(frozen=True)
class MetricReading:
    """One metric as written in the text.

    Attributes
    ----------
    metric:
        The round's name of it, such as ``F1``.
    value:
        The digits; not always a number.
    unit:
        ``%`` of an accuracy if the text prints one after the number, otherwise the metric's name:
        a mAP of 50 is not 50 % of anything, although scripts print ``mAP=50%``.
    line:
        Counted from 1.
    """

    metric: str
    value: str
    unit: str
    line: int = 0

    @property
    def number(self) -> float | None:
        """The value as a number; None if it is not one, such as ``1.2.3``."""
        try:
            return float(self.value)
        except ValueError:
            return None


def reading_of(metric: str, match: re.Match[str], line: int = 0) -> MetricReading:
    """Return the reading of a metric from a match of its pattern."""
    is_share = _SHARE in metric.lower() and match.string.startswith("%", match.end(1))
    return MetricReading(metric, match[1], "%" if is_share else metric, line)


def read_metrics(text: str, patterns: Mapping[str, str]) -> dict[str, MetricReading]:
    """Return each metric of ``patterns`` in the text; the last line of each counts."""
    compiled = {metric: metric_pattern(pattern) for metric, pattern in patterns.items()}
    found: dict[str, MetricReading] = {}
    for number, line in enumerate(lines_of(text), start=1):
        for metric, pattern in compiled.items():
            match = pattern.match(line)
            if match:
                found[metric] = reading_of(metric, match, number)
    return {metric: found[metric] for metric in patterns if metric in found}


def lines_of(text: str) -> list[str]:
    """Return the lines as the official checkers read them: ``\\r`` ends a line, too."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
