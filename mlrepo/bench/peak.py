"""Find the highest load that a system sustains, by short probes and one full run.

Offline and the streams need one probe: they run at full speed, and LoadGen only needs to know how
many queries to prepare. Server needs a search. Whether a rate holds the latency bound is LoadGen's
own verdict, which contains its early-stopping criterion (99 % confidence that the percentile
holds), so a VALID probe is a lower confidence bound. Where tokens are timed, the bounds are those
of the time to the first token and per output token, and both must hold. Noise only ever makes a
system slower, so one INVALID probe is not an upper bound: unless the system was overloaded, which
noise cannot mimic for long, its rate is retried at once, and a third time before it closes the
search.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlrepo.bench.advice import advise, explain, next_request, not_held
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.overload import fell_behind, sustained, too_slow, waiting_bound
from mlrepo.bench.peak_resume import EarlierRuns
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.errors import UserError
from mlrepo.harness.query_list import QueryListError
from mlrepo.logs.user_conf import UserConf, parse_user_conf, read_user_conf
from mlrepo.record import INVALID, PROBE_TAG, VALID, RunRecord
from mlrepo.repository.files import write_atomically
from mlrepo.scenarios import SCENARIOS
from mlrepo.systems.description import user_conf_of

# A search ends when its bounds are this close; the confirming run steps down by as much.
RESOLUTION = 0.01
_MOST_PROBES = 40
# How often a rate must fail to bound the search, and to end it.
_LIKELY, _SURE = 2, 3
_MOST_CONFIRMATIONS = 6
_GROWTH = 2.0
# Early stopping at the 99th percentile needs at least 662 queries, and a few more say little; they
# must suffice if more would take a large part of the budget.
_PROBE_QUERIES = 2000
_FEWEST_QUERIES = 700
_LARGE_PART = 0.1
# A rate 1 % above the capacity exhausts the latency bound within this many times the bound.
_PROBE_BOUNDS = 100
# The throughput under overload is the capacity; the peak is a little lower, since queries must not
# wait.
_NEAR_CAPACITY = 0.96
# The expected latency is a little below the measured one: LoadGen prepares queries for it.
_STREAM_MARGIN = 0.9
# Assumed seconds to start and record a run, until one was measured.
_OVERHEAD_SECONDS = 2.0


@dataclass(frozen=True)
class Point:
    """One run of a search: its setting and its record."""

    label: str
    setting: float | None
    record: RunRecord


@dataclass(frozen=True)
class Peak:
    """The result of a search.

    Attributes
    ----------
    key:
        The LoadGen setting, ``target_qps`` or ``target_latency`` (milliseconds).
    value:
        The value found, confirmed by a full run if ``confirmed`` names one; None if no probe was
        VALID.
    upper:
        The smallest rate above it that failed (Server), or None.
    points:
        All runs of the search, in order.
    reason:
        Why the search ended without a confirmed value; '' if it has one.
    limit:
        What ``upper`` did not hold, and by how much; '' if there is no such rate.
    """

    key: str
    value: float | None
    upper: float | None
    points: tuple[Point, ...]
    confirmed: RunRecord | None
    reason: str = ""
    limit: str = ""

    @property
    def probes(self) -> int:
        """The number of probes."""
        return sum(PROBE_TAG in point.record.tags for point in self.points)


class _OtherConfigurationError(Exception):
    """The configuration has changed since the search was stopped."""


@dataclass
class Search:
    """One search: runs probes within a budget.

    Attributes
    ----------
    run:
        Executes and records a request under a label.
    seconds, full:
        The length of a probe and of the confirming run.
    budget:
        The maximum wall time of the search, in seconds.
    auto:
        Whether to retry after an INVALID confirming run.
    earlier:
        The runs of the same search before it was stopped; it resumes after them.
    """

    bench: Bench
    request: BenchRequest
    run: Callable[[BenchRequest, str], ConcludedRun]
    seconds: float
    full: float
    budget: float
    auto: bool = True
    earlier: EarlierRuns = field(default_factory=EarlierRuns)

    def __post_init__(self) -> None:
        self._begin = time.monotonic()
        self._points: list[Point] = []
        self._overhead = _OVERHEAD_SECONDS
        self._bound = self.request.max_latency or 0.0

    def find(self) -> Peak:
        """Search, confirm, and return what was found; every run is recorded."""
        known = len(self.earlier.records)
        with contextlib.suppress(_OtherConfigurationError):
            peak = self._find()
            if peak.confirmed or not known or len(self._points) > known:
                return peak
        # The system differs from that of the stopped search, or that search had finished.
        self.earlier = EarlierRuns()
        self._points.clear()
        return self._find()

    def _find(self) -> Peak:
        if not self._affordable(self.seconds):
            key, _ = _setting_of(self.request)
            reason = "The budget does not allow one probe: raise it, or lower --probe."
            return self._peak(key, None, None, None, reason)
        if SCENARIOS[self.request.scenario].bounded:
            return self._find_rate()
        request, tries = self.request, 3
        while True:
            record = self._probe(request)
            key, value = expected_setting(record)
            tries -= 1
            change = advise(record).change
            if record.validity == VALID and value is not None:
                return self._confirm(key, value, None)
            if not change or not tries or not self._affordable(self.seconds):
                return self._peak(key, None, None, None, f"No probe was VALID: {explain(record)}")
            request = next_request(request, change)

    def _find_rate(self) -> Peak:
        low = floor = 0.0
        failed: dict[float, int] = {}
        rate = self.request.qps
        record: RunRecord | None = None
        while len(self._points) < _MOST_PROBES and self._probe_affordable(rate):
            try:
                record = self._probe(replace(self.request, qps=rate))
            except QueryListError as error:
                if not self._points:
                    raise
                upper = _upper(failed, low)
                return self._peak("target_qps", low or None, upper, None, error.message)
            if record.validity not in (VALID, INVALID):
                upper = _upper(failed, low)
                return self._peak("target_qps", low or None, upper, None, explain(record))
            rate = record.loadgen.effective.target_qps or rate or 1.0
            # A short probe can end before waiting queries exceed the latency bound.
            overloaded = fell_behind(record)
            if record.validity == VALID and not overloaded and self._is_short(record):
                continue  # the first one, whose bound was not known before
            if record.validity == VALID and not overloaded:
                low = floor = max(low, rate)
                failed.pop(rate, None)
            elif not (low or overloaded or too_slow(record)):
                floor = max(floor, rate)  # nothing was late: a higher rate has more queries
            else:
                failed[rate] = failed.get(rate, 0) + (_SURE if overloaded else 1)
            upper = _upper(failed, low)
            closed = upper is not None and upper <= floor * (1 + RESOLUTION)
            if upper is None or failed[upper] >= (_SURE if closed else _LIKELY):
                if closed:
                    break
                rate = _next_rate(record, floor, upper)
            else:
                rate = upper
        upper = _upper(failed, low)
        if not low:
            why = "the budget allows no probe." if record is None else explain(record)
            if record is not None and rate is not None and not self._probe_affordable(rate):
                needs = f"{self._probe_seconds(rate):.0f} s at {rate:.4g} queries/s"
                why += f" The budget does not allow another probe of {needs}."
            return self._peak("target_qps", None, upper, None, f"No rate was VALID: {why}")
        return self._confirm("target_qps", low, upper)

    def _confirm(self, key: str, value: float, upper: float | None) -> Peak:
        """Run at full length; a value that does not hold is lowered in growing steps.

        A Server that fell behind in the full run is slower than when it was probed: its next rate
        is a little below its throughput. If none holds, the result is what the probes found, and
        the last run says why.
        """
        best = value
        reason = ""
        step = RESOLUTION
        for _ in range(_MOST_CONFIRMATIONS if self.auto else 1):
            if not self._affordable(self.full):
                reason = f"{reason} The budget does not allow the full confirming run.".strip()
                break
            request = _with(self.request, key, value, self.full)
            try:
                record = self._run(request, f"confirming {value:.6g}", value)
            except QueryListError as error:
                return self._peak(key, best, upper, None, error.message)
            if record.validity == VALID:
                return self._peak(key, value, upper, record)
            if record.validity != INVALID:
                return self._peak(key, best, upper, None, explain(record))
            reason = f"The full run at {value:.6g} did not hold what the probe did: "
            reason += explain(record)
            if SCENARIOS[record.scenario].bounded:
                upper, value = value, value / (1 + step)
                if fell_behind(record):
                    value = min(value, (sustained(record) or 0.0) * _NEAR_CAPACITY)
                step *= 2
                continue
            change = advise(record).change
            if "qps" in change:
                value = float(change["qps"])
            elif "max_latency" in change:
                value = float(change["max_latency"]) * 1e3
            else:
                break
        return self._peak(key, best, upper, None, reason)

    def _peak(
        self,
        key: str,
        value: float | None,
        upper: float | None,
        confirmed: RunRecord | None,
        reason: str = "",
    ) -> Peak:
        failed = [
            point.record
            for point in self._points
            # A rate is typed with more digits than LoadGen logs.
            if math.isclose(
                point.record.loadgen.effective.target_qps or 0, upper or -1, rel_tol=1e-4
            )
            and (point.record.validity == INVALID or fell_behind(point.record))
        ]
        limit = not_held(failed[-1]) if failed else ""
        return Peak(key, value, upper, tuple(self._points), confirmed, reason, limit)

    def _probe(self, request: BenchRequest) -> RunRecord:
        rate = request.qps if SCENARIOS[request.scenario].bounded else None
        seconds = self._probe_seconds(rate)
        request = replace(request, time=seconds, tags=(*request.tags, PROBE_TAG))
        number = 1 + len(self._points)
        at = "" if rate is None else f" at {rate:.6g} queries/s"
        return self._run(request, f"probe {number}{at}", rate)

    def _run(self, request: BenchRequest, label: str, setting: float | None) -> RunRecord:
        record = self.earlier.take(request)
        if record is None:
            begin = time.monotonic()
            record = self.run(request, label).record
            took = time.monotonic() - begin
            self._overhead = max(0.0, took - (request.time or 0.0))
            if self.earlier.contradict(record):
                raise _OtherConfigurationError
        self._bound = waiting_bound(record)
        self._points.append(Point(label, setting, record))
        return record

    def _probe_seconds(self, rate: float | None) -> float:
        if not SCENARIOS[self.request.scenario].bounded:
            return min(self.seconds, self.full)
        queries = 0.0
        if rate is not None:
            part = max(_LARGE_PART * self.budget, _FEWEST_QUERIES / rate)
            queries = min(_PROBE_QUERIES / rate, part)
        return min(max(self.seconds, queries, _PROBE_BOUNDS * self._bound), self.full)

    def _is_short(self, record: RunRecord) -> bool:
        """Say whether a probe was too short for queries that wait to reach the latency bound."""
        lasted = (record.loadgen.effective.min_duration_ms or 0) / 1e3
        return 1.01 * lasted < min(_PROBE_BOUNDS * self._bound, self.full)

    def _probe_affordable(self, rate: float | None) -> bool:
        """Say whether the budget allows a probe and, if it has room for both, the full run."""
        both = self.seconds + self.full + 2 * _OVERHEAD_SECONDS
        reserved = self.full + self._overhead if self.budget > both else 0.0
        return self._affordable(self._probe_seconds(rate) + reserved)

    def _affordable(self, seconds: float) -> bool:
        return time.monotonic() - self._begin + seconds + self._overhead <= self.budget


def _upper(failed: dict[float, int], low: float) -> float | None:
    """Return the smallest rate above ``low`` that failed."""
    return min((rate for rate in failed if rate > low), default=None)


def _next_rate(record: RunRecord, low: float, upper: float | None) -> float:
    """Return the rate to try next, between the bounds.

    The throughput of an overloaded probe shows the capacity, and the peak is a little below: one
    such guess replaces many bisections.
    """
    if upper is None:
        return low * _GROWTH
    guess = (sustained(record) or 0.0) * _NEAR_CAPACITY
    if fell_behind(record) and low * (1 + RESOLUTION) < guess < upper:
        return guess
    return math.sqrt(low * upper) if low else upper / _GROWTH


def _setting_of(request: BenchRequest) -> tuple[str, float | None]:
    known = SCENARIOS[request.scenario]
    if not known.is_stream:
        return known.setting, request.qps
    return known.setting, None if request.max_latency is None else request.max_latency * 1e3


def expected_setting(record: RunRecord) -> tuple[str, float | None]:
    """Return the LoadGen setting and value that follow from a probe of Offline or a stream."""
    known = SCENARIOS[record.scenario]
    if not known.is_stream:
        return known.setting, record.rate
    mean = record.metrics.get("mean_query_latency") or record.metrics.get("mean_latency")
    value = None if mean is None or mean.value is None else mean.value * _STREAM_MARGIN
    return known.setting, value


def _with(request: BenchRequest, key: str, value: float, seconds: float) -> BenchRequest:
    if key == "target_qps":
        return replace(request, qps=value, time=seconds)
    return replace(request, max_latency=value / 1e3, time=seconds)


def remember(bench: Bench, request: BenchRequest, peak: Peak) -> Path:
    """Write the value found into the system's ``user.<round>.conf`` and return its path.

    Lines with the same key are replaced; all others are kept. The key has the benchmark's own name,
    since several may share LoadGen's name.
    """
    system, round_ = bench.settings["system"].value, bench.settings["round"].value
    systems = bench.repository.systems
    path = user_conf_of(systems, system, round_) or systems / system / f"user.{round_}.conf"
    known = SCENARIOS[request.scenario]
    key = f"{known.loadgen_model(request.benchmark)}.{known.loadgen}.{peak.key}"
    conf = UserConf("", {})
    if path.is_file():
        text = read_user_conf(path).text.splitlines(keepends=True)
        kept = "".join(line for line in text if line.split()[:1] != [key])
        conf = parse_user_conf(kept, str(path))
    value = f"{peak.value:.8g}"
    conf = conf.with_lines("found by mlrepo bench peak", {key: value})
    try:
        write_atomically(path, conf.text.encode())
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", hint=f"Add the line: {key} = {value}"
        ) from error
    return path


def full_seconds(bench: Bench) -> float:
    """Return the minimum duration of a performance run in the round, in seconds."""
    return bench.round.min_duration_ms() / 1e3
