"""The official checkers' patterns for metrics, applied safely to untrusted lines."""

from __future__ import annotations

import functools
import re

# No published line with a metric has 200 characters. Longer lines than this are skipped, since some
# patterns take time quadratic in the length.
LONGEST_LINE = 4096

# Equivalent patterns with possessive repeats, which do not backtrack.
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
        """Return the match at the beginning of a line; None if it does not contain the metric."""
        return self.pattern.match(line) if len(line) <= LONGEST_LINE else None


@functools.cache
def metric_pattern(official: str) -> MetricPattern:
    """Return the pattern, compiled once."""
    return MetricPattern(official)
