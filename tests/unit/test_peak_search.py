"""The peak search on simulated systems with known capacity."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.peak import Search
from mlrepo.bench.peak_resume import EarlierRuns
from mlrepo.bench.request import BenchRequest
from mlrepo.harness.query_list import QueryListError
from mlrepo.record import Metric, RunRecord
from tests.samples import sample_record


class System:
    """A Server that holds every rate up to ``capacity`` in probes, and up to ``full`` in long runs.

    It stands for LoadGen and the machine, whose capacity nobody knows; the real ones are searched
    in tests/e2e/test_peak.py. ``noise`` is the share of probes that another process disturbs: they
    fail below the capacity too.
    """

    def __init__(self, capacity: float, full: float | None = None, noise: float = 0.0) -> None:
        self.capacity, self.full = capacity, full or capacity
        self.noise, self.random = noise, random.Random(6)
        self.configuration = "a"
        self.rates: list[float] = []
        self.records: list[RunRecord] = []
        self.placed: list[bool] = []

    def run(self, request: BenchRequest, label: str) -> ConcludedRun:
        rate = request.qps or 100.0
        self.rates.append(rate)
        probe = "probe" in request.tags
        self.placed.append(not probe)
        valid = rate <= (self.capacity if probe else self.full)
        valid = valid and not (probe and self.random.random() < self.noise)
        record = sample_record(
            scenario="Server",
            validity="VALID" if valid else "INVALID",
            reasons=() if valid else ("Performance constraints not satisfied",),
            result=Metric(min(rate, self.capacity), "queries/s"),
            metrics={"scheduled_samples_per_sec": Metric(rate, "1/s")},
            tags=request.tags,
            configuration=self.configuration,
            loadgen={
                "effective": {
                    "target_qps": rate,
                    "target_latency_ns": 15_000_000,
                    "min_duration_ms": round((request.time or 0) * 1e3),
                }
            },
        )
        self.records.append(record)
        return ConcludedRun(record, "0" * 40)


def _search(system: System, **changes: Any) -> Search:
    request = BenchRequest("digits", "onnx", "Server", "performance", qps=changes.pop("qps", None))
    values = {"seconds": 5.0, "full": 60.0, "budget": 3600.0, **changes}
    return Search(None, request, system.run, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("capacity", [101.0, 137.0, 4096.0, 99_999.0, 7.3])
@pytest.mark.parametrize("qps", [None, 1.0, 50_000.0])
def test_the_found_rate_is_within_three_percent(capacity: float, qps: float | None) -> None:
    """Wherever the search begins, above or below; the bounds enclose the capacity."""
    system = System(capacity)
    peak = _search(system, qps=qps).find()
    assert peak.confirmed is not None
    assert peak.value is not None
    assert peak.upper is not None
    assert 0.97 * capacity <= peak.value <= capacity < peak.upper
    assert len(system.rates) <= 40 + 1
    assert system.placed == [False] * peak.probes + [True]


def test_a_system_that_gets_worse_in_the_full_run_is_lowered_until_it_holds() -> None:
    """Probes are short: what throttles later shows only in the confirming run."""
    peak = _search(System(1000.0, full=900.0), qps=500.0).find()
    assert peak.confirmed is not None
    assert peak.value is not None
    assert 0.85 * 900 <= peak.value <= 900


def test_a_rate_whose_queries_memory_does_not_hold_ends_the_search() -> None:
    """What is known then is kept, unconfirmed, with the reason; the first probe is refused."""
    system = System(1e9)
    small = system.run

    def run(request: BenchRequest, label: str) -> ConcludedRun:
        if (request.qps or 0.0) * (request.time or 0.0) > 1e6:
            raise QueryListError("LoadGen generates all its queries before the run: too long.")
        return small(request, label)

    system.run = run  # type: ignore[method-assign]
    peak = _search(system, qps=100.0).find()
    assert peak.confirmed is None
    assert peak.value is not None
    assert 1000.0 < peak.value < 200_000.0
    assert "all its queries" in peak.reason
    with pytest.raises(QueryListError):
        _search(system, qps=1e9).find()


def test_a_system_that_is_never_valid_ends_with_a_reason() -> None:
    """No rate holds: the search ends, and says which condition failed."""
    system = System(0.0)
    peak = _search(system, qps=100.0).find()
    assert (peak.value, peak.confirmed) == (None, None)
    assert "latency bound does not hold" in peak.reason
    assert len(system.rates) <= 40


def test_a_budget_without_room_for_the_full_run_gives_the_best_known() -> None:
    """The value is told, but not confirmed."""
    peak = _search(System(1000.0), qps=500.0, full=7200.0).find()
    assert peak.confirmed is None
    assert peak.value is not None
    assert "budget" in peak.reason


@pytest.mark.parametrize("capacity", [137.0, 4096.0])
def test_probes_that_noise_spoils_do_not_lower_the_found_rate(capacity: float) -> None:
    """One in six fails for no reason of the system's; one failure alone bounds nothing."""
    found = []
    for seed in range(20):
        system = System(capacity, noise=1 / 6)
        system.random.seed(seed)
        peak = _search(system, qps=50.0).find()
        assert peak.value is not None
        found.append(peak.value / capacity)
    assert sum(ratio >= 0.97 for ratio in found) >= 18, found
    assert max(found) <= 1.0


