"""Annotations that GitHub shows beside the changed lines of a pull request.

GitHub shows ten errors and ten warnings per step; the step's log has the first 50 findings of each
rule (:func:`.reading.first_of_each_rule`) and counts the others. Syntax and escaping follow the
workflow commands of GitHub Actions (`::error file=…,line=…::message`).
"""

from __future__ import annotations

from mlrepo.checker.report import Report
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
    properties = {"file": finding.path, "line": str(finding.line or 1), "title": finding.rule}
    if not finding.path:
        del properties["file"], properties["line"]
    parts = [
        finding.message,
        f"expected: {finding.expected}" if finding.expected else "",
        f"actual: {finding.actual}" if finding.actual else "",
        finding.hint,
    ]
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{word} {written}::{_data(chr(10).join(part for part in parts if part))}"


def _data(text: str) -> str:
    escaped = encodable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # Any other control character would garble the log that it is printed to.
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
