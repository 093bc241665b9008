"""Make a cerberus schema of a round's rules for system descriptions.

The tables are the round's own (``system_desc_required``, ``system_desc_nonempty``,
``system_desc_power_fields``, ``system_desc_network_fields``, ``availabilities``,
``system_types``). The schema is plain data: :mod:`mlrepo.rounds.system_problems` judges by it.
"""

from __future__ import annotations

import re
from typing import Literal, TypedDict

from mlrepo.rounds import Round

COUNT_FIELDS = (
    "number_of_nodes",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerators_per_node",
)


class FieldSchema(TypedDict, total=False):
    """The cerberus rules for one field."""

    required: bool
    nullable: bool
    type: Literal["string"]
    allowed: list[str]
    coerce: Literal["lower", "count"]
    check_with: list[str]


def system_schema(
    round_: Round, *, power: bool = False, network: bool = False
) -> dict[str, FieldSchema]:
    """Return the schema of the round's system descriptions, with keys in the checker's order.

    ``power``: the system has power results; ``network``: it is reached over a network. Each makes
    the round's further fields required. ``coerce`` and ``check_with`` are names:

    - ``lower``: compare in lower case, as the official checkers do;
    - ``count``: a whole number, possibly written as text (``"2"``, ``" 64 "``);
    - ``filled``: not empty by Python's ``not value``;
    - ``text``: a text or a number.
    """
    filled = round_.system_nonempty_fields()
    schema: dict[str, FieldSchema] = {}
    for field in round_.system_fields():
        checks = ["filled", "text"] if field in filled else ["text"]
        schema[field] = {"required": True, "nullable": True, "check_with": checks}
        if field in COUNT_FIELDS:
            schema[field] |= {"coerce": "count", "check_with": [*checks, "count"]}
    for wanted, table in (
        (power, round_.tables["system_desc_power_fields"]),
        (network, round_.tables["system_desc_network_fields"]),
    ):
        for field in table if wanted else ():
            schema.setdefault(field, {"required": True, "nullable": True})
    availabilities = [*round_.tables["availabilities"], *round_.further_availabilities]
    schema["status"] = {
        "required": True,
        "type": "string",
        "coerce": "lower",
        "allowed": availabilities,
    }
    if types := round_.tables.get("system_types"):
        # Rejected if missing, even by rounds that do not list it among the fields.
        schema["system_type"] = {"required": True, "type": "string", "allowed": list(types)}
    return schema


def known_fields(round_: Round) -> frozenset[str]:
    """Return every field that the round's checker knows, required or not."""
    return frozenset(
        {
            "status",
            "system_type",
            *round_.system_fields(),
            *round_.system_further_fields(),
            *(round_.tables.get("system_desc_optional_known") or ()),
        }
    )


def coerced_count(value: object) -> object:
    """Return an unambiguous whole number as int (``"2"``, ``" 64 "``, ``2.0``), else the value."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
