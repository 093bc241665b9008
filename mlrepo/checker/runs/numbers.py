"""Read a log's numbers as the official checkers do, for computing and comparing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Unjudgeable(Exception):
    """The official checker cannot compute with the log; the message says why."""


def computed(values: Mapping[str, Any], key: str) -> float:
    """Return a value that the official checkers convert to a number, even a quoted one.

    Raises
    ------
    Unjudgeable
        It is missing or not a number.
    """
    try:
        return float(values[key])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unjudgeable(f"The log has no number {key}.") from error


def compared(values: Mapping[str, object], key: str) -> float:
    """Return a value that the official checkers compare or compute with as it is.

    Raises
    ------
    Unjudgeable
        It is missing, quoted, or not a number: the comparison raises an error there.
    """
    value = values.get(key)
    if not isinstance(value, int | float):
        raise Unjudgeable(f"The log has no number {key}.")
    return value


def out_of_bounds(value: float, *, least: float | None, most: float | None) -> str:
    """Return the bound that a value misses, such as ``>= 1024``, or ''. NaN misses every bound."""
    if (least is None or value >= least) and (most is None or value <= most):
        return ""
    return f">= {least}" if least is not None else f"<= {most}"
