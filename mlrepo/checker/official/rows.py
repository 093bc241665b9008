"""Make a result's rows of the round's ``summary.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round


@dataclass(frozen=True)
class Figures:
    """The figures of one valid result.

    Attributes
    ----------
    value, accuracy:
        As printed; a result that the official checker copies keeps its type in the log.
    power:
        The power metric; 0 without power.
    compliance, errors, inferred:
        The official checker's columns of these names.
    weight_data_types:
        From the measurements file.
    design_power:
        The rated watts of the power supplies (v6.1); None if they are not described.
    scenario:
        The official checker's name for the directory, if it differs.
    """

    value: object
    accuracy: str
    power: float
    compliance: int
    errors: int
    inferred: bool
    weight_data_types: Any
    design_power: Any = None
    scenario: str = ""


def rows(scope: Scope, figures: Figures) -> tuple[dict[str, object], ...]:
    """Return the result's rows: its performance, its power, or both."""
    # The checker of v5.0 looks up units by directory name.
    model = scope.place.benchmark if scope.round.version == (5, 0) else scope.model
    unit = units(scope.round, model, scope.scenario)
    power_only = str(scope.system.get("system_power_only")).lower() == "true"
    found = []
    if figures.power <= 0 or not (power_only and scope.round.version >= (5, 0)):
        found.append(_row(scope, figures, figures.value, unit))
    if figures.power > 0 and scope.round.tables.get("power_units"):
        power_unit = (scope.round.tables.get("power_units") or {}).get(scope.scenario, "")
        found.append(_row(scope, figures, figures.power, power_unit))
    return tuple(found)


def units(round: Round, model: str, scenario: str) -> str:
    """Return the unit as the official summary writes it; '' in rounds without one."""
    own = (round.tables.get("units_per_model") or {}).get(model) or {}
    return str(own.get(scenario) or (round.tables.get("units") or {}).get(scenario, ""))


def describes_power_supplies(round: Round) -> bool:
    """Say whether a system's power supplies are described in a file of their own (since v6.1)."""
    return bool((round.tables.get("paths") or {}).get("NAMEPLATE_POWER_PATH"))


def _row(scope: Scope, figures: Figures, value: object, unit: str) -> dict[str, object]:
    system, place, modern = scope.system, scope.place, scope.round.version >= (6, 0)
    status = str(system.get("status")).lower()
    availability = "rdi" if status.startswith("research,") else status
    cells = {
        "Organization": place.submitter,
        "Availability": system.get("status") if modern else availability,
        "Division": place.division,
        "SystemType": system.get("system_type"),
        "SystemName": system.get("system_name"),
        "Platform": place.system,
        "Model": place.benchmark,
        "MlperfModel": scope.model,
        "Scenario": (figures.scenario or place.scenario) if modern else scope.scenario,
        "Result": value,
        "Accuracy": figures.accuracy,
        "number_of_nodes": system.get("number_of_nodes"),
        "host_processor_model_name": system.get("host_processor_model_name"),
        "host_processors_per_node": system.get("host_processors_per_node"),
        "host_processor_core_count": system.get("host_processor_core_count"),
        "accelerator_model_name": system.get("accelerator_model_name"),
        "accelerators_per_node": system.get("accelerators_per_node"),
        "total_accelerators": _total(system),
        "Location": f"{scope.path}/performance/run_1" if modern else scope.path,
        "framework": system.get("framework", ""),
        "operating_system": system.get("operating_system", ""),
        "notes": _notes(scope),
        "compilance": figures.compliance,
        "compliance": place.division if modern else figures.compliance,
        "errors": 0 if modern else figures.errors,
        "version": scope.round.name,
        "infered": int(figures.inferred),
        "inferred": int(figures.inferred),
        "has_power": figures.power > 0,
        "power": figures.power or 0,
        "Units": unit,
        "weight_data_types": str(figures.weight_data_types).replace('"', "'"),
        "design_power_watts": figures.design_power if describes_power_supplies(scope.round) else "",
        "PrivateID": "",
    }
    return {column: cells.get(column, "") for column in scope.round.tables["summary_columns"]}


def _total(system: Any) -> Any:
    try:
        return int(system.get("number_of_nodes")) * int(system.get("accelerators_per_node"))
    except (OverflowError, TypeError, ValueError):
        return 0


def _notes(scope: Scope) -> str:
    notes, more = scope.system.get("hw_notes", ""), scope.system.get("sw_notes")
    if not more:
        return str(notes)
    # Up to v2.0 the dot is written even if nothing precedes it.
    return f"{notes}. {more}" if notes or scope.round.version <= (2, 0) else str(more)
