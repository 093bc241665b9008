"""The output of the compliance tests' verification scripts: ``verify_*.txt``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlrepo.logs.metric_pattern import metric_pattern

_PASS, _FAIL = "TEST PASS", "TEST FAIL"
# What a non-deterministic test appends to its failed verification.
_BASELINE = "Verifying accuracy via baseline comparison"
_SCORE = re.compile(
    r"(reference|test(?:[0-9]{2}(?:-[ab])?)?) score = ([0-9]{1,30}(?:\.([0-9]{1,30}))?)"
    r"(?:e([+-]?[0-9]{1,3}))?",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(num_[a-z_]{1,40}) = ([0-9]{1,18})")


def passed(text: str) -> bool:
    """Say whether any line says ``TEST PASS``."""
    return _PASS in text


def passed_on_its_own_line(text: str) -> bool:
    """Say whether a line is ``TEST PASS`` and nothing else, as required since v6.0."""
    return _PASS in (line.strip() for line in text.splitlines())


def verdicts(text: str) -> list[tuple[int, bool]]:
    """Return line number and verdict of each verdict line: ``TEST PASS``, ``TEST FAIL…``.

    A verification followed by a comparison with a baseline does not count: that comparison is the
    verdict on a non-deterministic test.
    """
    found: list[tuple[int, bool]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith(_BASELINE):
            found.clear()
        elif line == _PASS or line.startswith(_FAIL):
            found.append((number, line == _PASS))
    return found


def has_baseline(text: str) -> bool:
    """Say whether a comparison with a baseline follows the verification."""
    return any(line.strip().startswith(_BASELINE) for line in text.splitlines())


def counts(text: str) -> dict[str, list[int]]:
    """Return each ``num_… = n`` of the text with its values, such as ``num_perf_log_entries``."""
    found: dict[str, list[int]] = {}
    for line in text.splitlines():
        match = _COUNT.fullmatch(line.strip())
        if match:
            found.setdefault(match[1], []).append(int(match[2]))
    return found


def values_of(text: str, name: str) -> list[str]:
    """Return the values of the lines ``name: value``."""
    pairs = (line.strip().partition(":") for line in text.splitlines())
    return [value.strip() for key, colon, value in pairs if colon and key == name]


@dataclass(frozen=True)
class Score:
    """A score in ``verify_performance.txt``.

    Attributes
    ----------
    value:
        A rate, or a latency in nanoseconds.
    slack:
        Half a unit of the last printed digit.
    """

    value: float
    slack: float = 0.0

    def equals(self, number: float, digits: float = 1e-3) -> bool:
        """Say whether the number rounds to this, within a relative error of ``digits``."""
        return abs(self.value - number) <= self.slack + digits * abs(number)


def scores(text: str) -> dict[str, Score]:
    """Return the scores by name in lower case: ``reference``, ``test``, or a test as ``test04-a``.

    If a name occurs several times, the last score counts.
    """
    found: dict[str, Score] = {}
    for line in text.splitlines():
        match = _SCORE.fullmatch(line.strip())
        if match:
            exponent = int(match[4] or 0)
            slack = 0.5 * float(f"1e{exponent - len(match[3] or '')}")
            found[match[1].lower()] = Score(float(f"{match[2]}e{exponent}"), slack)
    return found


def metrics_of(text: str, patterns: Mapping[str, str], wanted: Iterable[str]) -> dict[str, float]:
    """Return the last value of each metric in an accuracy text; 0 if there is none."""
    found = dict.fromkeys(wanted, 0.0)
    for line in text.splitlines(keepends=True):
        for metric in found:
            match = metric_pattern(patterns[metric]).match(line)
            if match:
                try:
                    found[metric] = float(match[1])
                except ValueError:  # for example, 1.2.3
                    found[metric] = 0.0
    return found
