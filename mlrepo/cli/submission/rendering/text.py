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
from mlrepo.cli.table import no_room, table_lines
from mlrepo.findings import Finding, visible

_COLOURS = {"error": "red", "warning": "yellow"}


def render(report: Report, profile: str, width: int | None = None) -> str:
    """Return the text with colours, which are stripped later where they are not wanted.

    The table of results is fitted to ``width``, in columns of a terminal.
    """
    parts = [_table(report.results, profile, width)] if report.results else []
    shown, more = first_of_each_rule(findings_in_order(report, profile))
    by_file = groupby(shown, key=lambda finding: finding.path)
    parts += ["\n".join(_of_file(path, list(found), profile)) for path, found in by_file]
    if more:
        parts.append("\n".join(f"{line} (--format json has all)" for line in more))
    colour = "green" if report.valid(profile) else "red"
    parts.append(style(verdict_line(report, profile), fg=colour, bold=True))
    return "\n\n".join(parts) + "\n"


def _table(results: Sequence[Result], profile: str, width: int | None) -> str:
    header: tuple[str, ...] = (
        "SUBMITTER",
        "SUT",
        "BENCHMARK",
        "SCENARIO",
        "RESULT",
        "UNIT",
        "ACCURACY",
        "LATENCY OF TOKENS",
        "VERDICT",
    )
    rows = [_cells(result, profile) for result in results]
    drop = ["LATENCY OF TOKENS", "ACCURACY", "UNIT"]
    if not any(result.token_latencies for result in results):
        place = header.index(drop.pop(0))
        header, *rows = [(*row[:place], *row[place + 1 :]) for row in (header, *rows)]
    if len({row[0] for row in rows}) == 1:  # the submitter of all
        header, rows = header[1:], [row[1:] for row in rows]
    else:
        drop.append("SUBMITTER")
    lines, hidden = table_lines(
        header, rows, right=(header.index("RESULT"),), drop=drop, cut="SUT", width=width
    )
    if hidden:
        lines.append(no_room(hidden, width))
    return "\n".join((style(lines[0], bold=True), *lines[1:]))


def _cells(result: Result, profile: str) -> tuple[str, ...]:
    cells = (
        f"{result.division}/{result.submitter}",
        result.system,
        result.benchmark,
        result.scenario,
        printed(result),
        result.unit or "-",
        result.measured or result.accuracy or "-",
        result.token_latencies or "-",
    )
    valid = result.valid(profile)
    verdict = style("valid" if valid else "INVALID", fg="green" if valid else "red")
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
