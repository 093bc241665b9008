"""Judge system descriptions, in one place for the checker, the commands and the hook.

Sources: ``check_system_desc_id`` and ``is_system_over_network`` of the official checkers up to
v5.1, ``system_check.py`` since v6.0; warnings are ours. cerberus takes 50 ms to import, so it is
used only to explain the problems of a description, never for a valid one.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mlrepo.rounds import Round
from mlrepo.rounds.description_contradictions import contradictions
from mlrepo.rounds.field_problem import FieldProblem, shortened
from mlrepo.rounds.system_schema import (
    COUNT_FIELDS,
    FieldSchema,
    coerced_count,
    known_fields,
    system_schema,
)

# The number 0 counts as empty, and a word makes the checkers since v6.0 end in a traceback.
_COUNT_HINT = 'Write only the number, the string "0" if there is none; words go into hw_notes.'
# The description's fields in the official summary, and so in the results table.
_SHOWN = (
    "status",
    "system_type",
    "submitter",
    "division",
    "system_name",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerator_model_name",
    "accelerators_per_node",
    "framework",
    "operating_system",
    "hw_notes",
    "sw_notes",
)


def parse_description(data: bytes) -> dict[str, object]:
    """Return the description in the bytes of its file.

    Raises
    ------
    ValueError
        The bytes are not a JSON object in UTF-8; the text says what they are instead.
    """
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def description_problems(
    round_: Round,
    description: Mapping[str, object],
    *,
    division: str = "",
    submitter: str = "",
    power: bool = False,
) -> tuple[FieldProblem, ...]:
    """Judge a system description by the round's rules, in the order of the round's fields.

    Parameters
    ----------
    division, submitter:
        The directories that it is in, if any.
    power:
        Whether the system has power results.
    """
    schema = system_schema(
        round_, power=power, network=_over_network(round_, description, division)
    )
    found: list[FieldProblem] = []
    if not _plainly_sound(schema, description):
        found = _explained(round_, description, schema)
    return (
        *found,
        *_place_problems(round_, description, division, submitter),
        *contradictions(description),
        *_unknown(round_, description),
    )


def _over_network(round_: Round, description: Mapping[str, object], division: str) -> bool:
    """Say whether the round requires the network fields."""
    stated = description.get("is_network")
    if round_.is_network_by_truth:
        return division == "network" or bool(stated)
    return division == "network" or str(stated).lower() == "true"


def _plainly_sound(schema: Mapping[str, FieldSchema], description: Mapping[str, object]) -> bool:
    """Say whether the description obeys the schema, which ``system_schema`` explains."""
    for field, rules in schema.items():
        if field not in description:
            return False
        value = description[field]
        if "allowed" in rules:
            lower = rules.get("coerce") == "lower" and isinstance(value, str)
            if not isinstance(value, str) or (
                (value.lower() if lower else value) not in rules["allowed"]
            ):
                return False
        if any(_BROKEN[check](value) for check in rules.get("check_with", ())):
            return False
    return True


def _is_unfilled(value: object) -> bool:
    # As written in the document: "0" is filled, and 0 is empty, because the official checkers
    # test `not value`.
    return not value or (isinstance(value, str) and not value.strip())


def _is_no_text(value: object) -> bool:
    return not isinstance(value, (str, int, float)) or isinstance(value, bool)


def _is_no_count(value: object) -> bool:
    if _is_no_text(value) or value == "":
        return False  # reported already, or empty
    count = coerced_count(value)
    return not isinstance(count, int) or count < 0


_BROKEN: Mapping[str, Callable[[object], bool]] = {
    "filled": _is_unfilled,
    "text": _is_no_text,
    "count": _is_no_count,
}


@functools.cache
def _validator_class() -> Callable[..., Any]:
    import cerberus

    class DescriptionValidator(cerberus.Validator):  # type: ignore[misc]
        def _normalize_coerce_count(self, value: object) -> Any:
            return coerced_count(value)

        def _normalize_coerce_lower(self, value: object) -> Any:
            return value.lower() if isinstance(value, str) else value

        def _check(self, check: str, field: str) -> None:
            if _BROKEN[check](self._config["written"].get(field)):
                self._error(field, check)

        def _check_with_filled(self, field: str, value: object) -> None:
            self._check("filled", field)

        def _check_with_text(self, field: str, value: object) -> None:
            self._check("text", field)

        def _check_with_count(self, field: str, value: object) -> None:
            self._check("count", field)

    return DescriptionValidator


def _explained(
    round_: Round, description: Mapping[str, object], schema: Mapping[str, FieldSchema]
) -> list[FieldProblem]:
    validator = _validator_class()(schema, allow_unknown=True, written=description)
    validator.validate(dict(description))
    broken: dict[str, set[str]] = {field: set() for field in schema}
    for error in validator._errors:
        broken[str(error.document_path[0])] |= {str(error.rule), *map(str, error.info)}
    return [
        problem
        for field, words in broken.items()
        if words
        for problem in _problems_of(round_, field, words, description.get(field), schema[field])
    ]


def _problems_of(
    round_: Round, field: str, broken: set[str], value: object, rules: FieldSchema
) -> list[FieldProblem]:
    if "required" in broken:
        return [_missing(round_, field)]
    if "allowed" in rules:
        meant = re.sub(r"\s", "", str(value).lower())
        return [
            FieldProblem(
                f"system-{field.removeprefix('system_')}",
                field,
                f"{field} is not one that the round knows.",
                f"one of: {', '.join(rules['allowed'])}",
                shortened(value),
                f'Write "{meant}".' if meant in rules["allowed"] else "Write one of them.",
                breaks_official=True,
            )
        ]
    found = []
    if "filled" in broken:
        hint = "Write the value, or N/A." if field not in COUNT_FIELDS else _COUNT_HINT
        found.append(
            FieldProblem(
                "system-field-empty",
                field,
                f"{field} must not be empty.",
                "a string",
                # The official checkers accept blanks as text; the results table shows nothing.
                shortened(value) if not value else repr(value),
                hint,
                breaks_official=not value,
                breaks_strict=not value or field in _SHOWN,
            )
        )
    elif "text" in broken:
        found.append(
            FieldProblem(
                "system-text",
                field,
                f"{field} is neither a string nor a number.",
                "a string or a number",
                shortened(value),
                "Write it as one string.",
                breaks_strict=field in _SHOWN,
            )
        )
    if "count" in broken:
        found.append(
            FieldProblem(
                "system-count",
                field,
                f"{field} is not a whole number.",
                "a whole number",
                shortened(value),
                _COUNT_HINT,
                breaks_strict=False,
            )
        )
    return found


def _missing(round_: Round, field: str) -> FieldProblem:
    if field in (round_.tables.get("system_desc_power_fields") or ()):
        return FieldProblem(
            "system-power-field",
            field,
            f"The field {field} is missing.",
            hint=f'Add "{field}": power results have it, although no official checker requires it.',
            breaks_strict=False,
        )
    return FieldProblem(
        "system-field-missing",
        field,
        f"The field {field} is missing.",
        hint=f'Add "{field}". {_COUNT_HINT}'
        if field in COUNT_FIELDS
        else f'Add "{field}"; N/A if there is none.',
        breaks_official=True,
    )


def _place_problems(
    round_: Round, description: Mapping[str, object], division: str, submitter: str
) -> list[FieldProblem]:
    """Compare with the directories: the division exactly, the submitter ignoring case."""
    found = []
    stated = description.get("division")
    if division and "division" in description and stated != division:
        same = round_.division_in_any_case and str(stated).lower() == division.lower()
        found.append(
            FieldProblem(
                "system-division",
                "division",
                "The division differs from the one in the path.",
                division,
                shortened(stated),
                f'Write "{division}".',
                breaks_official=not same,
            )
        )
    stated = description.get("submitter")
    if submitter and "submitter" in description and str(stated).lower() != submitter.lower():
        found.append(
            FieldProblem(
                "system-submitter",
                "submitter",
                "The submitter differs from the one in the path.",
                submitter,
                shortened(stated),
                f'Write "{submitter}".',
                breaks_official=True,
            )
        )
    if division and round_.tables.get("system_desc_network_fields"):
        found += _network_mode(description.get("is_network"), division)
    return found


def _network_mode(stated: object, division: str) -> list[FieldProblem]:
    """Compare ``is_network`` with the division; open accepts both, but only as text."""
    over = str(stated).lower() == "true"
    wanted = {"closed": False, "network": True}.get(division, over)
    if over is wanted and (stated is None or isinstance(stated, str)):
        return []
    return [
        FieldProblem(
            "network-mode",
            "is_network",
            "is_network does not agree with the division.",
            'the string "true"' if wanted else 'the string "false", or no such field',
            shortened(stated),
            "The network division measures over a network, the closed division does not.",
            breaks_official=True,
        )
    ]


def _unknown(round_: Round, description: Mapping[str, object]) -> list[FieldProblem]:
    known = known_fields(round_)
    return [
        FieldProblem(
            "system-unknown-field",
            field,
            f"The field {field!r} is unknown.",
            hint="Correct the name, or remove the field.",
            breaks_strict=False,
        )
        for field in description
        if field not in known
    ]
