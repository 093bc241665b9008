"""The peak search under limits of token latencies, on a simulated engine whose knee is computed.

The engine batches continuously: each step gives every running answer a token and takes longer the
more of them run. What LoadGen logs of it is computed as in loadgen/results.cc. The real LoadGen is
searched in tests/e2e/test_token_peak.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.overload import fell_behind, sustained
from mlrepo.bench.peak import Peak, Search
from mlrepo.bench.request import BenchRequest
from mlrepo.record import Metric, RunRecord
from tests.samples import sample_record

pytestmark = pytest.mark.long

# Milliseconds: LoadGen's limits for Llama 3.1 8B in Server.
_TTFT, _TPOT = 2000.0, 100.0
_FULL = 600.0
# What early stopping needs at the 99th percentile.
_FEWEST = 662


@dataclass(frozen=True)
class Engine:
    """``slots`` answers run together; a step takes ``base`` and ``each`` of them (seconds)."""

    slots: int
    base: float = 0.03
    each: float = 0.002
    longest: int = 120

    def timed(self, rate: float, seconds: float) -> dict[str, float]:
        """Return LoadGen's metrics of a run: milliseconds, and queries per second."""
        chance = random.Random(4)
        due, now = [0.0], 0.0
        while now < seconds:
            now += chance.expovariate(rate)
            due.append(now)
        lengths = [chance.randint(20, self.longest) for _ in due]
        first, done = self._answered(due, lengths)
        last = len(due) - 1
        found = {
            "query_count": float(len(due)),
            "scheduled_samples_per_sec": last / due[-1],
            "completed_samples_per_sec": last / done[-1],
            "max_latency": 1e3 * max(b - a for a, b in zip(due, done, strict=True)),
            "first_token_max_latency": 1e3 * max(b - a for a, b in zip(due, first, strict=True)),
        }
        ttft = sorted(b - a for a, b in zip(due, first, strict=True))
        spent = zip(first, done, lengths, strict=True)
        tpot = sorted((b - a) / (tokens - 1) for a, b, tokens in spent)
        for name, values in (("first_token", ttft), ("time_per_output_token", tpot)):
            end = "_latency" if name == "first_token" else ""
            found[f"{name}_99.00_percentile{end}"] = 1e3 * values[int(0.99 * len(values))]
        return found

    def _answered(
        self, due: Sequence[float], lengths: Sequence[int]
    ) -> tuple[list[float], list[float]]:
        first, done = [0.0] * len(due), [0.0] * len(due)
        running: dict[int, int] = {}
        now, arrived = 0.0, 0
        while arrived < len(due) or running:
            if not running:
                now = max(now, due[arrived])
            while arrived < len(due) and due[arrived] <= now and len(running) < self.slots:
                running[arrived] = 0
                arrived += 1
            now += self.base + self.each * len(running)
            for one in list(running):
                running[one] += 1
                if running[one] == 1:
                    first[one] = now
                if running[one] == lengths[one]:
                    done[one] = now
                    del running[one]
        return first, done

    def run(self, request: BenchRequest, label: str) -> ConcludedRun:
        """Return the record of a run; it is VALID if both percentiles hold."""
        rate, seconds = request.qps or 0.05, request.time or 0.0
        metrics = self.timed(rate, seconds)
        ttft, tpot = (metrics[key] for key in _PERCENTILES)
        late = ttft > _TTFT or tpot > _TPOT
        few = metrics["query_count"] < _FEWEST
        reason = "Performance constraints" if late else "Early stopping"
        record = sample_record(
            scenario="Server",
            validity="INVALID" if late or few else "VALID",
            reasons=(f"{reason} not satisfied",) if late or few else (),
            result=Metric(80 * metrics["completed_samples_per_sec"], "tokens/s"),
            metrics={name: Metric(value, "") for name, value in metrics.items()},
            tags=request.tags,
            configuration="a",
            loadgen={
                "effective": {
                    "target_qps": float(f"{rate:.6g}"),  # as LoadGen logs it
                    "target_latency_ns": 0,
                    "target_latency_percentile": 0.99,
                    "min_duration_ms": round(seconds * 1e3),
                },
                "requested": {
                    "use_token_latencies": True,
                    "server_ttft_latency": _TTFT * 1e6,
                    "server_tpot_latency": _TPOT * 1e6,
                },
            },
        )
        return ConcludedRun(record, "0" * 40)

    def record(self, rate: float, seconds: float) -> RunRecord:
        """Return the record of a run at a rate."""
        request = BenchRequest("smollm2", "x", "Server", "performance", qps=rate, time=seconds)
        return self.run(request, "").record


