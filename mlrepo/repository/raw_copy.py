"""Copies of the full logs elsewhere, and their way back; each log is verified by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from mlrepo.repository.raw_place import DamagedLog, DirectoryPlace, LogPlace


@dataclass(frozen=True)
class CopiedLogs:
    """What copying did.

    Attributes
    ----------
    copied, size:
        The SHA-256 of the logs that were written, and their bytes.
    there:
        How many were there already.
    damaged:
        The logs whose source is not what its name says; they were not copied.
    set_aside:
        The logs of which the target had something else under the name; it has another name now.
    """

    copied: tuple[str, ...]
    size: int
    there: int
    damaged: tuple[str, ...]
    set_aside: tuple[str, ...]


def copy_logs(
    source: LogPlace, target: LogPlace, only: Collection[str] | None = None
) -> CopiedLogs:
    """Copy the logs that the target has not; nothing is ever overwritten or removed.

    A log that a directory has is read to compare it; of one that is far away, only the size is.
    Copying may be stopped at any time: what is complete is not copied again.

    Parameters
    ----------
    only:
        The SHA-256 of the logs to copy; by default all.

    Raises
    ------
    UserError
        A directory cannot be written, or its disk is full.
    RemoteUnavailable
        The place cannot be reached, read or written.
    """
    copied: list[tuple[str, int]] = []
    damaged: list[str] = []
    aside: list[str] = []
    there = 0
    present = target.entries()
    for sha256, size in source.entries().items():
        if only is not None and sha256 not in only:
            continue
        if sha256 in present:
            if _is_intact(target, sha256, present[sha256], size):
                there += 1
                continue
            if source.digest(sha256) != sha256:  # nothing better is at hand
                damaged.append(sha256)
                continue
            target.set_aside(sha256)
            aside.append(sha256)
        try:
            with source.open(sha256) as log:
                target.put(sha256, log)
            copied.append((sha256, size))
        except DamagedLog:
            damaged.append(sha256)
        except FileNotFoundError:  # `mlrepo raw gc` deleted it meanwhile
            continue
    _copy_pins(source, target, only)
    return CopiedLogs(
        tuple(sha256 for sha256, _ in copied),
        sum(size for _, size in copied),
        there,
        tuple(damaged),
        tuple(aside),
    )


def _copy_pins(source: LogPlace, target: LogPlace, only: Collection[str] | None) -> None:
    known = target.pins()
    for sha256, origin in source.pins().items():
        if sha256 not in known and (only is None or sha256 in only):
            target.pin(sha256, origin)


def _is_intact(target: LogPlace, sha256: str, here: int, size: int) -> bool:
    if here != size:
        return False
    return not isinstance(target, DirectoryPlace) or target.digest(sha256) == sha256


class LogState(Enum):
    """What is of a log in a place."""

    INTACT = "intact"
    DAMAGED = "damaged"
    ABSENT = "absent"


@dataclass(frozen=True)
class VerifiedLog:
    """A log that is needed, and what is of it here and in a place (None: no place was named).

    Attributes
    ----------
    needed_by:
        The run, or the file that was truncated by hand.
    """

    sha256: str
    needed_by: str
    here: LogState
    there: LogState | None

    @property
    def is_safe(self) -> bool:
        """Return whether nothing is damaged, and the place, if one was named, has it."""
        if LogState.DAMAGED in (self.here, self.there):
            return False
        return self.there in (None, LogState.INTACT)


def verify_logs(
    needed: Mapping[str, str], here: LogPlace, there: LogPlace | None
) -> Iterator[VerifiedLog]:
    """Read every needed log in both places, and compare it with its SHA-256."""
    kept = here.entries()
    placed = {} if there is None else there.entries()
    for sha256, by in sorted(needed.items(), key=lambda pair: (pair[1], pair[0])):
        state = _state(here, kept, sha256)
        away = None if there is None else _state(there, placed, sha256)
        yield VerifiedLog(sha256, by, state, away)


def _state(place: LogPlace, entries: Mapping[str, int], sha256: str) -> LogState:
    if sha256 not in entries:
        return LogState.ABSENT
    try:
        intact = place.digest(sha256) == sha256
    except FileNotFoundError:
        return LogState.ABSENT
    return LogState.INTACT if intact else LogState.DAMAGED
