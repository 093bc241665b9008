"""Numbers of a log as the official checkers take them: what they compute and compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Unjudgeable(Exception):
    """The official checker cannot compute with the log; the message says why."""


def computed(values: Mapping[str, Any], key: str) -> float:
    """Return a value that the official checkers turn into a number, be it in quotes.

    Raises
    ------
    Unjudgeable
        It is missing or no number.
    """
    try:
        return float(values[key])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unjudgeable(f"The log holds no number {key}.") from error


def compared(values: Mapping[str, Any], key: str) -> float:
    """Return a value that the official checkers compare or compute with as it is.

    Raises
    ------
    Unjudgeable
        It is missing, in quotes, or no number: the comparison raises an error there.
    """
    value = values.get(key)
    if not isinstance(value, int | float):
        raise Unjudgeable(f"The log holds no number {key}.")
    return value


def out_of_bounds(value: float, *, least: float | None, most: float | None) -> str:
    """Return which bound a value misses, such as ``>= 1024``; '' where none. NaN misses each."""
    if (least is None or value >= least) and (most is None or value <= most):
        return ""
    return f">= {least}" if least is not None else f"<= {most}"
