"""The fields of a system description as a cerberus schema, made from a round's data."""

from __future__ import annotations

from typing import Any

from mlrepo.rounds import Round

_TEXT_OR_NUMBER = ["string", "integer", "float"]


def description_schema(round_: Round, division: str, submitter: str) -> dict[str, Any]:
    """Return the schema of the descriptions of one submitter.

    It expects ``status`` and ``submitter`` in lower case, as the official checkers compare them.
    Fields that are known but not required may hold anything.
    """
    nonempty = round_.system_nonempty_fields()
    tables = round_.tables
    schema: dict[str, Any] = {
        field: {"required": True, "type": _TEXT_OR_NUMBER, "empty": field not in nonempty}
        for field in round_.system_fields()
    }
    if division == "network":
        for field in tables.get("system_desc_network_fields") or ():
            schema[field] = {"required": True}
    for field in _known(round_):
        schema.setdefault(field, {})
    schema["submitter"] = {"required": True, "type": "string", "allowed": [submitter.lower()]}
    schema["division"] = {"required": True, "type": "string", "allowed": [division]}
    schema["status"] = {
        "required": True,
        "type": "string",
        "allowed": list(tables["availabilities"]),
    }
    schema["system_type"] = {
        "required": "system_type" in round_.system_fields(),
        "type": "string",
        "allowed": list(tables["system_types"]),
    }
    return schema


def _known(round_: Round) -> list[str]:
    return [
        field
        for key in (
            "system_desc_optional_known",
            "system_desc_power_fields",
            "system_desc_network_fields",
        )
        for field in round_.tables.get(key) or ()
    ]
