"""Third-party backends and benchmarks on any device work through their capabilities alone."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.e2e.driver import mlrepo

RUN = ("bench", "run", "--benchmark", "digits", "--scenario", "offline", "--mode", "accuracy")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models and what was compiled are kept."""
    monkeypatch.setenv("MLREPO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_device_that_is_not_here_is_refused_before_anything_starts(root: Path) -> None:
    """With what is here; nothing is recorded."""
    pytest.importorskip("openvino")
    mlrepo(root, *RUN, "--backend", "openvino", "--device", "npu", code=2).says(
        "The device npu is not available", "finds cpu", "NPU driver"
    )
    mlrepo(root, *RUN, "--backend", "tvm-onnx", "--device", "gpu", code=2).says("does not run on")
    mlrepo(root, *RUN, "--device", "gpu.1", code=2).says("not the name of a device")
    assert mlrepo(root, "log", "--json").json["runs"] == []


def test_the_device_is_in_record_name_and_repetition(root: Path) -> None:
    """A device of a third party's own kind and index; the run is compared with the right scores."""
    asked = ("--backend", "placed", "--device", "npu:1")
    done = mlrepo(root, *RUN, *asked, "--json")
    record = done.json["record"]
    assert record["backend"]["device"] == "npu:1"
    assert record["backend"]["agreement"]["distance"] < 1e-3
    assert record["sut"].endswith("-npu-1")
    listed = mlrepo(root, "log", "--json").json["runs"]
    assert [run["backend"] for run in listed] == ["placed npu:1"]
    again = mlrepo(root, "bench", "replay", "latest", "--json").json["record"]
    assert again["backend"]["device"] == "npu:1"
    assert again["configuration"] == record["configuration"]


def test_a_run_that_fell_back_is_no_result_of_the_device(root: Path) -> None:
    """It is recorded as FAILED, without a result."""
    failed = mlrepo(root, *RUN, "--backend", "falling-back", "--device", "npu", code=1)
    failed.says("FAILED", "was requested on npu, but runs on cpu", "not placed")


def test_a_third_partys_search_is_called_and_what_it_finds_is_kept(
    root: Path, tmp_path: Path, home: Path
) -> None:
    """As docs/backends.md promises: tune() within the budget, adopt() by the whole model."""
    database = tmp_path / "found.txt"
    found = mlrepo(
        root,
        *("bench", "tune", "--benchmark", "digits", "--backend", "tunable", "--budget", "7s"),
        *("--database", str(database), "--max-batchsize", "8", "--json"),
    ).json
    assert "1 of 2 layers measured" in found["note"]
    assert found["rate"] > 1.02 * found["default_rate"]
    assert database.read_text() == "found"
    (kept,) = home.rglob("tunable.json")
    assert json.loads(kept.read_text()) == {"seconds": 7.0}


def test_a_third_partys_benchmark_has_models_of_its_own_shape(root: Path, tmp_path: Path) -> None:
    """Images of 12 by 20 and four classes: the store takes what fits, and nothing else."""
    fits = _linear(tmp_path / "fits.onnx", (1, 12, 20), 4)
    added = mlrepo(root, "model", "add", "stripes/mine", str(fits), "--json").json
    assert added["framework"] == "onnx"
    record = mlrepo(root, *_of_stripes("--model-variant", "mine"), "--json").json["record"]
    assert record["validity"] == "VALID"
    assert record["result"]["value"] == 100.0
    other = _linear(tmp_path / "other.onnx", (3, 12, 20), 4)
    mlrepo(root, "model", "add", "stripes/other", str(other), code=2).says(
        "takes x fp32", "gives float32 [n, 1, height, width]"
    )
    fewer = _linear(tmp_path / "fewer.onnx", (1, 12, 20), 3)
    refused = mlrepo(root, *_of_stripes("--model-file", str(fewer)), code=2)
    refused.says("3 classes", "the labels are for 4")


def _of_stripes(*more: str) -> tuple[str, ...]:
    run = ("bench", "run", "--benchmark", "stripes", "--scenario", "offline", "--mode", "accuracy")
    return (*run, *more)


def _linear(path: Path, shape: tuple[int, int, int], classes: int) -> Path:
    """Write a model whose largest score tells how many rows are white."""
    import numpy as np

    size = int(np.prod(shape))
    # score_k = k * white - k² / 2 * step: the largest at k = white / step.
    step = 3 * shape[2]
    slopes = np.arange(1, classes + 1, dtype=np.float32)
    weights = np.repeat(slopes[None], size, axis=0)
    bias = (-(slopes**2) / 2 * step).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, path)
    return path
