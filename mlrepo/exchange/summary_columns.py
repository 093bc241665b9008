"""The columns of a round's summary, whatever its form calls them, and their values."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.record.forms import plain_text

Row = Mapping[str, object]

# What mlrepo calls the columns, and what the two forms call them: the first that a row has counts.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "submitter": ("Organization", "Submitter"),
    "division": ("Division", "Category"),
    "category": ("SystemType", "Suite"),
    "system": ("Platform",),
    # The directory; of the two, the checker's form calls it Model, and the table the official name.
    "benchmark": ("UsedModel", "Model"),
    "official": ("MlperfModel", "Model"),
    "scenario": ("Scenario",),
    "result": ("Result", "Performance_Result"),
    "unit": ("Units", "Performance_Units"),
    "version": ("version",),
}
_SYSTEM: Mapping[str, tuple[str, ...]] = {
    "system_name": ("SystemName", "System"),
    "status": ("Availability",),
    "number_of_nodes": ("number_of_nodes", "Nodes"),
    "host_processor_model_name": ("host_processor_model_name", "Processor"),
    "host_processors_per_node": ("host_processors_per_node",),
    "host_processor_core_count": ("host_processor_core_count",),
    "accelerator_model_name": ("accelerator_model_name", "Accelerator"),
    "accelerators_per_node": ("accelerators_per_node", "a#"),
    "total_accelerators": ("total_accelerators", "Total Accelerators"),
    "framework": ("framework", "Software"),
    "operating_system": ("operating_system",),
    "notes": ("notes", "Notes"),
}
# No field of the published summaries has a tenth of it.
_LONGEST_TEXT = 1 << 16
# No measurement is larger: see mlrepo.record.forms.
_LARGEST = 1e30


class BadRowError(ValueError):
    """Why a row is left out, in words that follow its name."""


def column(row: Row, name: str) -> object:
    """Return the value of a column by mlrepo's name for it; None if the row has none."""
    return _first(row, _COLUMNS[name])


def _first(row: Row, columns: tuple[str, ...]) -> object:
    return next((row[one] for one in columns if row.get(one) is not None), None)


def refuse_long_texts(row: Row) -> None:
    """Raise :class:`BadRowError` for a text that no summary has."""
    for name, value in row.items():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise BadRowError(f"its {name[:40]} has {len(value)} characters")


def text(row: Row, name: str) -> str:
    """Return a column that must be a text; raise :class:`BadRowError` if it is none."""
    value = column(row, name)
    called = " or ".join(_COLUMNS[name])
    if value is None:
        raise BadRowError(f"it has no {called}")
    if not isinstance(value, str) or not value.strip():
        raise BadRowError(f"its {called} is not a text")
    return plain_text(value.strip())


def measured(row: Row, name: str) -> float:
    """Return a column that must be a measured number; raise :class:`BadRowError` if it is none."""
    value = column(row, name)
    called = " or ".join(_COLUMNS[name])
    if value is None:
        raise BadRowError(f"it has no {called}")
    found = positive(value)
    if found is None:
        raise BadRowError(f"its {called} is {str(value)[:40]!r}, which is not a result")
    return found


def positive(value: object) -> float | None:
    """Return a number that a measurement can have; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _LARGEST else None


def as_number(said: str) -> float | None:
    """Return the number that a text is; None for none."""
    try:
        value = float(said)
    except ValueError:
        return None
    return value if abs(value) < _LARGEST else None  # NaN compares as false


def as_text(value: object) -> str:
    """Return a text or a number as text, ``8.0`` as 8; '' for anything else."""
    if isinstance(value, str):
        return plain_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return ""
    return str(int(value)) if value == int(value) else str(value)


def described(row: Row) -> dict[str, str]:
    """Return the fields of a system description that a row repeats, as text."""
    values = {name: as_text(_first(row, columns)) for name, columns in _SYSTEM.items()}
    return {name: value for name, value in values.items() if value}
