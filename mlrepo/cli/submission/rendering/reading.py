"""What all renderings read off a report in the same way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from mlrepo.checker.report import Report, Result
from mlrepo.findings import Finding, Severity

LEVELS = ("error", "warning")
# More findings of one rule say nothing more to a person: one script may make thousands.
_MOST_OF_A_RULE = 50


def level(finding: Finding, profile: str) -> str:
    """Return ``error`` where the finding breaks the profile's verdict, else ``warning``."""
    if profile == "official":
        return "error" if finding.breaks_official else "warning"
    broken = finding.breaks_strict or finding.severity is Severity.ERROR
    return "error" if broken else "warning"


def findings_in_order(report: Report, profile: str) -> list[Finding]:
    """Return each finding once: by file, files with errors first, errors before warnings.

    A finding at a file that several results share (a system description) is one of each result.
    """
    by_place: dict[tuple[object, ...], Finding] = {}
    for finding in report.all_findings():
        key = (finding.rule, finding.path, finding.line, finding.message, finding.actual)
        # The tree's own findings come first; they may break more than a result's.
        by_place.setdefault(key, finding)
    unique = list(by_place.values())
    worst: dict[str, int] = {}
    for finding in unique:
        rank = LEVELS.index(level(finding, profile))
        worst[finding.path] = min(rank, worst.get(finding.path, rank))
    return sorted(
        unique,
        key=lambda f: (
            worst[f.path],
            f.path,
            LEVELS.index(level(f, profile)),
            f.line,
            f.rule,
            f.message,
        ),
    )


def first_of_each_rule(findings: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
    """Return the first findings of each rule, and a line for each rule that has more of them.

    For what people read; what programs read (JSON, SARIF) has all findings.
    """
    seen: Counter[str] = Counter()
    shown = []
    for finding in findings:
        seen[finding.rule] += 1
        if seen[finding.rule] <= _MOST_OF_A_RULE:
            shown.append(finding)
    more = [
        f"{rule}: {count - _MOST_OF_A_RULE} more findings like these"
        for rule, count in seen.items()
        if count > _MOST_OF_A_RULE
    ]
    return shown, more


def encodable(text: str) -> str:
    """Return ``text`` with the bytes of undecodable names as ``\\udcXX``, so that it is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def number(value: float | None) -> float | None:
    """Return a result for JSON, which knows no NaN and no infinity: those are null."""
    return value if value is not None and math.isfinite(value) else None


def printed(result: Result) -> str:
    """Return the result for people: as short as ``repr`` of a float has it, ``-`` without one."""
    if result.value is None:
        return "-"
    return f"{result.value:.10g}"


def verdict_line(report: Report, profile: str) -> str:
    """Return the last line of the text: the verdict, which agrees with the exit code."""
    valid = sum(result.valid(profile) for result in report.results)
    found = findings_in_order(report, profile)
    errors = sum(level(finding, profile) == "error" for finding in found)
    word = "VALID" if report.valid(profile) else "INVALID"
    return (
        f"{word}: {valid} of {_count(len(report.results), 'result')} valid in round "
        f"{report.round}, profile {profile}; {_count(errors, 'error')}, "
        f"{_count(len(found) - errors, 'warning')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
