"""A round's rules for system descriptions as a cerberus schema, and the problems it finds.

The tables are the round's own (``system_desc_required``, ``system_desc_nonempty``,
``system_desc_power_fields``, ``system_desc_network_fields``, ``availabilities``,
``system_types``). cerberus is imported when a description is judged, not before: the commit hook's
quick path needs none of it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.rounds import Round

COUNT_FIELDS = (
    "number_of_nodes",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerators_per_node",
)
_NOTHING = re.compile(r"(?i)\s*(none|no|n/?a|not applicable|-|null|0)?\s*\Z")


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with one field of a system description.

    Attributes
    ----------
    rule:
        ``system-field-missing``, ``system-field-empty``, ``system-status``, ``system-type``,
        ``system-division``, ``system-submitter``, ``system-count``, ``system-text``,
        ``system-accelerators`` or ``system-vcpus``.
    expected, actual:
        Short texts; may be empty.
    breaks_official:
        The round's official checker rejects the system for it.
    breaks_strict:
        The rules forbid it; False for a warning.
    """

    rule: str
    field: str
    message: str
    expected: str = ""
    actual: str = ""
    hint: str = ""
    breaks_official: bool = False
    breaks_strict: bool = True


def system_schema(
    round_: Round, *, power: bool = False, network: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the schema of the round's system descriptions as plain data.

    ``power``: the system has power results; ``network``: it stands in the network division. Each
    makes the round's further fields required. ``coerce`` and ``check_with`` are names that
    :func:`description_problems` gives a meaning to.
    """
    tables = round_.tables
    required = list(round_.system_fields())
    required += (tables.get("system_desc_power_fields") or []) if power else []
    required += (tables.get("system_desc_network_fields") or []) if network else []
    filled = round_.system_nonempty_fields()
    schema: dict[str, dict[str, Any]] = {}
    for field in dict.fromkeys(required):
        rules: dict[str, Any] = {"required": True, "nullable": True, "check_with": ["text"]}
        if field in filled:
            rules["check_with"] = ["filled", "text"]
        if field in COUNT_FIELDS:
            rules |= {"coerce": "count", "check_with": [*rules["check_with"], "count"]}
        schema[field] = rules
    schema.setdefault("status", {"required": True})
    schema["status"] |= {"coerce": "lower", "allowed": list(tables["availabilities"])}
    if tables.get("system_types"):
        schema.setdefault("system_type", {"required": True})
        schema["system_type"] |= {"allowed": list(tables["system_types"])}
    for field in ("status", "system_type"):
        schema.get(field, {}).pop("check_with", None)  # `allowed` says more
        schema.get(field, {}).pop("nullable", None)
    return schema


def description_problems(
    round_: Round,
    description: Mapping[str, Any],
    *,
    division: str = "",
    submitter: str = "",
    power: bool = False,
    network: bool = False,
) -> tuple[FieldProblem, ...]:
    """Judge a system description by the round; the order is that of the round's fields.

    ``division`` and ``submitter``: the directories it stands in, where it stands in any.
    """
    schema = system_schema(round_, power=power, network=network)
    validator = _validator_class()(schema, allow_unknown=True, written=description)
    validator.validate(dict(description))
    filled = round_.system_nonempty_fields()
    found: list[FieldProblem] = []
    for error in validator._errors:
        found += _problems_of(error, description, schema, filled)
    order = {field: number for number, field in enumerate(schema)}
    found.sort(key=lambda problem: order.get(problem.field, len(order)))
    return (
        *found,
        *_place_problems(description, division, submitter),
        *_contradictions(description),
    )


def coerced_count(value: Any) -> Any:
    """Return an unambiguous whole number as int (``"2"``, ``" 64 "``, ``2.0``), else the value."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


@functools.cache
def _validator_class() -> Callable[..., Any]:
    import cerberus

    class DescriptionValidator(cerberus.Validator):  # type: ignore[misc]
        def _normalize_coerce_count(self, value: Any) -> Any:
            return coerced_count(value)

        def _normalize_coerce_lower(self, value: Any) -> Any:
            return value.lower() if isinstance(value, str) else value

        def _check_with_filled(self, field: str, value: Any) -> None:
            # Of the document as it was written: "0" is filled, and 0 is empty, for the official
            # checkers ask `not value`.
            written = self._config["written"].get(field)
            if not written or (isinstance(written, str) and not written.strip()):
                self._error(field, "filled")

        def _check_with_text(self, field: str, value: Any) -> None:
            if not isinstance(value, (str, int, float)) or isinstance(value, bool):
                self._error(field, "text")

        def _check_with_count(self, field: str, value: Any) -> None:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)) or value == "":
                return  # said already, or empty
            if not isinstance(value, int) or value < 0:
                self._error(field, "count")

    return DescriptionValidator


