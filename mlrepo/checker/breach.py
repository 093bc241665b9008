"""What a judge yields: a broken rule, before anybody says what that means for a verdict."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mlrepo.findings import CRASH


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule at one place.

    Attributes
    ----------
    rule:
        The id of the rule.
    path:
        The file or directory.
    message:
        What is wrong, one sentence.
    line:
        Counted from 1; 0 where the whole file is meant.
    expected, actual:
        What the rule wants and what is there.
    hint:
        What to do, where the rule's own hint does not fit.
    part:
        Which part of the rule is broken, where an official checker does not treat all parts alike
        (``parts`` of ``enforcement.json``); empty for what the rule is mainly about.
    subject:
        What the breach is of, such as a metric: for the official checker's traceback.
    is_slight:
        Strict only warns of it.
    """

    rule: str
    path: str
    message: str
    line: int = 0
    expected: object = ""
    actual: object = ""
    hint: str = ""
    part: str = ""
    subject: str = ""
    is_slight: bool = False


T = TypeVar("T")
Breaches = Iterator[Breach]
"""What a judge yields."""
Judging = Generator[Breach, None, T]
"""What a judge yields that also returns what it read."""


def death(path: str, why: str, *, line: int = 0) -> Breach:
    """Return that the official checker ends with a traceback at a file, and of what."""
    return Breach(CRASH, path, f"The official checker dies here: {why}.", line)
