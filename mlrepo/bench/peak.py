"""The highest load that a system bears, found by short probes and one full run.

Offline and the streams need one probe: they run as fast as they can, and LoadGen only has to know
how many queries to prepare. Server needs a search: whether a rate holds the latency bound is
LoadGen's own verdict, which contains its early-stopping criterion (99 % confidence that the
percentile holds), so a VALID probe is a lower confidence bound, and the smallest rate that failed
is the upper one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.errors import UserError
from mlrepo.logs.user_conf import UserConf, parse_user_conf
from mlrepo.record import INTERRUPTED, INVALID, PROBE_TAG, VALID, RunRecord
from mlrepo.repository.files import write_atomically
from mlrepo.rounds import load_round

# A search ends when its bounds are so near; the confirming run steps down by as much.
RESOLUTION = 0.02
_MOST_PROBES = 24
_MOST_CONFIRMATIONS = 6
_GROWTH = 2.0
# Early stopping at the 99th percentile needs 662 queries at least, and few more say little.
_PROBE_QUERIES = 2000
# A little below what was measured: LoadGen prepares queries for the expected latency.
_STREAM_MARGIN = 0.9


@dataclass(frozen=True)
class Peak:
    """What a search found.

    Attributes
    ----------
    key:
        The LoadGen setting, ``target_qps`` or ``target_latency`` (milliseconds).
    value:
        The found value, confirmed by a full run if ``confirmed`` names one; None when no probe
        was VALID.
    upper:
        The smallest rate that failed (Server), or None.
    reason:
        Why the search ended without a confirmed value, in plain words; '' when it has one.
    """

    key: str
    value: float | None
    upper: float | None
    probes: int
    confirmed: RunRecord | None
    reason: str = ""


@dataclass
class Search:
    """One search: runs probes within a budget.

    ``run`` executes and records a request under a label; ``seconds`` is the length of a probe,
    ``budget`` bounds the search in seconds of wall time, and ``full`` is the length of the
    confirming run.
    """

    bench: Bench
    request: BenchRequest
    run: Callable[[BenchRequest, str], ConcludedRun]
    seconds: float
    full: float
    budget: float

    def __post_init__(self) -> None:
        self._begin = time.monotonic()
        self._probes = 0
        self._last: RunRecord | None = None

    def find(self) -> Peak:
        """Search, confirm, and return what was found; every run is recorded."""
        if self.request.scenario == "Server":
            return self._find_rate()
        record = self._probe(None)
        key, value = expected_setting(record)
        if record.validity != VALID or value is None:
            return Peak(key, None, None, self._probes, None, explain(record))
        return self._confirm(key, value, None)

    def _find_rate(self) -> Peak:
        low, high = 0.0, math.inf
        rate = self.request.qps
        while self._probes < _MOST_PROBES:
            if self._spent() + self.seconds > self.budget:
                break
            record = self._probe(rate)
            if record.validity == INTERRUPTED:
                return Peak("target_qps", low or None, None, self._probes, None, explain(record))
            rate = float(record.loadgen["effective"].get("target_qps") or rate or 1.0)
            if record.validity == VALID:
                low = max(low, rate)
            else:
                high = min(high, rate)
            if high < math.inf and high <= low * (1 + RESOLUTION):
                break
            if high == math.inf:
                rate = low * _GROWTH
            else:
                rate = (low + high) / 2 if low else high / _GROWTH
        upper = high if high < math.inf else None
        if not low:
            why = explain(self._last) if self._last else "the budget does not allow one probe."
            return Peak("target_qps", None, upper, self._probes, None, f"No rate was VALID: {why}")
        return self._confirm("target_qps", low, upper)

    def _confirm(self, key: str, value: float, upper: float | None) -> Peak:
        """Run at full length; a value that does not hold there is mended, in growing steps."""
        reason = "The system was never as fast in a full run as in the probes."
        step = RESOLUTION
        for _ in range(_MOST_CONFIRMATIONS):
            if self._spent() + self.full > self.budget:
                reason = "The budget does not allow the full confirming run."
                break
            record = self.run(self._with(key, value, self.full), f"confirming {value:.6g}").record
            if record.validity == VALID:
                return Peak(key, value, upper, self._probes, record)
            if record.validity != INVALID:
                return Peak(key, value, upper, self._probes, None, explain(record))
            if record.scenario == "Server":
                upper, value = value, value / (1 + step)
                step *= 2
            elif record.scenario == "Offline":  # it was faster than expected: too few samples
                value = 1.1 * max(value, record.result.value or 0.0)
            else:
                value *= 0.7
        return Peak(key, value, upper, self._probes, None, reason)

    def _probe(self, rate: float | None) -> RunRecord:
        self._probes += 1
        seconds = self.seconds if rate is None else max(self.seconds, _PROBE_QUERIES / rate)
        seconds = min(seconds, self.full)
        request = replace(
            self.request, qps=rate, time=seconds, tags=(*self.request.tags, PROBE_TAG)
        )
        at = "" if rate is None else f" at {rate:.6g} queries/s"
        self._last = self.run(request, f"probe {self._probes}{at}").record
        return self._last

    def _with(self, key: str, value: float, seconds: float) -> BenchRequest:
        if key == "target_qps":
            return replace(self.request, qps=value, time=seconds)
        return replace(self.request, max_latency=value / 1e3, time=seconds)

    def _spent(self) -> float:
        return time.monotonic() - self._begin


def expected_setting(record: RunRecord) -> tuple[str, float | None]:
    """Return the LoadGen setting that fits a probe of Offline or a stream, and its value."""
    if record.scenario == "Offline":
        return "target_qps", record.result.value
    mean = record.metrics.get("mean_latency") or record.metrics.get("50.00_percentile_latency")
    value = None if mean is None or mean.value is None else mean.value * _STREAM_MARGIN
    return "target_latency", value


def explain(record: RunRecord) -> str:
    """Say in plain words why a run did not become VALID, and what to change."""
    return advice_for(record) or " ".join(record.reasons) or f"the run is {record.validity}."


def advice_for(record: RunRecord) -> str:
    """Translate LoadGen's conditions that failed into what to change; '' for other reasons."""
    reasons = " ".join(record.reasons)
    advice = []
    if "Performance constraints not satisfied" in reasons:
        p99 = record.metrics.get("99.00_percentile_latency")
        bound = record.loadgen["effective"].get("target_latency_ns")
        measured = f" ({p99} at the 99th percentile, " if p99 and bound else ""
        measured += f"{float(bound) / 1e6:.6g} ms allowed)" if measured else ""
        advice.append(f"The latency bound does not hold{measured}: lower --qps.")
    if "Min duration not satisfied" in reasons or "Min queries not satisfied" in reasons:
        rate = record.scenario in ("Offline", "Server")
        wanted = "raise --qps" if rate else "lower --max-latency"
        advice.append(f"The run ended too early: LoadGen prepared too few queries; {wanted}.")
    if "Early stopping not satisfied" in reasons:
        advice.append("Too few queries for the percentile: make the run longer (--time).")
    return " ".join(advice)


def remember(bench: Bench, request: BenchRequest, model: str, peak: Peak) -> Path:
    """Write the found value into the system's ``user.<round>.conf`` and return its path.

    Lines of the same key are replaced, all others stay as they are.
    """
    system, round_ = bench.settings["system"].value, bench.settings["round"].value
    path = bench.repository.systems / system / f"user.{round_}.conf"
    key = f"{model}.{request.scenario}.{peak.key}"
    kept = ""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = "".join(line for line in lines if line.split()[:1] != [key])
    conf: UserConf = parse_user_conf(kept, str(path))
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
    """Return how long a performance run of the round lasts at least."""
    return load_round(bench.settings["round"].value).min_duration_ms() / 1e3
