"""The dates in LoadGen's detail log, each in a form of its own."""

from __future__ import annotations

import datetime


def clock_moment(text: object) -> datetime.datetime | None:
    """Return ``power_begin`` or ``power_end``, in an unknown time zone; None for any other text."""
    try:
        return datetime.datetime.strptime(str(text), "%m-%d-%Y %H:%M:%S.%f")
    except ValueError:
        return None


def utc_moment(text: object) -> datetime.datetime | None:
    """Return an ISO 8601 date, which is UTC where it names no zone; None for any other text."""
    try:
        moment = datetime.datetime.fromisoformat(str(text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None
