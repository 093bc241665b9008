"""The statements of a detail log, and contradictions between them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.scenarios import named

EARLY_STOPPING_TEXTS = (
    "early_stopping_result",
    "early_stopping_ttft_result",
    "early_stopping_tpot_result",
)
# LoadGen of 3 February 2022 (5aae975fc4, 9e89b395dd) writes these as strings; published in v2.0.
_QUOTED = frozenset({"result_query_count", "result_overlatency_query_count"})
_COUNT = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Contradiction:
    """Two statements of a log that cannot both be true.

    Attributes
    ----------
    rule:
        The rule that the statement breaks.
    key:
        The key of the line that is shown.
    message:
        What is wrong, one sentence.
    expected, actual:
        What follows from the other lines, and what the line says.
    """

    rule: str
    key: str
    message: str
    expected: object
    actual: object


@dataclass(frozen=True)
class Statements:
    """The lines of a detail log by their keys.

    Attributes
    ----------
    values:
        The first value of each key.
    """

    values: Mapping[str, object]

    def number(self, key: str) -> float:
        """Return a number of the log, or NaN, for which no comparison is true."""
        value = self.values.get(key)
        if value is None:
            return math.nan
        if key in _QUOTED and isinstance(value, str) and _COUNT.fullmatch(value):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        try:
            return float(value)
        except OverflowError:
            return math.nan

    def queries(self) -> float:
        """Return how many queries were run; before 2.0 LoadGen says so only for Server."""
        count = self.number("result_query_count")
        is_server = named(self.values.get("effective_scenario")).at_random
        return self.number("generated_query_count") if math.isnan(count) and is_server else count

    def against(
        self, key: str, message: str, expected: object, rule: str = "performance-contradiction"
    ) -> Contradiction:
        """Return that a line contradicts what follows from others."""
        return Contradiction(rule, key, message, expected, self.values.get(key, "nothing"))
