"""How the rounds' official checkers treat a breach: ``rounds/enforcement.json``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlrepo import rounds

# Beginnings of the effects that make one result or more officially invalid.
_REJECTING = (
    "invalid",
    "crash",
    "NoResults",
    "each result",
    "all scenarios",
    "submitter rejected",
    "division rejected",
    "everything rejected",
)
_CRASH = "crash"


def effect_of(rule: str, round_name: str) -> str:
    """Return how a round's checker treats a breach of a rule, in the words of the table.

    ``none`` if the table does not have the rule. For a round newer than the table, the effect is
    that of the newest checker in it. v0.5 has no checker of its own; v0.7's handles both rounds.
    """
    effects = _table("rules").get(rule, {}).get("effect")
    return _since(effects, round_name) if effects else "none"


def effect_of_part(rule: str, part: str, round_name: str) -> str | None:
    """Return how a round's checker treats a part of a rule; None if the part is not known."""
    effect = _table("parts").get(rule, {}).get(part)
    return effect if effect is None or isinstance(effect, str) else _since(effect, round_name)


def rejects(effect: str) -> bool:
    """Say whether an effect makes a result invalid."""
    return effect.startswith(_REJECTING)


def parts_of(rule: str) -> frozenset[str]:
    """Return the parts of a rule that the table names."""
    return frozenset(_table("parts").get(rule, {}))


@dataclass(frozen=True, slots=True)
class Ruling:
    """How an official checker treats a breach.

    Attributes
    ----------
    rejects:
        Whether it makes one result or more invalid.
    death:
        Why the checker crashes; empty if it does not. ``{subject}`` is the breach's subject.
    is_of_line:
        Whether it crashes on the line of the breach; otherwise on the file as a whole.
    """

    rejects: bool
    death: str = ""
    is_of_line: bool = True

    @classmethod
    def of(cls, effect: str, rule: str) -> Ruling:
        """Return the ruling that an effect in the table means."""
        if effect == _CRASH:
            return cls(True, f"it cannot continue after a breach of {rule}", is_of_line=False)
        words, is_death, why = effect.partition(f"{_CRASH}: ")
        return cls(rejects(words or _CRASH) if is_death else rejects(effect), why)


def _since(effects: Mapping[str, str], round_name: str) -> str:
    number = number_of(round_name)
    before = [name for name in effects if number_of(name) <= number]
    return effects[max(before or [min(effects, key=number_of)], key=number_of)]


def number_of(round_name: str) -> tuple[int, ...]:
    """Return the name of a round as a tuple of numbers, which sorts rounds by time."""
    return tuple(int(part) for part in round_name[1:].split("."))


@functools.cache
def _table(key: str) -> Mapping[str, Any]:
    text = Path(rounds.__file__).with_name("enforcement.json").read_text(encoding="utf-8")
    table: Mapping[str, Any] = json.loads(text)[key]
    return table
