"""Which descriptions of systems this machine fits."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import MlrepoError
from mlrepo.rounds.system_problems import parse_description
from mlrepo.systems.description import read_description
from mlrepo.systems.hardware import HardwareMatch, hardware_facts, match_hardware
from mlrepo.systems.machine import Fact, Machine


@dataclass(frozen=True)
class Here:
    """This machine, beside the descriptions in the directory ``systems``."""

    systems: Path

    @functools.cached_property
    def facts(self) -> dict[str, Fact]:
        """What is known of this machine's hardware."""
        return hardware_facts(Machine())

    def match(self, name: str, *, on_accelerator: bool = False) -> HardwareMatch:
        """Compare a description with this machine.

        Raises
        ------
        UserError
            There is no such system, or its file is damaged.
        """
        description = parse_description(read_description(self.systems, name))
        return match_hardware(description, self.facts, on_accelerator=on_accelerator)

    def is_another(self, name: str) -> bool:
        """Return whether a description contradicts this machine; without one it does not."""
        try:
            return bool(self.match(name).contradictions)
        except MlrepoError:
            return False

    def fitting(self) -> list[str]:
        """Return the names of the described systems that this machine can be."""
        found = (path.parent.name for path in sorted(self.systems.glob("*/system.json")))
        return [name for name in found if not self.is_another(name)]
