"""What a judge yields: a broken rule, before its effect on a verdict is decided."""

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
        Counted from 1; 0 for the whole file.
    expected, actual:
        What the rule wants and what is there.
    hint:
        What to do, where the rule's own hint does not fit.
    part:
        Which part of the rule is broken, where an official checker does not treat all parts alike
        (``parts`` of ``enforcement.json``); empty for what the rule is mainly about.
    subject:
        What the breach is about, such as a metric; quoted in the official checker's traceback.
    is_slight:
        Whether strict only warns about it.
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
    """Return a breach that says where and why the official checker ends with a traceback."""
    return Breach(CRASH, path, f"The official checker crashes here: {why}.", line)
