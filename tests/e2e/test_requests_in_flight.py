"""Backends that take requests and answer later: every scenario, and whatever they do wrong."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.driver import bench, finish, gone, measuring_child, mlrepo, start

_DELAYED = ("--backend", "delayed", "--model", "echoes")
_PERFORMANCE = ("--mode", "performance", "--time", "0.3", "--count", "40")


@pytest.mark.parametrize(
    ("scenario", "more"),
    [
        ("Offline", ("--qps", "1000")),
        ("SingleStream", ()),
        ("MultiStream", ()),
        ("Server", ("--qps", "200", "--max-latency", "1")),
    ],
)
def test_each_scenario_runs_with_requests_in_flight(
    root: Path, scenario: str, more: tuple[str, ...]
) -> None:
    """LoadGen gets every answer, out of order and in pieces, from a thread."""
    record = bench(root, *_DELAYED, "--scenario", scenario, *_PERFORMANCE, *more, code=None)
    assert not [r for r in record["reasons"] if "LoadGen error" in r or "backend" in r]
    assert record["validity"] in ("VALID", "INVALID"), record["reasons"]
    assert record["metrics"]
    assert record["backend"]["agreement"]["waived"] is False
    assert "takes requests" in record["backend"]["agreement"]["why"]


@pytest.mark.parametrize("scenario", ["Offline", "Server"])
def test_each_answer_belongs_to_its_sample(root: Path, scenario: str) -> None:
    """Texts of different lengths come back for the samples that they are answers to."""
    record = bench(root, *_DELAYED, "--scenario", scenario, "--mode", "accuracy", "--qps", "500")
    assert record["validity"] == "VALID", record["reasons"]
    assert record["accuracy"]["judged"] == 60
    assert record["result"]["value"] == 100.0
    assert record["metrics"]["words"] == {"value": 240.0, "unit": "words"}


@pytest.mark.parametrize(
    ("scenario", "names"),
    [("Server", ("first_token", "per_output_token")), ("Offline", ("tokens_per_second",))],
)
def test_first_tokens_and_numbers_of_tokens_reach_loadgen(
    root: Path, scenario: str, names: tuple[str, ...]
) -> None:
    """Under a name that has token latencies, LoadGen reports tokens; first ones not in Offline."""
    record = bench(
        root, "--backend", "delayed", "--model", "token-echoes", "--scenario", scenario,
        *_PERFORMANCE, "--qps", "100", code=None,
    )  # fmt: skip
    assert record["validity"] in ("VALID", "INVALID"), record["reasons"]
    assert not [r for r in record["reasons"] if "LoadGen error" in r]
    metrics = " ".join(record["metrics"])
    assert all(name in metrics for name in names), metrics


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("twice", ("answered request", "twice")),
        ("never", ("answered nothing for 1 s", "wait for their answers")),
        ("unknown", ("answered request", "which was never sent")),
        ("fewer", ("answers to", "requests")),
        ("raising", ("RuntimeError: the queue is on fire",)),
        ("refusing", ("RuntimeError: out of tokens",)),
        ("numbers", ("is ndarray, not bytes",)),
    ],
)
def test_what_a_backend_does_wrong_ends_the_run(
    root: Path, fault: str, words: tuple[str, ...]
) -> None:
    """It is recorded as FAILED with the reason."""
    record = bench(
        root, *_DELAYED, "--backend-opt", f"fault={fault}", *_PERFORMANCE, "--qps", "500", code=1
    )
    assert record["validity"] == "FAILED"
    text = " ".join(record["reasons"])
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unmarked", "without marking its first token"),
        ("marking", "marked the first token of request"),
    ],
)
def test_first_tokens_are_marked_once(root: Path, fault: str, words: str) -> None:
    """Where LoadGen measures them."""
    record = bench(
        root, "--backend", "delayed", "--model", "token-echoes", "--scenario", "Server",
        "--backend-opt", f"fault={fault}", *_PERFORMANCE, "--qps", "100", code=1,
    )  # fmt: skip
    assert words in " ".join(record["reasons"])


def test_what_can_neither_predict_nor_submit_is_refused(root: Path) -> None:
    """As are objects on a backend that computes tensors."""
    record = bench(root, "--backend", "neither", "--model", "echoes", code=1)
    assert "has neither predict nor submit" in record["reasons"][0]
    record = bench(root, "--backend", "onnx", "--model", "echoes", code=1)
    assert "are no tensors" in record["reasons"][0]


def test_ctrl_c_with_requests_in_flight_is_recorded(root: Path) -> None:
    """The process with the requests ends, and the run is INTERRUPTED."""
    process = start(
        root, "bench", "run", *_DELAYED, "--scenario", "Offline", "--mode", "performance",
        "--backend-opt", "delay=500", "--count", "100000", "--qps", "1000",
    )  # fmt: skip
    child = measuring_child(root)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    done.says("INTERRUPTED", "Stopped by SIGINT while measuring")
    gone(child)
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["validity"] for run in runs] == ["INTERRUPTED"]
