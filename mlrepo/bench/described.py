"""Whether the system that a run is recorded as is the machine that it runs on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from mlrepo.backends.devices import CPU, Device
from mlrepo.errors import UserError
from mlrepo.record import ContradictionFacts, DescriptionFacts
from mlrepo.shell import quoted
from mlrepo.systems.description import read_description
from mlrepo.systems.hardware import HardwareMatch
from mlrepo.systems.here import Here


@dataclass(frozen=True)
class DescribedSystem:
    """A system as its directory describes it.

    Attributes
    ----------
    systems, name:
        The directory of the descriptions, and which one.
    any_system:
        Whether a description of another machine may be used.
    """

    systems: Path
    name: str
    any_system: bool = False

    @functools.cached_property
    def _here(self) -> Here:
        return Here(self.systems)

    def facts_elsewhere(self, url: str) -> DescriptionFacts:
        """Return for the record that the system is behind an endpoint on another machine.

        Raises
        ------
        UserError
            There is no such system, or its file is damaged.
        """
        read_description(self.systems, self.name)
        remark = (
            f"the system {self.name} is behind {url}: nothing here could be compared with its "
            "description, and the facts about the host are the client's"
        )
        return DescriptionFacts(compared=False, remarks=(remark,))

    def facts(self, device: str) -> DescriptionFacts:
        """Return for the record how the description fits this machine.

        Raises
        ------
        UserError
            There is no such system, its file is damaged, or it describes another machine.
        """
        match = self._here.match(self.name, on_accelerator=Device.parse(device).kind != CPU)
        if match.contradictions and not self.any_system:
            raise _another_machine(self.name, match)
        return DescriptionFacts(
            True,
            tuple(
                ContradictionFacts(one.field, one.written, one.detected, one.source)
                for one in match.contradictions
            ),
            match.remarks,
        )


def _another_machine(name: str, match: HardwareMatch) -> UserError:
    told = "; ".join(
        f"{one.field} is {one.written!r} there and {one.detected!r} here"
        for one in match.contradictions
    )
    return UserError(
        f"systems/{quoted(name)}/system.json does not describe this machine: {told}.",
        hint="`mlrepo system add NEW_NAME` describes this machine; `mlrepo system use NAME` makes "
        "this clone use another description. With --any-system it runs anyway, and the record and "
        "the selection say so.",
    )