_PERCENTILES = ("first_token_99.00_percentile_latency", "time_per_output_token_99.00_percentile")
# One waits for a slot, which is seen in the first token; the other takes all that come.
_WAITING, _SLOWING = Engine(slots=8), Engine(slots=512)


@cache
def _knee(engine: Engine) -> float:
    """Return the highest rate at which both limits hold in a full run, by halving."""
    low, high = 0.1, 60.0
    while high > low * 1.002:
        rate = math.sqrt(low * high)
        metrics = engine.timed(rate, _FULL)
        holds = metrics[_PERCENTILES[0]] <= _TTFT and metrics[_PERCENTILES[1]] <= _TPOT
        low, high = (rate, high) if holds else (low, rate)
    return low


def _search(engine: Engine, qps: float | None) -> Peak:
    request = BenchRequest("smollm2", "x", "Server", "performance", qps=qps)
    return Search(None, request, engine.run, 5.0, _FULL, 36_000.0).find()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "binding", "other"), [(_WAITING, "TTFT", "TPOT"), (_SLOWING, "TPOT", "TTFT")]
)
@pytest.mark.parametrize("start", [None, 3.0])
def test_the_highest_rate_at_which_both_limits_hold(
    engine: Engine, binding: str, other: str, start: float | None
) -> None:
    """Wherever the search begins; what failed above is said by how much, and what held."""
    knee = _knee(engine)
    peak = _search(engine, None if start is None else start * knee)
    assert peak.confirmed is not None and peak.value is not None
    assert 0.93 * knee <= peak.value <= 1.03 * knee
    assert peak.upper is not None and peak.upper <= 1.1 * knee
    parts = peak.limit.split("), ")
    late, held = (
        next(one for one in parts if one.startswith(f"{name} at the 99th percentile"))
        for name in (binding, other)
    )
    assert "too long" in late and "below" in held
    # Enough for early stopping, or for the time to the first token to show that a queue grows.
    assert all(
        (point.record.loadgen.effective.min_duration_ms or 0) >= 100 * _TTFT
        for point in peak.points[1:]
    )


def test_too_few_queries_in_the_whole_run_are_told() -> None:
    """A system that holds the limits up to 0.2 queries/s has a hundred of them in ten minutes."""
    slow = Engine(slots=2)
    peak = _search(slow, None)
    assert peak.value is None and len(peak.points) < 30
    assert "No rate was VALID" in peak.reason
    assert peak.upper is not None and 0.5 < peak.upper / _knee(slow) < 1.1


def test_an_answer_that_takes_long_is_no_lag() -> None:
    """The last query of a short run ends seconds after it came, on a system without a queue."""
    patient = Engine(slots=512, base=0.1, longest=60)
    short = patient.record(2.0, 20.0)
    assert (short.rate or 0.0) < 0.9 * 2.0
    assert not fell_behind(short)
    overloaded = _WAITING.record(3.5, 300.0)
    assert fell_behind(overloaded)
    # Eight answers of 70 tokens on average, each of which takes 46 ms.
    assert sustained(overloaded) == pytest.approx(8 / (70 * 0.046), rel=0.05)
