"""The files ``latencies.json`` and ``trace.json`` of a run.

They are written once and read by anybody, also by later versions: what is not as described here is
refused with a reason, and keys that are unknown are ignored. Both are small (``benchmarks/
distribution.py`` measures them), and lie only in ``runs/<id>``: checkers of some rounds refuse
other files beside LoadGen's logs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlrepo.errors import UserError
from mlrepo.latencies.histogram import Histogram, finite, numbers

LATENCIES_FILE, TRACE_FILE = "latencies.json", "trace.json"
LATENCIES_SCHEMA, TRACE_SCHEMA = "mlrepo.latencies/1", "mlrepo.trace/1"
# The distributions of a run. A query's latency ends with its last sample; in the one query of
# Offline, each sample has one.
QUERY, SAMPLE, FIRST_TOKEN, PER_TOKEN = "query", "sample", "first_token", "per_token"
TITLES: Mapping[str, str] = {
    QUERY: "query latency",
    SAMPLE: "sample latency",
    FIRST_TOKEN: "time to first token",
    PER_TOKEN: "time per output token",
}
# More than a file of ours ever has; larger ones are not read.
LARGEST = 1 << 18
_LONGEST_SERIES = 4096
_LONGEST_TEXT = 400
# The columns of a trace, with the unit of each.
QUERY_COLUMNS: Mapping[str, str] = {
    "completed": "",
    "median_ms": "ms",
    "p99_ms": "ms",
    "slowest_ms": "ms",
    "in_flight": "",
}
MACHINE_COLUMNS: Mapping[str, str] = {
    "busy": "share",
    "lowest_mhz": "MHz",
    "highest_mhz": "MHz",
    "celsius": "degrees Celsius",
    "throttle_events": "",
    "gpu_busy": "share",
    "gpu_mhz": "MHz",
    "gpu_celsius": "degrees Celsius",
    "gpus_held_back": "",
}


@dataclass(frozen=True)
class Latencies:
    """The distributions of a run by what was timed; ``why`` is why there are none."""

    distributions: Mapping[str, Histogram] = field(default_factory=dict)
    why: str = ""

    def to_json(self) -> bytes:
        """Return the content of the file."""
        found = {name: one.to_dict() for name, one in self.distributions.items()}
        why = {"why": self.why} if self.why else {}
        return _compact({"schema": LATENCIES_SCHEMA, **why, "distributions": found})

    @classmethod
    def from_json(cls, data: bytes) -> Latencies:
        """Read the file.

        Raises
        ------
        UserError
            It is damaged, or of another version.
        """
        raw = _document(data, LATENCIES_FILE, LATENCIES_SCHEMA)
        try:
            given = raw.get("distributions")
            if not isinstance(given, Mapping):
                raise UserError("it has no distributions")
            found = {name: Histogram.from_dict(given[name]) for name in TITLES if name in given}
            return cls(found, _text(raw.get("why", "")))
        except UserError as error:
            raise _damaged(LATENCIES_FILE, error.message) from error


@dataclass(frozen=True)
class Series:
    """Values over the time of a run.

    Attributes
    ----------
    seconds:
        Since the first query, shape [n]. Of the queries they are the beginnings of n intervals of
        one length.
    columns:
        Values by name, each of shape [n]; None where there is none.
    """

    seconds: tuple[float, ...] = ()
    columns: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the plain form."""
        return {
            "seconds": list(self.seconds),
            **{name: list(values) for name, values in self.columns.items()},
        }

    @classmethod
    def from_dict(cls, raw: object, name: str, known: Mapping[str, str]) -> Series:
        """Read the plain form, with the ``known`` columns.

        Raises
        ------
        UserError
            It is none; ``name`` is what the message calls it.
        """
        if not isinstance(raw, Mapping):
            raise UserError(f"{name} is no object")
        given = {key: raw[key] for key in ("seconds", *known) if key in raw}
        for key, values in given.items():
            if not isinstance(values, list) or len(values) > _LONGEST_SERIES:
                raise UserError(f"{name}.{key} is no list")
            if len(values) != len(given.get("seconds", ())):
                raise UserError(f"the columns of {name} are not of one length")
        columns = {key: numbers(values, f"{name}.{key}") for key, values in given.items()}
        seconds = columns.pop("seconds", ())
        if None in seconds:
            raise UserError(f"{name}.seconds lacks a time")
        return cls(tuple(one for one in seconds if one is not None), columns)

    def since(self, begin: float) -> Series:
        """Return what is not before a moment, by the seconds since it."""
        kept = [place for place, moment in enumerate(self.seconds) if moment >= begin]
        return Series(
            tuple(self.seconds[place] - begin for place in kept),
            {name: tuple(one[place] for place in kept) for name, one in self.columns.items()},
        )

    def shortened(self) -> Series:
        """Return it with four significant digits, so that its file stays small."""
        return Series(
            tuple(_short(one) or 0.0 for one in self.seconds),
            {name: tuple(map(_short, values)) for name, values in self.columns.items()},
        )


