"""The form of recorded values, and how mlrepo uses them: the gate for records of others.

A record may come from anybody through ``git fetch``. Each field of its dataclasses has a type and,
if that is not enough, a :class:`Form`; a value of another type or form is refused when the record
is read, so that later code never sees it. :class:`Use` says what a value is used for. A value
becomes part of a process only if the user has typed it on this machine or has agreed to it
(:mod:`mlrepo.bench.consent`).
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from mlrepo.paths import escape_problem


class Use(enum.Enum):
    """What a recorded value is used for; the default is :attr:`SHOWN`."""

    SHOWN = "printed, compared, or written into a document as text"
    CHOICE = "chooses among what is installed or stored on this machine"
    PATH = "becomes one component of a path, checked by its form"
    PROCESS = "becomes part of a process, with consent only"


@dataclass(frozen=True)
class Form:
    """The form of a value beyond its type; ``problem`` returns what is wrong with one, or ''."""

    problem: Callable[[object], str]


@dataclass(frozen=True)
class Converted:
    """How to read and write a value that is not one of the record's own dataclasses.

    ``read`` raises :class:`ValueError` for what it cannot read.
    """

    read: Callable[[object], object]
    write: Callable[[object], object]


class Mark(enum.Enum):
    """How a field differs from others of its type."""

    # A third party's description of itself: a value that is not a string becomes its JSON.
    SAID = "said"
    # Present in every record: mlrepo never wrote one without it.
    REQUIRED = "required"
    # A whole number that may be negative.
    SIGNED = "signed"
    # The keys of the object that have no field of their own.
    OTHERS = "others"


RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_ROUND = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
# No measurement is larger; a larger number may not be printable or fit into a float.
_LARGEST = 1e30
# Records are about six deep.
_DEEPEST = 32


def text(value: object) -> str:
    """Say what is wrong with a text."""
    return "" if isinstance(value, str) else "is not a string"


def number(value: object) -> str:
    """Say what is wrong with a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    return "" if abs(value) <= _LARGEST else "is out of range"  # NaN compares as false


def whole(value: object) -> str:
    """Say what is wrong with a whole number."""
    return number(value) or ("" if isinstance(value, int) else "is not a whole number")


def count(value: object) -> str:
    """Say what is wrong with a whole number that is not negative."""
    problem = whole(value)
    if not problem and isinstance(value, int) and value < 0:
        return "is not a whole number"
    return problem


def flag(value: object) -> str:
    """Say what is wrong with a truth value."""
    return "" if isinstance(value, bool) else "is neither true nor false"


def _small(value: object) -> str:
    return "" if isinstance(value, int) and 0 < value < 2**31 else "is out of range"


def _matching(
    pattern: re.Pattern[str], what: str, *, empty: bool = False
) -> Callable[[object], str]:
    def problem(value: object) -> str:
        text = str(value)
        return "" if pattern.match(text) or (empty and not text) else f"is not {what}"

    return problem


def _time(value: object) -> str:
    problem = _matching(_TIME, "a time such as 2026-11-23T12:00:00Z")(value)
    if not problem:
        try:
            datetime.datetime.fromisoformat(str(value))
        except ValueError:
            return "is not a time"
    return problem


def _component(value: object) -> str:
    return escape_problem(str(value))


def _components(value: object) -> str:
    parts = str(value).split("/") if value else ()
    return next((said for said in map(escape_problem, parts) if said), "")


# Types with their forms: one component of a path, or several; '' if the name says so.
Name = Annotated[str, Form(_component), Use.PATH]
NameOrNone = Annotated[str, Form(lambda value: _component(value) if value else ""), Use.PATH]
Chosen = Annotated[str, Use.CHOICE]
ChosenName = Annotated[str, Form(_component), Use.CHOICE]
Components = Annotated[str, Form(_components)]
RoundName = Annotated[str, Form(_matching(_ROUND, "a round such as v6.1")), Use.PATH]
RunId = Annotated[str, Form(_matching(RUN_ID, "a run id")), Use.PATH]
ChosenRun = Annotated[str, Form(_matching(RUN_ID, "a run id")), Use.CHOICE]
RunIdOrNone = Annotated[str, Form(_matching(RUN_ID, "a run id", empty=True))]
Time = Annotated[str, Form(_time)]
# The SHA-256 of a file, or ''.
Sha256 = Annotated[str, Form(_matching(_SHA256, "a SHA-256", empty=True))]
Signed = Annotated[int, Mark.SIGNED]
Small = Annotated[int, Form(_small), Use.CHOICE]
# Third parties' descriptions of themselves: any text, or another value as its JSON.
Said = Annotated[str, Mark.SAID]
Others = Annotated[Mapping[str, object], Mark.OTHERS]


def plain(value: object, depth: int = _DEEPEST) -> object:
    """Return a JSON value whose texts are valid UTF-8: lone surrogates are escaped.

    Raises
    ------
    ValueError
        A number is not finite or too large for any measurement, or the value is nested too deeply.
    """
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict | list) and not depth:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        return {plain_text(key): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and number(value):
        raise ValueError("a number is out of range")
    return value


def plain_text(text: str) -> str:
    """Return a text with lone surrogates escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
