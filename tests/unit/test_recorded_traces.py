"""What the conclusion of a run records of the files that its processes left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mlrepo.bench.traces import recorded_traces, save_machine
from mlrepo.harness.spec import RunSpec
from mlrepo.latencies.documents import LATENCIES_FILE, TRACE_FILE, Latencies, Series, Trace
from mlrepo.latencies.histogram import Histogram

_BEGAN = 1.7e9
_MACHINE = Series(
    (_BEGAN - 3, _BEGAN + 1, _BEGAN + 2), {"busy": (None, 0.5, 1.0), "celsius": (40.0, 50.0, 60.0)}
)


def _spec(mode: str = "performance") -> RunSpec:
    return RunSpec("digits", "onnx", "Server", mode, "model.onnx")


def _child(directory: Path) -> Latencies:
    latencies = Latencies({"query": Histogram.of(np.array([5, 6, 7], np.int64))})
    (directory / LATENCIES_FILE).write_bytes(latencies.to_json())
    queries = Series((0.0, 0.5), {"completed": (2.0, 1.0)})
    (directory / TRACE_FILE).write_bytes(Trace(_BEGAN, 0.5, queries).to_json())
    return latencies


def test_queries_and_machine_are_one_trace(tmp_path: Path) -> None:
    """On one axis of time, which begins with the first query; the warm-up is not part of it."""
    latencies = _child(tmp_path)
    save_machine(tmp_path, _MACHINE)
    files = recorded_traces(tmp_path, _spec())
    assert Latencies.from_json(files[LATENCIES_FILE]) == latencies
    trace = Trace.from_json(files[TRACE_FILE])
    assert trace.queries.columns == {"completed": (2, 1)}
    assert trace.machine == Series((1.0, 2.0), {"busy": (0.5, 1.0), "celsius": (50.0, 60.0)})
    assert recorded_traces(tmp_path, _spec("accuracy")) == {}
    compliance = recorded_traces(tmp_path, _spec("compliance"))
    assert set(compliance) == set(files)


def test_a_run_that_was_stopped_keeps_the_trace_of_its_machine(tmp_path: Path) -> None:
    """From its first query on, if it had one."""
    save_machine(tmp_path, _MACHINE)
    assert recorded_traces(tmp_path, _spec()) == {}
    event = {"event": "started", "time": _BEGAN}
    (tmp_path / "events.jsonl").write_text(f"{json.dumps(event)}\n")
    files = recorded_traces(tmp_path, _spec())
    assert set(files) == {TRACE_FILE}
    assert Trace.from_json(files[TRACE_FILE]).machine.seconds == (1.0, 2.0)


@pytest.mark.parametrize("machine", [b"", b"[]", b'{"seconds": [1], "busy": ["x"]}', b"[" * 99999])
def test_a_trace_is_whole_without_the_machine(tmp_path: Path, machine: bytes) -> None:
    """If the parent died, or its disk was full."""
    _child(tmp_path)
    (tmp_path / "machine.json").write_bytes(machine)
    trace = Trace.from_json(recorded_traces(tmp_path, _spec())[TRACE_FILE])
    assert (trace.queries.columns, trace.machine) == ({"completed": (2, 1)}, Series())


@pytest.mark.parametrize("left", [b"{", b"\x1b[2J" * 100_000, b'{"schema": "mlrepo.latencies/1"}'])
def test_files_that_a_backend_left_in_their_place_are_not_recorded(
    tmp_path: Path, left: bytes
) -> None:
    """The reason is, and it is short."""
    for name in (LATENCIES_FILE, TRACE_FILE):
        (tmp_path / name).write_bytes(left)
    files = recorded_traces(tmp_path, _spec())
    assert set(files) == {LATENCIES_FILE}
    found = Latencies.from_json(files[LATENCIES_FILE])
    assert found.distributions == {}
    assert "latencies.json is damaged" in found.why
    assert len(files[LATENCIES_FILE]) < 1000


def test_pipes_and_directories_in_their_place_end_nothing(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    os.mkfifo(tmp_path / LATENCIES_FILE)
    os.mkfifo(tmp_path / "machine.json")
    (tmp_path / TRACE_FILE).mkdir()
    assert recorded_traces(tmp_path, _spec()) == {}
