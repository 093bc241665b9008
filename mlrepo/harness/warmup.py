"""Measure in the warm-up: batch times, a good batch size, estimates for LoadGen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Protocol

from mlrepo.harness.query_list import ESTIMATE_OFFLINE, ESTIMATE_STREAM
from mlrepo.logs.user_conf import UserConf
from mlrepo.scenarios import Scenario

# The largest batch tried if the user names none, and the time limit of the whole search.
LARGEST_BATCH = 1024
_SEARCH_SECONDS = 4.0
_REPEATS = 5
# The minimum cost of LoadGen and the completion of a sample (seconds; benchmarks/harness.py): a
# backend that answers at once must not make LoadGen generate more samples than memory holds.
_COMPLETION_SECONDS = 3e-7
# How long single queries are timed if the list of queries must be as short as possible.
_CLOSE_SECONDS = 1.0
# A larger batch must be faster by this factor, else the smaller one is kept.
_WORTH = 1.03
# A search for the best rate of requests ends where four times as many bring less than this factor,
# after so many seconds, or at so many requests.
_WORTH_REQUESTS, _REQUESTS_SECONDS, _MOST_REQUESTS = 1.2, 20.0, 1024


class Rehearsing(Protocol):
    """A system under test that computes loaded samples without LoadGen.

    ``max_batch`` is the largest number of samples at a time.
    """

    max_batch: int

    def rehearsal(self, indices: Sequence[int]) -> Callable[[], object]:
        """Return a call that computes the samples together."""


def time_batch(pipeline: Rehearsing, indices: list[int], *, at_most: float) -> float:
    """Return the median time in seconds of one batch, without LoadGen.

    The first execution is not counted: it allocates and compiles.
    """
    once = pipeline.rehearsal(indices)
    once()
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < _REPEATS or time.perf_counter() - begin < 0.02:
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begin > at_most:
            break
    return median(times)


def measure_batches(
    pipeline: Rehearsing, loaded: list[int], fixed: int | None, at_least: int
) -> dict[int, float]:
    """Return the seconds per batch for sizes 1, 2, 4, … while larger ones are worth trying.

    ``fixed`` is the user's batch size: then only 1 and that one are measured. Sizes up to
    ``at_least`` (the samples of a MultiStream query) are always measured.
    """

    def indices(size: int) -> list[int]:
        # A stride scatters the samples, as LoadGen's random order does.
        return [loaded[(7 * i) % len(loaded)] for i in range(size)]

    if fixed is not None:
        sizes = sorted({1, fixed, min(at_least, fixed)})
        return {size: time_batch(pipeline, indices(size), at_most=1.0) for size in sizes}
    times: dict[int, float] = {}
    begin = time.perf_counter()
    size, useless = 1, 0
    while size <= pipeline.max_batch:
        times[size] = time_batch(pipeline, indices(size), at_most=1.0)
        rates = {b: b / t for b, t in times.items()}
        useless = useless + 1 if size > 1 and rates[size] < _WORTH * rates[size // 2] else 0
        spent = time.perf_counter() - begin
        if size >= at_least and (useless >= 2 or spent > _SEARCH_SECONDS):
            break
        size *= 2
    return times


def measure_requests(
    pipeline: Rehearsing, loaded: Sequence[int], query: int, *, thorough: bool
) -> dict[int, float]:
    """Return the seconds for one request, and for as many at once as a query has samples.

    ``thorough`` is whether the best rate is needed, too: then 4, 16, 64, … are timed once, while
    more of them are answered faster.
    """

    def indices(size: int) -> list[int]:
        return [loaded[(7 * i) % len(loaded)] for i in range(size)]

    times = {size: time_batch(pipeline, indices(size), at_most=1.0) for size in sorted({1, query})}
    begin = time.perf_counter()
    size = 4
    while thorough and size <= _MOST_REQUESTS:
        once = pipeline.rehearsal(indices(size))
        start = time.perf_counter()
        once()
        times[size] = time.perf_counter() - start
        before = times[size // 4]
        if size / times[size] < _WORTH_REQUESTS * (size // 4) / before:
            break
        if time.perf_counter() - begin > _REQUESTS_SECONDS:
            break
        size *= 4
    return times


def as_text(value: float) -> str:
    """Return a rate or latency as written into a ``user.conf``."""
    return f"{value:.6g}" if value < 1000 else f"{value:.0f}"


def fastest_query(pipeline: Rehearsing, loaded: list[int], samples: int) -> float:
    """Return the 10th percentile of the query time in seconds, measured for a second.

    This is the time of an undisturbed query: other processes make queries slower, never faster. The
    minimum cost of LoadGen itself is added.
    """
    indices = [loaded[i % len(loaded)] for i in range(samples)]
    step = pipeline.max_batch
    parts = [pipeline.rehearsal(indices[at : at + step]) for at in range(0, samples, step)]
    times: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < _CLOSE_SECONDS or len(times) < _REPEATS:
        start = time.perf_counter()
        for once in parts:
            once()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 10] + samples * _COMPLETION_SECONDS


def choose_batch(times: Mapping[int, float], fixed: int | None, latency_bound: float | None) -> int:
    """Return the batch size of a run.

    It is the smallest size within 3 % of the best throughput; under a latency bound (seconds, or
    None), only sizes whose batch takes at most half of it are considered.
    """
    if fixed is not None:
        return fixed
    allowed = dict(times)
    if latency_bound is not None:
        allowed = {b: t for b, t in times.items() if t <= latency_bound / 2} or {1: times[1]}
    best = max(b / t for b, t in allowed.items())
    return min(b for b, t in allowed.items() if b / t * _WORTH >= best)


def estimates(
    conf: UserConf, model: str, scenario: Scenario, times: Mapping[int, float], query_samples: int
) -> dict[str, float]:
    """Return the LoadGen settings that the user left open, estimated from the warm-up.

    LoadGen generates its queries before a run: 1.1 times ``target_qps`` times the duration for
    Offline, twice the duration divided by ``target_latency`` for the streams. Too few make a run
    INVALID, too many make it long or large (:mod:`mlrepo.harness.query_list`); the factors leave
    room for a noisy machine.
    """
    names = scenario.loadgen_model(model), scenario.loadgen, scenario.setting
    if conf.effective(*names) is not None:
        return {}
    if scenario.at_once:
        value = ESTIMATE_OFFLINE / min(
            t / batch + _COMPLETION_SECONDS for batch, t in times.items()
        )
    elif scenario.at_random:
        # A quarter of the sequential rate: a safe point, not the peak.
        value = 0.25 / times[1]
    else:
        per_query = times.get(query_samples) or query_samples * times[max(times)] / max(times)
        value = ESTIMATE_STREAM * per_query * 1e3
    return {".".join(names): value}
