"""What all renderings of a report share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from mlrepo.checker.report import Report, Result
from mlrepo.findings import Finding, Severity

LEVELS = ("error", "warning")
# More findings of one rule tell a person nothing new: one faulty script may cause thousands.
_MOST_OF_A_RULE = 50


def level(finding: Finding, profile: str) -> str:
    """Return ``error`` if the finding makes the profile's verdict INVALID, else ``warning``."""
    if profile == "official":
        return "error" if finding.breaks_official else "warning"
    broken = finding.breaks_strict or finding.severity is Severity.ERROR
    return "error" if broken else "warning"


def findings_in_order(report: Report, profile: str) -> list[Finding]:
    """Return each finding once, by file: files with errors first, errors before warnings.

    The report repeats a finding in a shared file (a system description) for each of its results.
    """
    by_place: dict[tuple[object, ...], Finding] = {}
    for finding in report.all_findings():
        key = (finding.rule, finding.path, finding.line, finding.message, finding.actual)
        # The tree's own findings come first and win: they may break more than a result's.
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
    """Return the first findings of each rule, and a line for each rule that has more.

    For formats that people read; those for programs (JSON, SARIF) have all findings.
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
    """Return ``text`` as valid UTF-8, with undecodable bytes of names spelt ``\\udcXX``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def number(value: float | None) -> float | None:
    """Return a result for JSON, which has no NaN or infinity: these become null."""
    return value if value is not None and math.isfinite(value) else None


def printed(result: Result) -> str:
    """Return the result for people, with at most ten digits, or ``-`` if there is none."""
    if result.value is None:
        return "-"
    return f"{result.value:.10g}"


def verdict_line(report: Report, profile: str) -> str:
    """Return the last line of a report: the verdict, which agrees with the exit code."""
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
