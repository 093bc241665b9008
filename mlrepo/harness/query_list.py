"""The size of LoadGen's list of queries, which it builds before issuing the first one.

Their number, and the bytes of each, follow from LoadGen's source (``GenerateQueries`` of
loadgen.cc, ``TestSettingsInternal`` of test_settings_internal.cc, ``QueryMetadata`` of
issue_query_controller.h). A list that is too short ends a run early and INVALID, so it must cover
the run; one that is too long exhausts the machine's memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlrepo.errors import UserError
from mlrepo.limits import Limit, available_memory
from mlrepo.scenarios import Scenario

# Bytes of a query: the object, and its promise with shared state and result on the heap.
_QUERY, _PROMISE = 128, 112
# Bytes of a sample on the heap: LoadGen's metadata, and what is sent to the SUT.
_METADATA, _SENT = 32, 16
_SMALLEST_CHUNK, _CHUNK_HEADER, _ALIGNMENT = 32, 8, 16
# Bytes of a sample's latencies, their Python lists, and what waits in queues.
_RECORDED = 48
_OFFLINE_SAMPLE = 176
# The factor by which LoadGen generates more than needed: streams by time, Offline by samples.
_STREAM_FACTOR, OFFLINE_SLACK = 2, 1.1
# The share of available memory that a list may take, and one that mlrepo itself estimates.
_SHARE = 0.9
_ESTIMATED_SHARE = 0.8
# mlrepo's estimates, relative to what the warm-up measured.
ESTIMATE_OFFLINE, ESTIMATE_STREAM = 1.1, 0.9
# mlrepo's own estimates are made tighter, or lower, if the list would take more bytes than this.
LITTLE = 1 << 30
# The length of a list, relative to what the fastest queries of a second need (preferred), and to
# what the usual ones need (minimum).
_RESERVE, _LEAST_RESERVE = 1.25, 1.05
# A list this close to a power of two is cut to it: 1.15 times what the fastest queries need.
_NEARLY, _BELOW = 0.92, 0.998


ADVICE = (
    "Make the run shorter (--time), lower --qps, or raise --max-latency if it is the expected "
    "latency of a stream: that makes the list shorter."
)


class QueryListError(UserError):
    """LoadGen's list of queries does not fit into memory."""


@dataclass(frozen=True)
class QueryList:
    """The number of queries that LoadGen builds, and of samples in each."""

    queries: float
    samples: int

    @property
    def size(self) -> float:
        """Its peak size in bytes: while the vector of queries grows, both copies exist."""
        if self.queries == 1:
            return self.samples * _OFFLINE_SAMPLE
        if math.isinf(self.queries):
            return self.queries
        resident = _QUERY + _PROMISE + _chunk(self.samples * _METADATA)
        resident += _chunk(self.samples * _SENT)
        before_growth: float = 2 ** math.ceil(math.log2(self.queries)) / 2
        return max(  # both vectors while one grows, or the whole list
            self.queries * (resident + self.samples * _RECORDED),
            before_growth * (resident + _QUERY + _PROMISE),
        )

    def __str__(self) -> str:
        if self.queries == 1:
            return (
                f"{_number(self.samples)} samples of {_OFFLINE_SAMPLE} bytes, {_bytes(self.size)}"
            )
        if math.isinf(self.queries):
            return "endlessly many queries"
        each = f" of {self.samples} samples" if self.samples > 1 else ""
        size = f"{self.size / self.queries:.0f} bytes"
        return f"{_number(self.queries)} queries{each} with {size}, {_bytes(self.size)}"


