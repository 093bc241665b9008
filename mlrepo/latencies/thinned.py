"""Thin the times of millions of queries to a trace of some intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mlrepo.latencies.documents import Series, Slow, Trace

# So many intervals are as fine as a chart can show, and keep the file small.
INTERVALS = 200
SLOWEST = 20
_Integers = npt.NDArray[np.int64]
_MS = 1e-6


def thinned(
    due: _Integers,
    done: _Integers,
    *,
    answered: tuple[_Integers, _Integers] | None = None,
    queued: bool = False,
    one: bool = False,
) -> Trace:
    """Return the trace of queries by when they were due and done (ns since 1970, shape [queries]).

    They are in the order in which they were due.

    Parameters
    ----------
    answered:
        When (ns, shape [n]) how many samples (shape [n]) were answered; the queries themselves if
        absent.
    queued:
        Whether queries wait for each other, so that their number at a time is kept.
    one:
        Whether there is one query, whose samples have no latencies over time.
    """
    begin, end = int(due[0]), int(done.max())
    width = max(1, math.ceil((end + 1 - begin) / INTERVALS))
    count = math.ceil((end + 1 - begin) / width)
    edges = begin + width * np.arange(count + 1)
    times, samples = (done, None) if answered is None else answered
    columns = {"completed": _completed(times, samples, begin, width, count)}
    if not one:
        bounds = np.searchsorted(due, edges)
        columns |= _latencies(done - due, bounds)
        if queued:
            columns["in_flight"] = _most_in_flight(due, done, bounds)
    return Trace(
        began=begin / 1e9,
        interval=width / 1e9,
        queries=Series(tuple((width * np.arange(count) / 1e9).tolist()), columns),
        slowest=() if one else _slowest(due, done, begin),
    )


def _completed(
    times: _Integers, samples: _Integers | None, begin: int, width: int, count: int
) -> tuple[float | None, ...]:
    places = np.clip((times - begin) // width, 0, count - 1)
    return tuple(np.bincount(places, samples, minlength=count).astype(np.int64).tolist())


def _latencies(
    latencies: _Integers, bounds: npt.NDArray[np.intp]
) -> dict[str, tuple[float | None, ...]]:
    """Return median, 99th percentile and maximum (ms) of the queries sent in each interval."""
    found: dict[str, list[float | None]] = {"median_ms": [], "p99_ms": [], "slowest_ms": []}
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        size = end - start
        if not size:
            for values in found.values():
                values.append(None)
            continue
        ranks = (size // 2, int(size * 0.99), size - 1)
        part = np.partition(latencies[start:end], sorted({*ranks}))
        for values, rank in zip(found.values(), ranks, strict=True):
            values.append(float(part[rank]) * _MS)
    return {name: tuple(values) for name, values in found.items()}


def _most_in_flight(
    due: _Integers, done: _Integers, bounds: npt.NDArray[np.intp]
) -> tuple[float | None, ...]:
    """Return the most queries that were due and not answered at a time, for each interval.

    The number grows only when a query is due, so that it is counted then.
    """
    ended = np.searchsorted(np.sort(done), due, side="right")
    flying = np.arange(1, len(due) + 1) - ended
    return tuple(
        int(flying[start:end].max()) if end > start else None
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    )


def _slowest(due: _Integers, done: _Integers, begin: int) -> tuple[Slow, ...]:
    latencies = done - due
    most = min(SLOWEST, len(latencies))
    places = np.argpartition(latencies, len(latencies) - most)[len(latencies) - most :]
    ordered = sorted(places.tolist(), key=lambda place: (-int(latencies[place]), place))
    return tuple(
        Slow(place, (int(due[place]) - begin) / 1e9, int(latencies[place])) for place in ordered
    )
