"""The metrics in ``accuracy.txt``, by the patterns of a round: one reader for all who ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.logs.metric_pattern import metric_pattern


@dataclass(frozen=True)
class MetricReading:
    """One metric as the text has it.

    Attributes
    ----------
    metric:
        As the round calls it, such as ``F1``.
    value:
        The digits; not always a number.
    unit:
        ``%`` where the text prints one behind the number, otherwise the metric's name: a mAP of 50
        is no share of anything.
    line:
        Counted from 1.
    """

    metric: str
    value: str
    unit: str
    line: int = 0

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is none, such as ``1.2.3``."""
        try:
            return float(self.value)
        except ValueError:
            return None


def reading_of(metric: str, match: re.Match[str], line: int = 0) -> MetricReading:
    """Return what the pattern of a metric found on a line."""
    rest = match.string[match.end(1) :]
    return MetricReading(metric, match[1], "%" if rest.startswith("%") else metric, line)


def read_metrics(text: str, patterns: Mapping[str, str]) -> dict[str, MetricReading]:
    """Return each metric of ``patterns`` that the text holds, as its last line has it."""
    compiled = {metric: metric_pattern(pattern) for metric, pattern in patterns.items()}
    found: dict[str, MetricReading] = {}
    for number, line in enumerate(lines_of(text), start=1):
        for metric, pattern in compiled.items():
            match = pattern.match(line)
            if match:
                found[metric] = reading_of(metric, match, number)
    return {metric: found[metric] for metric in patterns if metric in found}


def lines_of(text: str) -> list[str]:
    """Return the lines as the official checkers read them: ``\\r`` ends one as well."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
