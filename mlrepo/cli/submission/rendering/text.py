"""The report for people: a table of results, findings by file, the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mlrepo.checker.report import Report, Result
from mlrepo.cli.render import style
from mlrepo.cli.submission.rendering.reading import (
    findings_in_order,
    first_of_each_rule,
    level,
    printed,
    verdict_line,
)
from mlrepo.findings import Finding, visible

_COLOURS = {"error": "red", "warning": "yellow"}
_NUMBERS = ("RESULT",)


def render(report: Report, profile: str) -> str:
    """Return the text with colours, which are stripped later where they are not wanted."""
    parts = [_table(report.results, profile)] if report.results else []
    shown, more = first_of_each_rule(findings_in_order(report, profile))
    by_file = groupby(shown, key=lambda finding: finding.path)
    parts += ["\n".join(_of_file(path, list(found), profile)) for path, found in by_file]
    if more:
        parts.append("\n".join(f"{line} (--format json has all)" for line in more))
    colour = "green" if report.valid(profile) else "red"
    parts.append(style(verdict_line(report, profile), fg=colour, bold=True))
    return "\n\n".join(parts) + "\n"


def _table(results: Sequence[Result], profile: str) -> str:
    header = (
        "SUBMITTER",
        "SUT",
        "BENCHMARK",
        "SCENARIO",
        "RESULT",
        "UNIT",
        "ACCURACY",
        "VERDICT",
    )
    rows = [header, *(_cells(result, profile) for result in results)]
    # Leave out the SUBMITTER column if it is the same in all rows.
    if len({row[0] for row in rows[1:]}) == 1:
        rows = [row[1:] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {i for i, name in enumerate(rows[0]) if name in _NUMBERS}
    lines = []
    for row in rows:
        padded = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        if row is rows[0]:
            lines.append(style("  ".join(padded).rstrip(), bold=True))
        else:
            colour = "green" if row[-1] == "valid" else "red"
            verdict = style(row[-1], fg=colour)
            lines.append("  ".join([*padded[:-1], verdict]))
    return "\n".join(lines)


def _cells(result: Result, profile: str) -> tuple[str, ...]:
    cells = (
        f"{result.division}/{result.submitter}",
        result.system,
        result.benchmark,
        result.scenario,
        printed(result),
        result.unit or "-",
        result.accuracy or "-",
    )
    verdict = "valid" if result.valid(profile) else "INVALID"
    return (*map(visible, cells), verdict)


def _of_file(path: str, findings: Sequence[Finding], profile: str) -> Iterator[str]:
    yield style(visible(path) or "(the whole tree)", bold=True)
    for finding in findings:
        word = level(finding, profile)
        place = visible(path) + (f":{finding.line}" if finding.line else "")
        yield (f"  {style(word, fg=_COLOURS[word])} {finding.rule}: {visible(finding.message)}")
        if finding.line:
            yield f"    at {place}"
        if finding.expected or finding.actual:
            yield (
                f"    expected: {visible(finding.expected) or '-'}; "
                f"actual: {visible(finding.actual) or '-'}"
            )
        if finding.hint:
            yield f"    hint: {visible(finding.hint)}"
