"""Weights beside the graph are part of the model wherever a run names its model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from mlrepo.bench.peak_resume import earlier_runs
from mlrepo.cli.bench.session import open_bench
from mlrepo.model_files import find_model_files
from mlrepo.record.request import Request
from mlrepo.workloads.digits import DIGITS
from tests.e2e.driver import everything, mlrepo

_RUN = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--json")
_SHORT = ("--mode", "performance", "--count", "1000")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The digits model as exporters write it: a small graph, and the weights in a second file."""
    assert DIGITS.model is not None
    path = tmp_path / "model" / "digits.onnx"
    path.parent.mkdir()
    onnx.save_model(
        onnx.load(DIGITS.model.path),
        path,
        save_as_external_data=True,
        location="digits.onnx.data",
        size_threshold=0,
    )
    return path


def _replace_weights(model: Path) -> None:
    """Turn the classes around: no digit is recognized any more, and the graph stays as it is."""
    graph = onnx.load(model, load_external_data=False).graph
    data = model.with_name("digits.onnx.data")
    content = bytearray(data.read_bytes())
    for tensor in graph.initializer:
        if tensor.name.startswith("head."):
            place = {entry.key: entry.value for entry in tensor.external_data}
            start, length = int(place["offset"]), int(place["length"])
            rows, row = tensor.dims[0], length // tensor.dims[0]
            old = bytes(content[start : start + length])
            for number in range(rows):
                other = (number + 1) % rows * row
                content[start + number * row : start + (number + 1) * row] = old[
                    other : other + row
                ]
    data.write_bytes(content)


def _run(root: Path, model: Path, *arguments: str, code: int | None = 0) -> dict[str, Any]:
    done = mlrepo(root, *_RUN, "--model-file", str(model), *arguments, code=code)
    return dict(done.json["record"])


def test_the_record_lists_all_files_of_the_model(root: Path, model: Path) -> None:
    """With size and SHA-256 of each, and one digest over all; `show` prints them."""
    record = _run(root, model, *_SHORT)["model"]
    names = ["digits.onnx", "digits.onnx.data"]
    assert [file["name"] for file in record["files"]] == names
    for file in record["files"]:
        content = (model.parent / file["name"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert record["size"] == sum(file["size"] for file in record["files"])
    assert record["sha256"] == find_model_files(model).digest
    mlrepo(root, "show", "latest").says(*names, "over 2 files", record["sha256"])


def test_other_weights_are_another_model_everywhere(root: Path, model: Path) -> None:
    """Replay, compliance and what was tuned refuse or leave out what was of the old weights."""
    accuracy = _run(root, model, "--mode", "accuracy")
    performance = _run(root, model, *_SHORT)
    digest = performance["model"]["sha256"]
    tuned = {
        "model": digest,
        "backend": "onnx",
        "precision": "fp32",
        "scenario": "Offline",
        "threads": 1,
        "max_batch": 3,
    }
    file = root / "systems" / "box" / "tuned.json"
    file.write_text(json.dumps({"schema": "mlrepo.tuned/1", "tuned": [tuned]}))
    assert _run(root, model, *_SHORT, "--trust-prefix")["backend"]["max_batch"] == 3

    _replace_weights(model)
    before = everything(root)
    replay = ("bench", "replay", accuracy["run"], "--model-file", str(model))
    mlrepo(root, *replay, code=2).says("is not here", "other or missing: digits.onnx.data")
    test = ("bench", "compliance", "--model", "digits", "--scenario", "Offline")
    done = mlrepo(root, *test, "--test", "TEST04", "--model-file", str(model), code=2)
    done.says("TEST04 cannot be verified", "was made with another --model-file", "Run first:")
    assert everything(root) == before
    after = _run(root, model, *_SHORT)
    assert after["backend"]["max_batch"] is None
    assert after["configuration"] != performance["configuration"]
    wrong = _run(root, model, "--mode", "accuracy", code=None)
    assert wrong["result"]["value"] < 20 < 90 < accuracy["result"]["value"]


def test_a_search_does_not_go_on_with_other_weights(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line is the same, the model is not."""
    record = _run(root, model, *_SHORT, "--tag", "probe")
    monkeypatch.chdir(root)
    bench = open_bench(Request.from_dict(record["request"]), list(record["argv"][1:]))

    def earlier() -> list[str]:
        digest = find_model_files(model).digest
        return [run.run for run in earlier_runs(bench, "Offline", "digits", digest).records]

    assert earlier() == [record["run"]]
    _replace_weights(model)
    assert earlier() == []


def test_a_model_that_changes_while_it_is_loaded_fails_the_run(root: Path, model: Path) -> None:
    """A backend that writes to the weights as it loads them; the reason is recorded."""
    weights = model.with_name("digits.onnx.data")
    record = _run(
        root, model, *_SHORT, "--backend", "writing", "--backend-opt", f"file={weights}", code=None
    )
    assert record["validity"] == "FAILED"
    assert "was changed while it was loaded" in record["reasons"][0]
    assert record["model"]["sha256"] in record["reasons"][0]