def _problems_of(
    error: Any, description: Mapping[str, Any], schema: Mapping[str, Any], filled: frozenset[str]
) -> list[FieldProblem]:
    field = str(error.document_path[0])
    actual = _short(description.get(field))
    if error.rule == "required":
        return [
            FieldProblem(
                "system-field-missing", field, f"The field {field} is missing.",
                hint=f'Add "{field}"; `mlrepo system check` explains the fields.',
                breaks_official=True,
            )
        ]  # fmt: skip
    if error.rule in ("allowed", "nullable", "coerce"):
        rule = "system-status" if field == "status" else "system-type"
        allowed = ", ".join(schema[field].get("allowed", ()))
        return [
            FieldProblem(
                rule, field, f"{field} is none that the round knows.", f"one of: {allowed}",
                actual, f"Set {field} to one of them.", breaks_official=True,
            )
        ]  # fmt: skip
    texts = [str(info) for info in error.info]
    found = []
    if "filled" in texts:
        found.append(
            FieldProblem(
                "system-field-empty", field, f"{field} must not be empty.", "a text", actual,
                "Write what it is, or N/A; for none write the text \"0\": the number 0 counts as "
                "empty.", breaks_official=field in filled and not description.get(field),
            )
        )  # fmt: skip
    empty = description.get(field) in (None, "")
    if "text" in texts and not empty:
        found.append(
            FieldProblem("system-text", field, f"{field} is no text and no number.",
                         "a text or a number", actual, "Write it as one text.")
        )  # fmt: skip
    if "count" in texts:
        found.append(
            FieldProblem("system-count", field, f"{field} is no whole number.", "a whole number",
                         actual, "Give the number alone; put words into hw_notes.",
                         breaks_strict=False)
        )  # fmt: skip
    return found


def _place_problems(
    description: Mapping[str, Any], division: str, submitter: str
) -> list[FieldProblem]:
    """Compare with the directories: division as it stands, submitter without regard to case."""
    found = []
    stated = description.get("division")
    if division and "division" in description and stated != division:
        found.append(
            FieldProblem("system-division", "division", "The division is not that of the path.",
                         division, _short(stated), f'Write "{division}".', breaks_official=True)
        )  # fmt: skip
    stated = description.get("submitter")
    if submitter and "submitter" in description and str(stated).lower() != submitter.lower():
        found.append(
            FieldProblem("system-submitter", "submitter", "The submitter is not that of the path.",
                         submitter, _short(stated), f'Write "{submitter}".', breaks_official=True)
        )  # fmt: skip
    return found


def _contradictions(description: Mapping[str, Any]) -> list[FieldProblem]:
    """Return what cannot be true at once; no official checker looks, so all are warnings."""
    found = []
    number = coerced_count(description.get("accelerators_per_node"))
    named = not _NOTHING.match(str(description.get("accelerator_model_name") or ""))
    if isinstance(number, int) and not isinstance(number, bool) and (number > 0) != named:
        found.append(
            FieldProblem(
                "system-accelerators", "accelerators_per_node",
                "The number of accelerators and their model contradict each other.",
                "a model where there are accelerators, none where there are none",
                f"{number} × {_short(description.get('accelerator_model_name'))}",
                "Mend one of the two.", breaks_strict=False,
            )
        )  # fmt: skip
    sockets, cores, threads = (
        coerced_count(description.get(field))
        for field in ("host_processors_per_node", "host_processor_core_count",
                      "host_processor_vcpu_count")
    )  # fmt: skip
    whole = all(isinstance(n, int) and n > 0 for n in (sockets, cores, threads))
    if whole and threads % (sockets * cores) and threads % cores:
        found.append(
            FieldProblem(
                "system-vcpus", "host_processor_vcpu_count",
                "The logical CPUs are no multiple of the cores.",
                f"a multiple of {sockets} × {cores}", str(threads),
                "host_processor_core_count counts the physical cores of one processor.",
                breaks_strict=False,
            )
        )  # fmt: skip
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
