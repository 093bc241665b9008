"""Read a round's table ``settings``: the class of each LoadGen setting in each scenario.

:mod:`mlrepo.rounds.setting_classes` creates the table and gives its sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FREE, MINIMUM, MAXIMUM = "free", "minimum", "maximum"
PRESCRIBED, FORBIDDEN = "prescribed", "forbidden"
CLASSES = (FREE, MINIMUM, MAXIMUM, PRESCRIBED, FORBIDDEN)
Number = int | float


@dataclass(frozen=True)
class SettingClass:
    """What a round lets a performance run choose for one setting in a scenario.

    Attributes
    ----------
    kind:
        One of :data:`CLASSES`.
    value:
        The bound or the prescribed value, in the unit of the detail log; None if there is none.
    per_model:
        Different values for some benchmarks, by LoadGen's names.
    table, part:
        The round's table that has the value instead, and the key in it if it has several.
    divisions:
        The divisions for which it is binding; all if empty.
    below:
        A number that the value must be below, too.
    logged:
        The line of the detail log that shows it, if not the setting's own.
    """

    kind: str = FREE
    value: Number | None = None
    per_model: Mapping[str, Number] = field(default_factory=dict)
    table: str = ""
    part: str = ""
    divisions: tuple[str, ...] = ()
    below: Number | None = None
    logged: str | None = None


_FREE = SettingClass()


@dataclass(frozen=True)
class LoadgenSetting:
    """One setting.

    Attributes
    ----------
    logged:
        The line of the detail log that shows it; empty if none does.
    scale:
        The factor from ``user.conf``'s unit to the log's.
    classes:
        By LoadGen's scenario; ``*`` is all others.
    """

    logged: str
    scale: Number
    classes: Mapping[str, SettingClass]

    def in_scenario(self, scenario: str) -> SettingClass:
        """Return its class in one of LoadGen's scenarios."""
        return self.classes.get(scenario) or self.classes.get("*") or _FREE

    def line(self, scenario: str) -> str:
        """Return the line of the detail log that shows it in a scenario, or ''."""
        own = self.in_scenario(scenario).logged
        return self.logged if own is None else own


def read_settings(table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, LoadgenSetting]:
    """Read the table, by LoadGen's key."""
    return {
        key: LoadgenSetting(
            entry["logged"],
            entry.get("scale", 1),
            {name: _class(raw) for name, raw in entry.items() if isinstance(raw, dict)},
        )
        for key, entry in table.items()
    }


def _class(raw: Mapping[str, Any]) -> SettingClass:
    return SettingClass(
        raw["class"],
        raw.get("value"),
        raw.get("per_model") or {},
        raw.get("table", ""),
        raw.get("part", ""),
        tuple(raw.get("divisions", ())),
        raw.get("below"),
        raw.get("logged"),
    )
