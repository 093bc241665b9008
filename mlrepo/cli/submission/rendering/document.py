"""The report for programs: JSON of the schema ``mlrepo.check/1``."""

from __future__ import annotations

import json

from mlrepo.checker.report import Report, Result
from mlrepo.cli.submission.rendering.reading import encodable, findings_in_order, level, number
from mlrepo.findings import Finding

SCHEMA = "mlrepo.check/1"


def render(report: Report, profile: str) -> str:
    """Return one JSON object; its top-level ``findings`` concern the tree as a whole."""
    tree = Report(report.round, findings=report.findings)
    document = {
        "schema": SCHEMA,
        "round": report.round,
        "profile": profile,
        "valid": report.valid(profile),
        "counts": {
            "results": len(report.results),
            "valid": sum(result.valid(profile) for result in report.results),
            **_levels(report, profile),
        },
        "results": [_result(result, report.round, profile) for result in report.results],
        "findings": [_finding(f, profile) for f in findings_in_order(tree, profile)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _levels(report: Report, profile: str) -> dict[str, int]:
    levels = [level(finding, profile) for finding in findings_in_order(report, profile)]
    return {"errors": levels.count("error"), "warnings": levels.count("warning")}


def _result(result: Result, round_: str, profile: str) -> dict[str, object]:
    found = findings_in_order(Report(round_, findings=result.findings), profile)
    return {
        "path": encodable(result.path),
        "division": encodable(result.division),
        "submitter": encodable(result.submitter),
        "system": encodable(result.system),
        "benchmark": encodable(result.benchmark),
        "scenario": encodable(result.scenario),
        "official": "valid" if result.official else "invalid",
        "strict": "valid" if result.strict else "invalid",
        "result": number(result.value),
        "unit": result.unit,
        "accuracy": encodable(result.accuracy),
        "token_latencies": encodable(result.token_latencies),
        "findings": [_finding(finding, profile) for finding in found],
    }


def _finding(finding: Finding, profile: str) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": level(finding, profile),
        "path": encodable(finding.path),
        "line": finding.line or None,
        "message": encodable(finding.message),
        "expected": encodable(finding.expected),
        "actual": encodable(finding.actual),
        "hint": encodable(finding.hint),
        "breaks": [
            name
            for name, breaks in (
                ("official", finding.breaks_official),
                ("strict", finding.breaks_strict),
            )
            if breaks
        ],
    }
