"""What the verification scripts of the compliance tests write: ``verify_*.txt``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PASS = "TEST PASS"
_SCORE = re.compile(r"^(reference|test) score = (\d+(?:\.\d+)?)\s*$", re.MULTILINE | re.I)
_TEST06_CHECKS = (
    ("First token check pass: True", "First token check pass: Skipped"),
    ("EOS check pass: True",),
    ("Sample length check pass: True",),
)


def passed(text: str) -> bool:
    """Say whether any line says ``TEST PASS``."""
    return _PASS in text


def passed_on_its_own_line(text: str) -> bool:
    """Say whether a line is ``TEST PASS`` and nothing else, as wanted since v6.0."""
    return _PASS in (line.strip() for line in text.splitlines())


def failed_test06_checks(text: str) -> list[str]:
    """Return the lines of TEST06 (token counts of language models) that are not there."""
    lines = {line.strip() for line in text.splitlines()}
    return [check[0] for check in _TEST06_CHECKS if not lines.intersection(check)]


def scores(text: str) -> tuple[float, float] | None:
    """Return the reference score and the test score of ``verify_performance.txt``, if both stand.

    Rates, or latencies in nanoseconds.
    """
    found = {word.lower(): float(number) for word, number in _SCORE.findall(text)}
    return (found["reference"], found["test"]) if len(found) == 2 else None


def metrics_of(text: str, patterns: Mapping[str, str], wanted: Iterable[str]) -> dict[str, float]:
    """Return the last value of each metric in an accuracy text; 0 where there is none."""
    found = dict.fromkeys(wanted, 0.0)
    for line in text.splitlines(keepends=True):
        for metric in found:
            match = re.match(patterns[metric], line)
            if match:
                try:
                    found[metric] = float(match.group(1))
                except ValueError:  # such as 1.2.3
                    found[metric] = 0.0
    return found
