"""The outcome of judging a part of a tree, and its serialised form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from mlrepo.checker.report import Result
from mlrepo.findings import Finding, Severity


@dataclass(frozen=True)
class Outcome:
    """The results and findings of a part of a tree.

    Attributes
    ----------
    results:
        Judged results.
    findings:
        Findings that belong to no single result.
    rejects:
        Whether the official checker rejects all results of the submitter.
    """

    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = ()
    rejects: bool = False


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Join the outcomes into one."""
    return Outcome(
        tuple(result for outcome in outcomes for result in outcome.results),
        tuple(finding for outcome in outcomes for finding in outcome.findings),
        any(outcome.rejects for outcome in outcomes),
    )


_RESULT_FIELDS = [
    field.name for field in fields(Result) if field.name not in ("rows", "findings", "prints")
]
_FINDING_FIELDS = [field.name for field in fields(Finding)]


def to_values(outcome: Outcome) -> dict[str, object]:
    """Return the outcome as JSON values; the columns of all rows are written once."""
    columns = next((list(row) for result in outcome.results for row in result.rows), [])
    return {
        "columns": columns,
        "results": [
            [
                [getattr(result, name) for name in _RESULT_FIELDS],
                [list(row.values()) for row in result.rows],
                [_finding_values(finding) for finding in result.findings],
                result.prints,
            ]
            for result in outcome.results
        ],
        "findings": [_finding_values(finding) for finding in outcome.findings],
        "rejects": outcome.rejects,
    }


def from_values(values: dict[str, Any]) -> Outcome:
    """Return the outcome that :func:`to_values` serialised."""
    columns = values["columns"]
    return Outcome(
        tuple(
            Result(
                **dict(zip(_RESULT_FIELDS, own, strict=True)),
                rows=tuple(dict(zip(columns, row, strict=True)) for row in rows),
                findings=tuple(map(_finding, findings)),
                prints=tuple((name, fingerprint) for name, fingerprint in prints),
            )
            for own, rows, findings, prints in values["results"]
        ),
        tuple(map(_finding, values["findings"])),
        values["rejects"],
    )


def _finding_values(finding: Finding) -> list[Any]:
    values = [getattr(finding, name) for name in _FINDING_FIELDS]
    values[1] = finding.severity.value
    return values


def _finding(values: list[Any]) -> Finding:
    return Finding(values[0], _SEVERITIES[values[1]], *values[2:])


_SEVERITIES = {severity.value: severity for severity in Severity}
