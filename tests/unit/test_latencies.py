"""Histograms, traces and their files; nothing that damages a file is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.latencies.documents import LARGEST, Latencies, Series, Slow, Trace
from mlrepo.latencies.histogram import GROWTH, Histogram
from mlrepo.latencies.thinned import INTERVALS, SLOWEST, thinned
from mlrepo.systems import machine_trace
from mlrepo.systems.gpu_sensors import GpuReading, GpuSensors
from mlrepo.systems.machine import Machine
from mlrepo.systems.machine_trace import MachineTrace
from mlrepo.systems.nvml import RecordedNvml
from tests import machines

_SHARES = (0.0, 0.5, 0.9, 0.95, 0.97, 0.99, 0.999)


def _loadgen(latencies: np.ndarray[Any, Any], share: float) -> int:
    return int(np.sort(latencies)[int(len(latencies) * share)])


@given(st.lists(st.integers(0, 2**53), min_size=1, max_size=200))
@settings(max_examples=200, deadline=None)
def test_percentiles_are_within_a_hundredth_of_loadgens(values: list[int]) -> None:
    """Of any latencies, also after a way through the file; count and extremes are exact."""
    latencies = np.array(values, np.int64)
    found = Histogram.from_dict(json.loads(json.dumps(Histogram.of(latencies).to_dict())))
    for share in _SHARES:
        wanted = _loadgen(latencies, share)
        assert math.isclose(found.percentile(share), wanted, rel_tol=0.0051, abs_tol=1.01)
    assert (found.count, found.shortest, found.longest) == (len(values), min(values), max(values))
    assert math.isclose(found.mean, sum(values) / len(values), rel_tol=1e-6, abs_tol=0.1)


def test_weights_count_as_so_many_latencies() -> None:
    """Batches of samples are as their samples one by one."""
    rng = np.random.default_rng(0)
    ends, sizes = rng.integers(1, 10**9, 300), rng.integers(1, 50, 300)
    assert Histogram.of(ends, sizes) == Histogram.of(np.repeat(ends, sizes))


def test_the_tail_is_thinned_by_the_share_that_is_slower() -> None:
    """Each point says how many are slower than the end of a bucket."""
    latencies = np.array([100] * 90 + [1000] * 9 + [50_000], np.int64)
    tail = list(Histogram.of(latencies).tail(50))
    assert [round(slower, 6) for _, slower in tail] == [0.1, 0.01]
    assert 1000 <= tail[1][0] <= 1000 * GROWTH
    assert list(Histogram.of(latencies[:1]).tail(50)) == []
    many = Histogram.of(np.random.default_rng(0).lognormal(14, 1, 100_000).astype(np.int64))
    for most in (8, 50):
        shares = [slower for _, slower in many.tail(most)]
        assert most // 2 <= len(shares) <= most + 2
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] == pytest.approx(1e-5, abs=3e-5)


def _file(change: Callable[[dict[str, Any]], object]) -> bytes:
    found = Histogram.of(np.array([5, 70, 70, 10_000], np.int64))
    raw = json.loads(Latencies({"query": found}).to_json())
    change(raw["distributions"]["query"])
    return json.dumps(raw).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(count=5),
        lambda one: one.update(count=4.5),
        lambda one: one.pop("counts"),
        lambda one: one["counts"].append(1),
        lambda one: one.update(counts=[1, -2, 5]),
        lambda one: one.update(counts=[True, 2, 1]),
        lambda one: one.update(steps=[-1, 2, 3]),
        lambda one: one.update(steps=[10**9, 1, 1]),
        lambda one: one.update(steps=[100, 0, 1]),
        lambda one: one.update(steps="\x1b[2J"),
        lambda one: one.update(longest_ns=float("nan")),
        lambda one: one.update(longest_ns=4.0),
        lambda one: one.update(shortest_ns=-1),
        lambda one: one.update(mean_ns=10**400),
        lambda one: one.update(mean_ns=None),
        lambda one: one.update(steps=[0] * 100_000),
        lambda one: one.clear(),
    ],
)
def test_a_damaged_histogram_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    """In words that name the file."""
    assert Latencies.from_json(_file(lambda one: None)).distributions["query"].count == 4
    with pytest.raises(UserError, match=r"latencies\.json is damaged"):
        Latencies.from_json(_file(change))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "schema 'none'"),
        (b'{"schema": "mlrepo.latencies/2"}', "reads mlrepo.latencies/1"),
        (b'{"schema": "mlrepo.latencies/1"}', "no distributions"),
        (b'{"schema": "mlrepo.latencies/1", "distributions": {}, "why": 1}', "no text"),
        (b" " * (LARGEST + 1), "bytes"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, words: str) -> None:
    """Whatever it is, and without reading a huge one."""
    with pytest.raises(UserError, match=words):
        Latencies.from_json(data)


def _trace() -> Trace:
    columns = {"completed": (3.0, 0.0), "median_ms": (1.5, None)}
    machine = Series((0.5, 1.0), {"busy": (None, 0.25), "celsius": (61.0, 62.5)})
    slow = (Slow(7, 0.25, 123_456_789.0),)
    return Trace(1.7e9, 0.5, Series((0.0, 0.5), columns), machine, slow)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("began"),
        lambda raw: raw.update(interval="1"),
        lambda raw: raw.update(queries=[]),
        lambda raw: raw["queries"].update(median_ms=[1.0]),
        lambda raw: raw["machine"].update(busy=[1.0, "x"]),
        lambda raw: raw["machine"].update(busy={}),
        lambda raw: raw["machine"].update(seconds=[None, 1.0]),
        lambda raw: raw["machine"].update(celsius=[float("inf"), 1.0]),
        lambda raw: raw["queries"].update(completed=[1] * 100_000),
        lambda raw: raw.update(slowest=[[1, 2]]),
        lambda raw: raw.update(slowest={}),
    ],
)
def test_a_damaged_trace_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    """A whole one is read as it was written; unknown columns are no damage."""
    raw = json.loads(_trace().to_json())
    raw["machine"]["fan"] = ["\x1b]0;fan"]
    assert Trace.from_json(json.dumps(raw).encode()) == _trace()
    change(raw)
    with pytest.raises(UserError, match=r"trace\.json is damaged"):
        Trace.from_json(json.dumps(raw).encode())


def _poisson(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    due = 10**18 + np.cumsum(rng.exponential(1e6, count)).astype(np.int64)
    return due, due + rng.lognormal(14, 1.5, count).astype(np.int64)


def test_a_trace_has_what_happened_in_each_interval() -> None:
    """Numbers and latencies as counted one by one, and the most in flight at any time."""
    due, done = _poisson(3000)
    trace = thinned(due, done, queued=True)
    columns, width = trace.queries.columns, round(trace.interval * 1e9)
    place = (due - due[0]) // width
    assert sum(filter(None, columns["completed"])) == 3000
    assert len(trace.queries.seconds) <= INTERVALS
    for number in (0, 50, int(place[-1])):
        latencies = np.sort((done - due)[place == number])
        assert columns["median_ms"][number] == pytest.approx(latencies[len(latencies) // 2] / 1e6)
        assert columns["slowest_ms"][number] == pytest.approx(latencies[-1] / 1e6)
        flying = [int(((due <= at) & (done > at)).sum()) for at in due[place == number]]
        assert columns["in_flight"][number] == max(flying)
    assert [one.latency for one in trace.slowest] == sorted(done - due)[::-1][:SLOWEST]
    assert all(one.latency == (done - due)[one.number] for one in trace.slowest)


def test_one_query_has_a_rate_and_no_latencies_over_time() -> None:
    """Offline: samples by when they were answered."""
    due, done = np.array([10**18]), np.array([10**18 + 10**9])
    stamps = 10**18 + np.array([10, 5 * 10**8, 10**9])
    trace = thinned(due, done, answered=(stamps, np.array([4, 5, 6])), one=True)
    assert [one for one in trace.queries.columns["completed"] if one] == [4, 5, 6]
    assert set(trace.queries.columns) == {"completed"}
    assert trace.slowest == ()


def test_files_stay_small_over_millions_of_queries() -> None:
    """Latencies over six powers of ten, and the trace of a long Server."""
    rng = np.random.default_rng(3)
    wide = np.exp(rng.uniform(np.log(1e3), np.log(1e9), 2_000_000)).astype(np.int64)
    three = {name: Histogram.of(wide) for name in ("query", "first_token", "per_token")}
    assert len(Latencies(three).to_json()) < 32 << 10
    usual = Histogram.of(rng.lognormal(14, 0.4, 2_000_000).astype(np.int64))
    assert len(Latencies({"query": usual}).to_json()) < 4 << 10
    trace = thinned(*_poisson(200_000), queued=True)
    seconds = tuple(np.arange(240) * 2.5)
    machine = Series(seconds, dict.fromkeys(("busy", "lowest_mhz", "celsius"), seconds))
    assert len(Trace(trace.began, 3.0, trace.queries, machine, trace.slowest).to_json()) < 16 << 10


def test_accelerators_are_read_where_a_run_is_on_them(tmp_path: Path) -> None:
    """Of two devices, one of which is held back by its temperature and refuses a question."""
    answers: dict[str, Any] = {
        "devices": [
            {
                "nvmlDeviceGetUtilizationRates": {"gpu": 90, "memory": 20},
                "nvmlDeviceGetClockInfo": {"0": 1980},
                "nvmlDeviceGetTemperature": {"0": 61},
                "nvmlDeviceGetCurrentClocksThrottleReasons": 0x1,
            },
            {
                "nvmlDeviceGetUtilizationRates": {"gpu": 70, "memory": 20},
                "nvmlDeviceGetClockInfo": {"0": 1410},
                "nvmlDeviceGetCurrentClocksThrottleReasons": 0x40,
            },
        ]
    }
    sensors = GpuSensors(RecordedNvml(answers))
    assert sensors.read() == GpuReading(0.8, 1410, 61, 1)
    trace = MachineTrace(Machine(tmp_path), sensors)
    trace.sample()
    assert trace.series().columns == {
        "gpu_busy": (0.8,),
        "gpu_mhz": (1410,),
        "gpu_celsius": (61,),
        "gpus_held_back": (1,),
    }
    sensors.close()
    assert sensors.read() == GpuReading()
    assert GpuSensors(RecordedNvml({"devices": [{}]})).read() == GpuReading()


def test_the_machine_is_read_now_and_then(tmp_path: Path, monkeypatch: Any) -> None:
    """Shares since the last reading; many readings are thinned, and what is not there left out."""
    files = {
        "proc/stat": "cpu 10 0 0 90 0 0 0 0\n",
        "sys/class/thermal/thermal_zone0/temp": "61000\n",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
    }
    root = machines.write(tmp_path, files)
    trace = MachineTrace(Machine(root))
    monkeypatch.setattr(machine_trace, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(machine_trace, "_COST", 0)
    trace = MachineTrace(Machine(root))
    trace.sample()
    (root / "proc/stat").write_text("cpu 40 0 0 160 0 0 0 0\n")
    (root / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count").write_text("5\n")
    trace.sample()
    found = trace.series()
    assert found.columns == {
        "busy": (None, 0.3),
        "celsius": (61.0, 61.0),
        "throttle_events": (None, 2.0),
    }
    for _ in range(1000):
        trace.sample()
    assert 100 < len(trace.series().seconds) < 240
    assert MachineTrace(Machine(tmp_path / "none")).series() == Series((), {})
