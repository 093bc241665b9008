"""The 277 system descriptions published with past rounds: wording and structure to start from.

The descriptions are those of mlcommons/inference_results_v1.0, v1.1, v5.0 and v6.1. They are
models for names and form; many of their values are wrong, and none is about this machine.
"""

from __future__ import annotations

import functools
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from mlrepo.errors import UserError

# What says who submitted where and for what; it comes first in a description's full name.
_PLACE = ("round", "division", "submitter", "id")


@dataclass(frozen=True)
class PastSystem:
    """A published description with the round and the place it was published in."""

    round: str
    division: str
    submitter: str
    id: str
    description: Mapping[str, object]

    @property
    def name(self) -> str:
        """The full name, ``v1.1/closed/Dell/R750xa_A100``; its last parts suffice if unique."""
        return "/".join(getattr(self, part) for part in _PLACE)


@functools.cache
def past_systems() -> tuple[PastSystem, ...]:
    """Return all of them, ordered by full name."""
    data = (resources.files(__package__) / "data" / "past_systems.json.xz").read_bytes()
    found = [PastSystem(**entry) for entry in json.loads(lzma.decompress(data))]
    return tuple(sorted(found, key=lambda system: system.name))


def matching(systems: Sequence[PastSystem], text: str) -> tuple[PastSystem, ...]:
    """Return those whose name or any value holds ``text``, without regard to case."""
    wanted = text.casefold()
    return tuple(
        system
        for system in systems
        if wanted in system.name.casefold()
        or any(wanted in str(value).casefold() for value in system.description.values())
    )


def past_system(name: str) -> PastSystem:
    """Return the description called ``name``: a full name, or its last parts.

    Raises
    ------
    UserError
        None or several different ones are called so.
    """
    found = [s for s in past_systems() if s.name == name or s.name.endswith("/" + name)]
    if not found:
        near = matching(past_systems(), name)[:5]
        raise UserError(
            f"There is no past system {name!r}.",
            hint="Near it: " + ", ".join(s.name for s in near) + "."
            if near
            else "`mlrepo system list --past --grep TEXT` searches names and values.",
        )
    if len(found) > 1:
        raise UserError(
            f"{len(found)} past systems are called {name!r}.",
            hint="Give more of the name: " + ", ".join(s.name for s in found[:6]) + ".",
        )
    return found[0]
