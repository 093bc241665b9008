"""What each round's official checker crashes on: values of a type that its code does not expect.

Each function returns the reason, as the end of a sentence that begins "The official checker crashes
here:", or '' if it does not crash. The checkers up to v5.1 crash on a description before they look
at a result; all crash on a valid result whose row they cannot write, never on an invalid one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlrepo.rounds import Round

_PRINTED = (
    "status",
    "system_type",
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
_NO_TEXT = "the field {} is not a string"


def of_description(round: Round, description: Mapping[str, object]) -> str:
    """Return why the checker crashes on a system description; '' also if it rejects it first."""
    if not (1, 0) <= round.version < (6, 0):
        return ""
    status = description.get("status")
    if not isinstance(status, str):
        return _NO_TEXT.format("status")
    types = round.tables.get("system_types") or ()
    if status.lower() not in round.tables["availabilities"] or (
        types and description.get("system_type") not in types
    ):
        return ""
    over_network = description.get("is_network")
    if round.version >= (2, 1) and over_network is not None and not isinstance(over_network, str):
        return _NO_TEXT.format("is_network")
    return "" if isinstance(description.get("submitter"), str) else _NO_TEXT.format("submitter")


def of_row(round: Round, system: Mapping[str, object], weights: Any, *, has_power: bool) -> str:
    """Return why the checker crashes when it writes the row of a valid result.

    ``weights`` are the ``weight_data_types`` of the measurements.
    """
    if round.version < (1, 0):
        return ""
    modular = round.version >= (6, 0)
    return (
        (_of_counts(system) if modular else _of_texts(round, system))
        or _of_notes(round, system)
        or _of_weights(round, weights, has_power=has_power)
        or _of_surrogates(system)
    )


def _of_texts(round: Round, system: Mapping[str, object]) -> str:
    for field in ("system_name", "host_processor_model_name", "accelerator_model_name"):
        if not isinstance(system.get(field), str):
            return _NO_TEXT.format(field)
    for field in ("framework", "operating_system"):
        if not isinstance(system.get(field, ""), str):
            return _NO_TEXT.format(field)
    return ""


def _of_counts(system: Mapping[str, Any]) -> str:
    for field in ("number_of_nodes", "accelerators_per_node"):
        try:
            int(system[field])
        except (KeyError, TypeError, ValueError, OverflowError):
            return f"the field {field} is not a whole number"
    return ""


def _of_notes(round: Round, system: Mapping[str, object]) -> str:
    hardware, software = system.get("hw_notes", ""), system.get("sw_notes")
    if software and not isinstance(software, str):
        return _NO_TEXT.format("sw_notes")
    # Up to v2.0 the notes are joined whatever hw_notes is.
    joined = bool(software) and (bool(hardware) or round.version <= (2, 0))
    alone = not software and round.version < (6, 0)
    if (joined or alone) and not isinstance(hardware, str):
        return _NO_TEXT.format("hw_notes")
    return ""


def _of_weights(round: Round, weights: Any, *, has_power: bool) -> str:
    quoted = round.version == (5, 0) or (round.version == (5, 1) and has_power)
    if quoted and not isinstance(weights, str):
        return "weight_data_types of the measurements is not a string"
    return ""


def _of_surrogates(system: Mapping[str, Any]) -> str:
    for field in _PRINTED:
        if isinstance(system.get(field), str):
            try:
                system[field].encode("utf-8")
            except UnicodeEncodeError:
                return f"the field {field} has half a character, which no file can hold"
    return ""


def of_measurements(round: Round, values: Any) -> str:
    """Return why the checker crashes when it looks for the fields of the measurements."""
    if round.version >= (6, 0):  # it catches whatever goes wrong in a check
        return ""
    if round.version >= (5, 0) and not (
        isinstance(values, Mapping) and "weight_data_types" in values
    ):
        return "it reads the field weight_data_types, which is missing"
    try:
        for field in round.tables["measurements_required"]:
            if field in values and round.version >= (3, 1):
                values[field]
    except TypeError:
        return "it is not a JSON object"
    return ""
