"""Annotations that GitHub shows beside the changed lines of a pull request.

GitHub shows ten errors and ten warnings per step; the step's log has the first 50 findings of each
rule (:func:`.reading.first_of_each_rule`) and counts the others.
"""

from __future__ import annotations

from mlrepo.checker.report import Report
from mlrepo.cli.github_commands import workflow_command
from mlrepo.cli.submission.rendering.reading import (
    encodable,
    findings_in_order,
    first_of_each_rule,
    level,
    verdict_line,
)
from mlrepo.findings import Finding


def render(report: Report, profile: str) -> str:
    """Return one workflow command per finding, errors first, then the verdict."""
    found = findings_in_order(report, profile)
    found.sort(key=lambda finding: level(finding, profile))  # "error" < "warning"; stable
    shown, more = first_of_each_rule(found)
    lines = [_command(finding, level(finding, profile)) for finding in shown]
    lines += [f"{line} (--format json has all)" for line in more]
    return "\n".join([*lines, verdict_line(report, profile)]) + "\n"


def _command(finding: Finding, word: str) -> str:
    line = str(finding.line or 1) if finding.path else ""
    properties = {"file": encodable(finding.path), "line": line, "title": finding.rule}
    parts = [
        finding.message,
        f"expected: {finding.expected}" if finding.expected else "",
        f"actual: {finding.actual}" if finding.actual else "",
        finding.hint,
    ]
    return workflow_command(word, encodable("\n".join(filter(None, parts))), **properties)