@dataclass(frozen=True)
class Slow:
    """One of the slowest queries: its number in LoadGen's list, its start in seconds, its latency.

    The latency is in nanoseconds, exactly.
    """

    number: int
    start: float
    latency: float


@dataclass(frozen=True)
class Trace:
    """What happened during a run.

    Attributes
    ----------
    began:
        The time of the first query, in seconds since 1970; 0 if that is not known.
    interval:
        The seconds of one interval of ``queries``.
    queries:
        The columns of :data:`QUERY_COLUMNS`: how many samples were completed in an interval, and
        of the queries sent in it the latencies, and the most that waited or were computed.
    machine:
        Those of :data:`MACHINE_COLUMNS`, read now and then. ``busy`` is since the last reading.
    slowest:
        The slowest queries, the slowest first.
    """

    began: float = 0.0
    interval: float = 0.0
    queries: Series = Series()
    machine: Series = Series()
    slowest: Sequence[Slow] = ()

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return _compact(
            {
                "schema": TRACE_SCHEMA,
                "began": round(self.began, 3),
                "interval": self.interval,
                "queries": dict(self.queries.shortened().columns),
                "machine": self.machine.shortened().to_dict(),
                "slowest": [
                    [one.number, round(one.start, 6), int(one.latency)] for one in self.slowest
                ],
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Trace:
        """Read the file.

        Raises
        ------
        UserError
            It is damaged, or of another version.
        """
        raw = _document(data, TRACE_FILE, TRACE_SCHEMA)
        try:
            slowest = raw.get("slowest", [])
            if not isinstance(slowest, list) or len(slowest) > _LONGEST_SERIES:
                raise UserError("slowest is no list")
            interval = finite(raw.get("interval"), "interval")
            return cls(
                finite(raw.get("began"), "began"),
                interval,
                Series.from_dict(_timed(raw.get("queries"), interval), "queries", QUERY_COLUMNS),
                Series.from_dict(raw.get("machine"), "machine", MACHINE_COLUMNS),
                tuple(map(_slow, slowest)),
            )
        except UserError as error:
            raise _damaged(TRACE_FILE, error.message) from error


def _document(data: bytes, name: str, schema: str) -> Mapping[str, Any]:
    if len(data) > LARGEST:
        raise _damaged(name, f"it has {len(data)} bytes")
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, "it is not JSON") from error
    found = raw.get("schema") if isinstance(raw, Mapping) else None
    if found != schema:
        said = _text(found) if isinstance(found, str) else "none"
        raise UserError(
            f"{name} is of the schema {said!r}, and this mlrepo reads {schema}.",
            hint="A newer mlrepo may have written it: update mlrepo.",
        )
    return raw  # type: ignore[no-any-return]


def _damaged(name: str, why: str) -> UserError:
    return UserError(
        f"{name} is damaged: {why}.",
        hint="The record is not touched by it; run the benchmark again for another distribution.",
    )


def _timed(raw: object, interval: float) -> object:
    """Return the columns of queries with the beginnings of their intervals."""
    if not isinstance(raw, Mapping):
        return raw
    columns = (one for one in raw.values() if isinstance(one, list))
    count = min(len(next(columns, ())), _LONGEST_SERIES)
    return {**raw, "seconds": [interval * number for number in range(count)]}


def _slow(raw: object) -> Slow:
    if not isinstance(raw, list) or len(raw) != 3:
        raise UserError("a slow query has not three numbers")
    number, start, latency = (finite(one, "slowest") for one in raw)
    return Slow(int(number), start, latency)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UserError("why is no text")
    return value[:_LONGEST_TEXT]


def _short(value: float | None) -> float | int | None:
    """Return a number with four significant digits; None for one that is not finite."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def _compact(value: object) -> bytes:
    return f"{json.dumps(value, separators=(',', ':'))}\n".encode()
