"""Numbers of a log as the official checkers take them: what they compute and compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlrepo.checker.scope import Scope


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


def hold(
    scope: Scope,
    rule: str,
    path: str,
    message: str,
    value: float,
    *,
    line: Callable[[], int],
    least: float | None = None,
    most: float | None = None,
    unit: str = "",
    official: bool | None = None,
) -> None:
    """Report a value below ``least`` or above ``most``; its ``line`` is looked up only then.

    NaN is neither: the official checkers let it pass.
    """
    if (least is None or value >= least) and (most is None or value <= most):
        return
    is_number = value == value
    bound = f">= {least}" if least is not None else f"<= {most}"
    scope.report(
        rule,
        path,
        message,
        line=line(),
        expected=f"{bound}{unit}",
        actual=value,
        official=official if is_number else False,
    )
