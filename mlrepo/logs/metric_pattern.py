"""The official checkers' patterns for metrics, on lines of other people's texts."""

from __future__ import annotations

import functools
import re

# No published line that holds a metric has 200 characters. Longer ones than this are not looked
# at: some patterns take a time that grows with the square of the length.
LONGEST_LINE = 4096

# What matches the same, and does not try each way to share out what two repeats can both match.
_LINEAR = {
    r"^(?:\{\"accuracy|accuracy)[\": ]*=?\s*([\d\.]+).*": (
        r"^(?:\{\"accuracy|accuracy)[\": ]*+=?+\s*+([\d\.]+).*"
    ),
}


class MetricPattern:
    """A pattern of a round's table ``accuracy_pattern``; its first group is the number."""

    def __init__(self, official: str) -> None:
        self.pattern = re.compile(_LINEAR.get(official, official))

    def match(self, line: str) -> re.Match[str] | None:
        """Return the match at the beginning of a line; None if it does not hold the metric."""
        return self.pattern.match(line) if len(line) <= LONGEST_LINE else None


@functools.cache
def metric_pattern(official: str) -> MetricPattern:
    """Return the pattern, compiled once."""
    return MetricPattern(official)
