"""A chart of a report: a table, what its axes are, and a text that says what it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_UNFIT = re.compile(r"[^A-Za-z0-9.]")
LINEAR, LOG = "linear", "log"
# Values that are further apart are drawn on a logarithmic axis.
_WIDE = 30


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    name:
        Unique in a report, of letters, digits, dots and hyphens.
    kind:
        Which of :data:`mlrepo.report.specifications.SPECIFICATIONS` draws it.
    title, about:
        What it is of, and what there is to be seen in it, for those who do not see it.
    x, y:
        The titles of the axes, with units.
    columns, rows:
        Its data.
    scale:
        ``linear`` or ``log``, of those axes that may be either.
    """

    name: str
    kind: str
    title: str
    about: str
    x: str
    y: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    scale: str = LINEAR

    def values(self) -> list[dict[str, object]]:
        """Return the rows as objects, as Vega-Lite reads them."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def scale_of(values: Sequence[float]) -> str:
    """Return the scale that shows values apart from each other."""
    return LOG if min(values) > 0 and max(values) / min(values) > _WIDE else LINEAR


class ChartNames:
    """Gives each chart a name that no other has."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, *words: str) -> str:
        """Return a name made of words; a number follows where another chart has it."""
        name = "-".join(_UNFIT.sub("-", word)[:40] for word in words if word)
        number, unique = 1, name
        while unique in self._given:
            number += 1
            unique = f"{name}-{number}"
        self._given.add(unique)
        return unique


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 run``, ``3 runs``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str], most: int = 3) -> str:
    """Return the first words of a list, and how many more there are."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
