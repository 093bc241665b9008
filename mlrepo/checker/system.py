"""The description of a system: rules S1 to S6 of every round's checker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round
from mlrepo.rounds.description_schema import description_schema
from mlrepo.tree import Missing

_LARGEST = 4 << 20
# Fields that the official checkers put in lower case, or in quotes into their summary.
_TEXTS = ("status", "submitter", "system_name", "host_processor_model_name",
          "accelerator_model_name", "framework", "operating_system")  # fmt: skip
_LONG_RDI = "research, development, or internal"


def judge_system(scope: Scope) -> bool:
    """Read and judge the description of the scope's system.

    Fills ``scope.system`` and ``scope.category``. Returns whether the round's official checker
    goes on to the results of the system.
    """
    path = f"{scope.root}/systems/{scope.place.system}.json"
    try:
        description = _parse(scope.tree.read(path, _LARGEST))
    except (Missing, ValueError, RecursionError) as error:
        scope.report("system-description", path, f"The system description {_said(error)}.")
        if not isinstance(error, Missing):
            scope.report("official-crash", path, "The official checker dies here.", official=True)
        return False
    scope.system = description
    category = description.get("system_type")
    scope.category = category if isinstance(category, str) else ""
    schema = description_schema(scope.round, scope.place.division, scope.place.submitter)
    prepared = _prepared(description, scope.round)
    unknown = [field for field in description if field not in schema]
    for field in unknown:
        scope.report("system-unknown-field", path, f"The field {field!r} is unknown.")
    if scope.round.version < (6, 0):
        _report_crashes(scope, path, description)
    before = len(scope.findings)
    known = {field: value for field, value in prepared.items() if field in schema}
    if not _plainly_sound(schema, known):
        _explain(scope, path, schema, known)
    return not any(finding.breaks_official for finding in scope.findings[before:])


def _report_crashes(scope: Scope, path: str, description: Mapping[str, Any]) -> None:
    """Report fields that are no text where the official checkers up to v5.1 take them for one."""
    for field in _TEXTS:
        value = description.get(field, "")
        if not isinstance(value, str):
            message = f"The official checker dies at the field {field!r}, which is no text."
            scope.report("official-crash", path, message, actual=value, official=True)
            rule = "system-description"
            scope.report(rule, path, f"The field {field!r} is no text.", actual=value)


def _parse(data: bytes) -> dict[str, Any]:
    value = json.loads(data.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")
    return value


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Missing) else f"is not JSON in UTF-8: {error}"


def _prepared(description: Mapping[str, Any], round_: Round) -> dict[str, Any]:
    prepared = dict(description)
    for field in ("status", "submitter"):
        if isinstance(prepared.get(field), str):
            prepared[field] = prepared[field].lower()
    if round_.name == "v0.7" and prepared.get("status") == _LONG_RDI:
        prepared["status"] = "rdi"
    return prepared


def _plainly_sound(schema: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Say whether nothing can be wrong, without the 50 ms that cerberus takes to import."""
    for field, rule in schema.items():
        if field not in known:
            if rule.get("required"):
                return False
            continue
        value = known[field]
        if rule.get("type") and (
            not isinstance(value, str)
            or (not value and not rule.get("empty", True))
            or ("allowed" in rule and value not in rule["allowed"])
        ):
            return False
    return True


def _explain(scope: Scope, path: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    from cerberus import Validator

    validator = Validator(schema)
    validator.validate(known)
    for field, messages in sorted(validator.errors.items()):
        rule = schema[field]
        scope.report(
            "system-description", path, f"Field {field!r}: {'; '.join(map(str, messages))}.",
            expected=" or ".join(rule.get("allowed", ())), actual=known.get(field, "absent"),
            official=_official(rule, field, known),
        )  # fmt: skip


def _official(rule: Mapping[str, Any], field: str, known: Mapping[str, Any]) -> bool:
    """Say whether the official checker rejects the field: it does not look at most types."""
    if field not in known or "allowed" in rule:
        return True
    return not rule.get("empty", True) and not known[field]
