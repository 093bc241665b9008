"""Which of the recorded runs a command is about, by its options."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.history import RecordedRun

    Keeps = Callable[[RecordedRun], bool]


def check_mode(mode: str | None) -> None:
    """Refuse a mode that no run has, with the modes that there are.

    Raises
    ------
    UserError
        There is no such mode.
    """
    from mlrepo.record import COMPLIANCE, MODES

    if mode is not None and mode.lower() not in (*MODES, COMPLIANCE):
        known = ", ".join((*MODES, COMPLIANCE))
        raise UserError(f"{mode!r} is not a mode.", hint=f"Use one of: {known}.")


def has(wanted: Mapping[str, str | None], tags: set[str]) -> Keeps:
    """Return whether a run has all tags and, whatever their case, the trailers; None is any."""

    def keeps(run: RecordedRun) -> bool:
        return tags <= set(run.tags) and all(
            value is None or run.trailer(name).lower() == value.lower()
            for name, value in wanted.items()
        )

    return keeps


def in_time(since: str | None, until: str | None = None) -> Keeps:
    """Return whether a run started from ``since`` to ``until``, as the user wrote them."""
    from mlrepo.report.listing import start_of
    from mlrepo.report.moments import moment

    now = datetime.datetime.now(datetime.UTC)
    first = moment(since, now) if since is not None else None
    last = moment(until, now, end=True) if until is not None else None

    def keeps(run: RecordedRun) -> bool:
        if first is None and last is None:
            return True
        start = start_of(run)
        return (
            start is not None
            and (first is None or first <= start)
            and (last is None or start <= last)
        )

    return keeps