def planned(settings: Any, scenario: Scenario, loaded: int, *, accuracy: bool = False) -> QueryList:
    """Return the list that LoadGen builds for its effective ``TestSettings``.

    ``loaded`` is how many samples of the data set are loaded: for accuracy, all of them.
    """
    duration, least = settings.min_duration_ms / 1e3, settings.min_query_count
    samples = samples_per_query(settings, scenario)
    whole = accuracy or settings.performance_issue_unique
    if scenario.at_once:
        wanted = int(OFFLINE_SLACK * duration * settings.offline_expected_qps)
        return QueryList(1, loaded if whole else max(least, wanted, 1))
    if whole:
        return QueryList(max(1, loaded // samples), samples)
    period = _period(settings, scenario)
    seconds = _STREAM_FACTOR * duration if scenario.is_stream else duration
    queries = 1 + seconds / period if period else math.inf if seconds else 1
    # Rounded up to whole permutations; releases before 6.0 have the setting, but do not tell it.
    if getattr(settings, "sample_concatenate_permutation", True):
        queries += loaded
    return QueryList(max(queries, least), samples)


def samples_per_query(settings: Any, scenario: Scenario) -> int:
    """Return the number of samples per query, except for the single query of Offline."""
    if scenario.samples_per_query == 1:
        return 1
    samples: int = settings.multi_stream_samples_per_query
    return samples


def refuse_too_long(found: QueryList, settings: Any, scenario: Scenario, loaded: int) -> None:
    """Raise :class:`QueryListError` for a list that does not fit into the available memory."""
    room = available_memory()
    if room is None or found.size <= room.value * _SHARE:
        return
    part = room.value * _SHARE / found.size  # 0 for an endless list
    rate = getattr(settings, scenario.field) / scenario.scale
    seconds = settings.min_duration_ms / 1e3
    usual = scenario.samples_per_query
    if 1 < usual < found.samples and QueryList(found.queries, usual).size <= room.value * _SHARE:
        what = f"samples_per_query is {found.samples}"
        hint = f"Lower samples_per_query to {max(usual, int(found.samples * part))} at most."
    elif found == planned_least(settings, scenario, loaded):
        what = f"min_query_count is {settings.min_query_count}"
        hint = f"Lower --count (min_query_count) to {settings.min_query_count * part:.2g} at most."
    elif scenario.is_stream:
        what = f"{rate:.3g} ms expected latency, {_STREAM_FACTOR} × {seconds:g} s"
        longer = f", {rate / part:.2g} at least" if part else ""
        hint = (
            "Give the system's latency, in seconds, with --max-latency (in ms in a "
            f"user.conf: target_latency{longer}), or leave it out: it is estimated. Or make the "
            "run shorter with --time."
        )
    else:
        what = f"{rate:.3g} per second for {seconds:g} s"
        hint = (
            f"Lower --qps (target_qps) to {rate * part:.2g} at most, or make the run shorter with "
            "--time."
        )
    raise QueryListError(_too_long(found, room, what), hint=hint)


def set_rate(settings: Any, scenario: Scenario, value: float) -> None:
    """Set the expected rate, or latency in milliseconds, of ``TestSettings``."""
    setattr(settings, scenario.field, value * scenario.scale)


def fitted(
    value: float, settings: Any, scenario: Scenario, loaded: int, fastest: Callable[[], float]
) -> float:
    """Return an estimated rate or latency (ms) whose list is no longer than necessary.

    Parameters
    ----------
    value:
        The estimate so far.
    settings:
        LoadGen's settings, without the estimate.
    fastest:
        Measures for a second and returns the time in seconds of the system's fastest queries.

    Raises
    ------
    QueryListError
        A list for the whole run does not fit into memory.
    """

    def list_of(share: float) -> QueryList:
        """Return the list that is ``share`` of the one for ``value``."""
        set_rate(settings, scenario, value / share if scenario.is_stream else value * share)
        return planned(settings, scenario, loaded)

    room = available_memory()
    free = math.inf if room is None else room.value * _ESTIMATED_SHARE
    found = list_of(1.0)
    if found.size <= min(LITTLE, free) or found == planned_least(settings, scenario, loaded):
        return value  # short, or set by the minimum number of queries
    share, least = 1.0, _LEAST_RESERVE / (OFFLINE_SLACK * ESTIMATE_OFFLINE)
    if scenario.at_random:  # a safe rate, not the peak: any lower rate is safe too
        free, least = min(LITTLE, free), 0.0
    elif scenario.is_stream:
        least = _LEAST_RESERVE * ESTIMATE_STREAM / _STREAM_FACTOR
        close = _RESERVE * value / 1e3 / (_STREAM_FACTOR * fastest())
        share = max(least, min(1.0, close))
        queries = list_of(share).queries
        below = 2 ** math.floor(math.log2(queries))
        if below >= queries * _NEARLY:  # avoid growing the vector for so few
            share = max(least, share * _BELOW * below / queries)
    shortest = planned_least(settings, scenario, loaded)
    while list_of(share).size > free and share > least and list_of(share) != shortest:
        share = max(least, share * 0.95)
    if room is not None and list_of(share).size > free:
        duration = settings.min_duration_ms / 1e3
        seconds = duration * free / list_of(share).size
        raise QueryListError(
            _too_long(list_of(share), room, f"what is estimated for {duration:g} s"),
            hint=f"Make the run shorter (--time {max(1, int(seconds))} at most), or run it where "
            "more memory is available.",
        )
    return value / share if scenario.is_stream else value * share


def planned_least(settings: Any, scenario: Scenario, loaded: int) -> QueryList:
    """Return the list that LoadGen builds for ``min_query_count`` alone."""
    duration, settings.min_duration_ms = settings.min_duration_ms, 0
    try:
        return planned(settings, scenario, loaded)
    finally:
        settings.min_duration_ms = duration


def _period(settings: Any, scenario: Scenario) -> float:
    """Return the seconds between two queries in the list, in LoadGen's whole nanoseconds."""
    value = float(getattr(settings, scenario.field))
    if not scenario.at_random:
        return math.floor(max(0.0, value)) / 1e9
    if value <= 0:
        return math.inf
    mean = 1e9 / value  # of an exponential distribution whose draws are truncated
    return 1 / math.expm1(1 / mean) / 1e9 if mean < 1e6 else mean / 1e9


def _too_long(found: QueryList, room: Limit, what: str) -> str:
    return (
        f"LoadGen generates all its queries before the run: {found} ({what}) do not fit into "
        f"the {_bytes(room.value)} that are available ({room.source})."
    )


def _chunk(size: int) -> int:
    """Return the bytes that the allocator takes for ``size`` bytes."""
    whole = -(-(size + _CHUNK_HEADER) // _ALIGNMENT) * _ALIGNMENT
    return max(_SMALLEST_CHUNK, whole)


def _bytes(size: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{_number(size / unit)} {name}"
    return f"{size / 1e3:.1f} kB"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 or value >= 1e6 else f"{value:.0f}"
