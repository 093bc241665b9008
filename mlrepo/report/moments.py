"""Points in time as people give them, in UTC as run ids and records have them."""

from __future__ import annotations

import datetime
import re

from mlrepo.errors import UserError

_AGO = re.compile(r"([0-9]{1,6}) ?([a-z]+)(?: ago)?\Z")
_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
    "month": 30 * 86400,
    "y": 365 * 86400,
    "year": 365 * 86400,
}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_HINT = (
    "Give a date (2026-11-29), a date and time in UTC (2026-11-29T14:30), or how long ago "
    "(yesterday, 36h, 3 days, 2 weeks)."
)


def moment(text: str, now: datetime.datetime, *, end: bool = False) -> datetime.datetime:
    """Return the point in time that a person means, in UTC.

    A date without a time means its beginning, or its ``end``: ``--until 2026-11-29`` includes that
    day. A time without a zone is in UTC.

    Raises
    ------
    UserError
        The text means no time.
    """
    words = text.strip().lower()
    found = _AGO.match(words.replace(".", " "))
    if found and (unit := found[2].removesuffix("s") or found[2]) in _SECONDS:
        try:
            return now - datetime.timedelta(seconds=int(found[1]) * _SECONDS[unit])
        except OverflowError:
            return datetime.datetime.min.replace(tzinfo=datetime.UTC)
    try:
        if words in _DAYS_AGO:
            day = now.date() - datetime.timedelta(days=_DAYS_AGO[words])
        else:
            day = datetime.date.fromisoformat(words)
    except ValueError:
        return _exact(text)
    time = datetime.time.max if end else datetime.time.min
    return datetime.datetime.combine(day, time, datetime.UTC)


def _exact(text: str) -> datetime.datetime:
    try:
        exact = datetime.datetime.fromisoformat(text.strip().upper())
        zoned = exact if exact.tzinfo else exact.replace(tzinfo=datetime.UTC)
        return zoned.astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{text!r} is not a point in time.", hint=_HINT) from error
