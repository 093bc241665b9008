"""Durations as people write them."""

from __future__ import annotations

import re

from mlrepo.errors import UserError

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(h|m|min|s)?", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}


def parse_duration(text: str) -> float:
    """Return seconds from ``3h``, ``90m``, ``45s`` or a plain number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) <= 0:
        raise UserError(f"{text!r} is not a duration.", hint="Write 3h, 90m, or 45s.")
    return float(match[1]) * _SECONDS[(match[2] or "").lower()]