def test_a_probe_that_ends_before_the_queue_is_too_long_does_not_raise_the_rate() -> None:
    """It is VALID, but the system fell behind: a full run would not hold."""
    system = System(1000.0, full=1000.0)

    def run(request: BenchRequest, label: str) -> ConcludedRun:
        done = system.run(request, label)
        patient = "probe" in request.tags and (request.qps or 0.0) < 3000
        return replace(done, record=replace(done.record, validity="VALID")) if patient else done

    peak = replace(_search(system, qps=100.0), run=run).find()
    assert peak.value is not None
    assert 0.97 * 1000 <= peak.value <= 1000 * 1.03
    assert peak.confirmed is not None


def test_probes_are_long_against_the_latency_bound() -> None:
    """0.2 s are not filled in five seconds by a rate that is 1 % too high: twenty are taken."""
    system = System(1000.0)
    lengths: list[float] = []

    def run(request: BenchRequest, label: str) -> ConcludedRun:
        lengths.append(request.time or 0.0)
        return system.run(request, label)

    search = _search(system, qps=900.0)
    replace(search, run=run, request=replace(search.request, max_latency=0.2)).find()
    assert lengths[0] == 20.0


def test_without_auto_the_confirming_run_is_the_last() -> None:
    """It is INVALID, the reason is told, and nothing else is tried."""
    system = System(1000.0, full=900.0)
    peak = _search(system, qps=500.0, auto=False).find()
    assert peak.confirmed is None
    assert "latency bound does not hold" in peak.reason
    assert system.placed.count(True) == 1


def test_a_budget_too_small_for_a_probe_starts_nothing() -> None:
    """Nothing is run, and the reason is the budget."""
    for scenario in ("Server", "Offline"):
        system = System(1000.0)
        search = _search(system, budget=2.0)
        search.request = replace(search.request, scenario=scenario)
        peak = search.find()
        assert (peak.value, peak.points, system.rates) == (None, (), [])
        assert "budget does not allow one probe" in peak.reason


def test_the_budget_keeps_room_for_the_confirming_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes end early rather than take the time of the run that counts; the clock is simulated."""
    system, now = System(1000.0), [0.0]
    monkeypatch.setattr("mlrepo.bench.peak.time.monotonic", lambda: now[0])

    def run(request: BenchRequest, label: str) -> ConcludedRun:
        now[0] += (request.time or 0.0) + 2.0
        return system.run(request, label)

    search = replace(_search(system, qps=400.0, budget=110.0), run=run)
    peak = search.find()
    assert peak.confirmed is not None
    assert peak.value is not None
    assert now[0] <= 110.0
    assert system.placed.count(False) < 12


@pytest.mark.parametrize("qps", [None, 700.0])
@pytest.mark.parametrize("full", [None, 930.0])
def test_a_search_that_was_stopped_goes_on_after_its_last_run(
    qps: float | None, full: float | None
) -> None:
    """After any number of runs, and as often as one likes: no run is made twice."""
    whole = System(1000.0, full)
    wanted = _search(whole, qps=qps).find()
    for stop in range(1, len(whole.rates)):
        system = System(1000.0, full)
        earlier = EarlierRuns(whole.records[:stop])
        found = _search(system, qps=qps, earlier=earlier).find()
        assert system.rates == whole.rates[stop:]
        assert (found.value, found.upper) == (wanted.value, wanted.upper)
        assert [p.label for p in found.points] == [p.label for p in wanted.points]


def test_a_search_of_another_system_begins_anew() -> None:
    """The first new run tells that batch, threads or model are not those of the stopped search."""
    stopped = System(1000.0)
    _search(stopped, qps=700.0).find()
    system = System(500.0)
    system.configuration = "b"
    found = _search(system, qps=700.0, earlier=EarlierRuns(stopped.records[:4])).find()
    assert found.value is not None
    assert 0.97 * 500 <= found.value <= 500
    assert {point.record.configuration for point in found.points} == {"b"}


def test_runs_of_another_rate_or_length_are_not_taken() -> None:
    """Such as those of a search with another --probe."""
    stopped, system, fresh = System(1000.0), System(1000.0), System(1000.0)
    _search(stopped, qps=700.0, seconds=7.0).find()
    _search(fresh, qps=700.0).find()
    _search(system, qps=700.0, earlier=EarlierRuns(stopped.records[:4])).find()
    assert system.rates == fresh.rates


def test_a_search_that_had_ended_without_success_begins_anew() -> None:
    """Whoever gives the command again wants to know whether it is better now."""
    system = System(1000.0, full=1.0)
    assert _search(system, qps=700.0).find().confirmed is None
    system.full = 1000.0
    earlier = EarlierRuns(list(system.records))
    found = _search(system, qps=700.0, earlier=earlier).find()
    assert found.confirmed is not None
