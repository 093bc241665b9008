"""What the official checkers of the rounds do with a breach: ``rounds/enforcement.json``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlrepo import rounds

# How an effect begins that makes a result, or more than one, officially invalid.
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
    """Return what a round's checker does with a breach of a rule of the table, in its words.

    ``none`` where the table does not have the rule. Of a round that is newer than the table nothing
    better is known than what the newest checker in it does; v0.5 has none of its own, that of v0.7
    knows both.
    """
    effects = _table("rules").get(rule, {}).get("effect")
    return _since(effects, round_name) if effects else "none"


def effect_of_part(rule: str, part: str, round_name: str) -> str | None:
    """Return what a round's checker does with a part of a rule; None where no part is known."""
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
    """What an official checker does with a breach.

    Attributes
    ----------
    rejects:
        The result, or more than one, is invalid.
    death:
        Of what the checker dies; empty where it goes on. ``{subject}`` stands for the breach's.
    is_of_line:
        It dies of the line of the breach; else of the file as a whole.
    """

    rejects: bool
    death: str = ""
    is_of_line: bool = True

    @classmethod
    def of(cls, effect: str, rule: str) -> Ruling:
        """Return what the words of the table mean."""
        if effect == _CRASH:
            return cls(True, f"it cannot go on from a breach of {rule}", is_of_line=False)
        words, is_death, why = effect.partition(f"{_CRASH}: ")
        return cls(rejects(words or _CRASH) if is_death else rejects(effect), why)


def _since(effects: Mapping[str, str], round_name: str) -> str:
    number = number_of(round_name)
    before = [name for name in effects if number_of(name) <= number]
    return effects[max(before or [min(effects, key=number_of)], key=number_of)]


def number_of(round_name: str) -> tuple[int, ...]:
    """Return the name of a round as numbers, in whose order rounds follow each other."""
    return tuple(int(part) for part in round_name[1:].split("."))


@functools.cache
def _table(key: str) -> Mapping[str, Any]:
    text = Path(rounds.__file__).with_name("enforcement.json").read_text(encoding="utf-8")
    table: Mapping[str, Any] = json.loads(text)[key]
    return table
