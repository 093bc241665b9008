"""The peak search against systems whose capacity is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from samples import sample_record

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.peak import Search, explain
from mlrepo.bench.request import BenchRequest
from mlrepo.record import Metric


class System:
    """A Server that holds every rate up to ``capacity`` in probes, and up to ``full`` in long runs.

    It stands for LoadGen and the machine, whose capacity nobody knows; the real ones are searched
    in tests/e2e/test_peak.py.
    """

    def __init__(self, capacity: float, full: float | None = None) -> None:
        self.capacity, self.full = capacity, full or capacity
        self.rates: list[float] = []
        self.placed: list[bool] = []

    def run(self, request: BenchRequest, label: str) -> ConcludedRun:
        rate = request.qps or 100.0
        self.rates.append(rate)
        probe = "probe" in request.tags
        self.placed.append(not probe)
        valid = rate <= (self.capacity if probe else self.full)
        record = sample_record(
            scenario="Server",
            validity="VALID" if valid else "INVALID",
            reasons=() if valid else ("Performance constraints not satisfied",),
            result=Metric(rate, "queries/s"),
            loadgen={"effective": {"target_qps": rate, "target_latency_ns": 15_000_000}},
        )
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
    assert len(system.rates) <= 24 + 1
    assert system.placed == [False] * peak.probes + [True]


def test_a_system_that_gets_worse_in_the_full_run_is_lowered_until_it_holds() -> None:
    """Probes are short: what throttles later shows only in the confirming run."""
    peak = _search(System(1000.0, full=900.0), qps=500.0).find()
    assert peak.confirmed is not None
    assert peak.value is not None
    assert 0.85 * 900 <= peak.value <= 900


def test_a_system_that_is_never_valid_ends_with_a_reason() -> None:
    """No rate holds: the search ends, and says which condition failed."""
    system = System(0.0)
    peak = _search(system, qps=100.0).find()
    assert (peak.value, peak.confirmed) == (None, None)
    assert "latency bound does not hold" in peak.reason
    assert len(system.rates) <= 24


def test_a_budget_without_room_for_the_full_run_gives_the_best_known() -> None:
    """The value is told, but not confirmed."""
    peak = _search(System(1000.0), qps=500.0, full=7200.0).find()
    assert peak.confirmed is None
    assert peak.value is not None
    assert "budget" in peak.reason


def test_an_invalid_run_is_explained_with_measured_and_allowed_latency() -> None:
    """Which condition failed, by how much, and what to change."""
    record = replace(
        sample_record(),
        scenario="Server",
        reasons=("Performance constraints not satisfied",),
        metrics={"99.00_percentile_latency": Metric(24.5, "ms")},
        loadgen={"effective": {"target_latency_ns": 15_000_000}},
    )
    assert explain(record) == (
        "The latency bound does not hold (24.5 ms at the 99th percentile, 15 ms allowed): "
        "lower --qps."
    )
