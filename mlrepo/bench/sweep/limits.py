"""The limits of a sweep: what the 99th percentile of a latency may be."""

from __future__ import annotations

import math

from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.record.latencies import LATENCIES
from mlrepo.record.plans import SweepPlan


def limits_of(plan: SweepPlan) -> dict[str, float]:
    """Return the typed limits in milliseconds, by name.

    Raises
    ------
    UserError
        A limit has another name, is no positive number, or comes twice.
    """
    found: dict[str, float] = {}
    for text in plan.limits:
        name, _, value = (part.strip() for part in text.partition("="))
        if name not in LATENCIES:
            raise UserError(
                f"--limit {text!r}: there is no limit {name!r}.", hint=meant(name, LATENCIES)
            )
        try:
            number = float(value.removesuffix("ms"))
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise UserError(
                f"--limit {text!r} is not a positive number of milliseconds.",
                hint=f"Write --limit {name}=50.",
            )
        if name in found:
            raise UserError(f"--limit {name} comes twice.", hint="Give one of them.")
        found[name] = number
    return found
