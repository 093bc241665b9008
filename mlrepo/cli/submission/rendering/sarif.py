"""The report as SARIF 2.1.0 (OASIS Standard, 27 March 2020), for code scanning services."""

from __future__ import annotations

import json
from urllib.parse import quote

from mlrepo import __version__
from mlrepo.checker.report import Report
from mlrepo.checker.rules import RULES
from mlrepo.cli.submission.rendering.reading import encodable, findings_in_order, level
from mlrepo.findings import Finding

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_BASE = "SUBMISSION"


def render(report: Report, profile: str) -> str:
    """Return a log of one run, with a description of each broken rule."""
    found = findings_in_order(report, profile)
    used = sorted({finding.rule for finding in found})
    index = {rule: position for position, rule in enumerate(used)}
    run = {
        "tool": {
            "driver": {
                "name": "mlrepo",
                "version": __version__,
                "rules": [_rule(rule) for rule in used],
            }
        },
        "originalUriBaseIds": {
            _BASE: {"description": {"text": "The root of the checked submission."}}
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(f, level(f, profile), index[f.rule]) for f in found],
        "properties": {
            "round": report.round,
            "profile": profile,
            "valid": report.valid(profile),
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(name: str) -> dict[str, object]:
    rule = RULES.get(name)
    if rule is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.hint},
    }


def _result(finding: Finding, word: str, rule: int) -> dict[str, object]:
    parts = [
        finding.message,
        f"Expected: {finding.expected}." if finding.expected else "",
        f"Actual: {finding.actual}." if finding.actual else "",
        finding.hint,
    ]
    place: dict[str, object] = {
        # Percent-encode the bytes of the name: a URI can then contain any name.
        "artifactLocation": {
            "uri": quote(finding.path.encode("utf-8", "surrogateescape")) or ".",
            "uriBaseId": _BASE,
        }
    }
    if finding.line:
        place["region"] = {"startLine": finding.line}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": word,
        "message": {"text": encodable(" ".join(part for part in parts if part))},
        "locations": [{"physicalLocation": place}],
    }
