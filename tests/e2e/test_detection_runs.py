"""Object detection from end to end: the embedded benchmark, and a user's data and model."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import MadeOnce
from tests.detection_sets import write_set
from tests.e2e.driver import blob, mlrepo

_RESULT = "open/Acme/results/box-onnxruntime-cpu/digits-detection/Offline"
_RUN = ("bench", "run", "--benchmark", "digits-detection", "--scenario", "Offline")


@pytest.fixture(scope="module")
def detected(made_once: MadeOnce) -> Path:
    """An accuracy and a short performance run of digits-detection, to be read only."""
    return made_once("detected", _detect)


def _detect(root: Path) -> None:
    where = ("--submitter", "Acme", "--division", "open", "--system", "box")
    mlrepo(root.parent, "init", root.name, *where)
    # With one batch size, scores are the same to the last bit.
    mlrepo(root, *_RUN, "--mode", "accuracy", "--max-batchsize", "8")
    mlrepo(root, *_RUN, "--mode", "performance", "--count", "320", "--max-batchsize", "8")


def test_an_accuracy_run_is_recorded_with_every_metric(detected: Path) -> None:
    """VALID, in the layout of the round, as MLPerf's script writes it."""
    listed = mlrepo(detected, "log", "--mode", "accuracy", "--json").json["runs"]
    record = mlrepo(detected, "show", listed[0]["run"], "--json").json["record"]
    assert record["validity"] == "VALID"
    assert record["result"]["value"] > 93
    assert record["metrics"]["mAP@50"]["value"] > 97
    assert record["accuracy"]["judged"] == 320
    text = blob(detected, f"{_RESULT}/accuracy/accuracy.txt").decode()
    assert " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.94" in text
    assert f"\nmAP={record['result']['value']:.3f}%\n" in text


def test_the_answers_of_a_performance_run_are_those_of_the_accuracy_run(
    detected: Path, tmp_path: Path
) -> None:
    """TEST01 compares whole answers; how fast a run of a second was says nothing here."""
    root = Path(shutil.copytree(detected, tmp_path / "results", symlinks=True))
    test = ("--benchmark", "digits-detection", "--scenario", "Offline", "--test", "TEST01")
    done = mlrepo(root, "bench", "compliance", *test, "--json", code=None)
    record = done.json["tests"][0]["record"]
    text = blob(root, f"runs/{record['run']}/verify_accuracy.txt").decode()
    values = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
    assert values["num_acc_log_entries"] == "320"
    assert values["num_perf_log_qsl_idx_match"] == values["num_perf_log_entries"] != "0"
    assert values["num_perf_log_data_mismatch"] == "0"
    assert text.endswith("TEST PASS\n")


def test_it_is_shown_selected_and_checked_as_every_benchmark(
    detected: Path, tmp_path: Path
) -> None:
    """`status`, `log`, `compare`, a rehearsed selection, and the check of it."""
    root = Path(shutil.copytree(detected, tmp_path / "results", symlinks=True))
    mlrepo(root, "status").says("digits-detection", "accuracy", "done")
    mlrepo(root, "log").says("digits-detection", "94.4")
    mlrepo(root, "select", "--quick").says("digits-detection Offline")
    done = mlrepo(root, "check", "--rev", "submission/v6.1", "--json", code=None)
    broken = {one["rule"] for one in done.json["findings"]}
    assert not {rule for rule in broken if not rule.startswith(("system-", "performance-"))}


def _detector(path: Path, size: int, boxes: Any) -> Path:
    """Write a model [n, 3, size, size] → [n, k, 6] that gives the same boxes for every image."""
    constant = numpy_helper.from_array(np.asarray(boxes, np.float32)[None], "boxes")
    zero = numpy_helper.from_array(np.zeros((1, 1, 1), np.float32), "zero")
    axes = numpy_helper.from_array(np.array([1, 2, 3]), "axes")
    shape = numpy_helper.from_array(np.array([-1, 1, 1]), "shape")
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["each"]),
        helper.make_node("Mul", ["each", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "boxes"], ["output0"]),
    ]
    given: list[int | str] = ["n", 3, size, size]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["n", len(boxes), 6])],
        [constant, zero, axes, shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save_model(model, path)
    return path


def test_a_users_detector_on_a_users_images(root: Path, tmp_path: Path) -> None:
    """Registered, prepared, run and judged; the licence of the model stands in the record."""
    write_set(tmp_path / "set", 12)
    at_home = partial(mlrepo, root, MLREPO_HOME=str(tmp_path / "home"))
    # The first class at the place of its box in every third image of 64 by 48, letterboxed to 96.
    x, y, width, height, ratio, top = 4, 6, 20, 12, 1.5, 12
    box = [x * ratio, y * ratio + top, (x + width) * ratio, (y + height) * ratio + top, 0.9, 0]
    model = _detector(tmp_path / "detector.onnx", 96, [box, [0, 0, 0, 0, 0, 0]])
    at_home("dataset", "add", "coco", "--path", str(tmp_path / "set"))
    at_home("dataset", "prepare", "coco", "--size", "96")
    add = ("model", "add", "object-detection/mine", str(model), "--licence", "AGPL-3.0")
    at_home(*add)
    run = ("bench", "run", "--benchmark", "object-detection", "--model-variant", "mine")
    done = at_home(*run, "--scenario", "Offline", "--mode", "accuracy", "--json")
    record = done.json["record"]
    assert record["validity"] == "VALID"
    assert record["accuracy"]["judged"] == 12
    assert 1 < record["result"]["value"] < 50
    assert record["model"]["licence"] == "AGPL-3.0"
    assert record["dataset"]["preprocessing"] == "letterbox"
    at_home("show", record["run"]).says("licence: AGPL-3.0")


@pytest.mark.parametrize(
    ("boxes", "value", "said"),
    [
        ([[1, 1, 9, 9, 0, 0]], 0.0, ""),
        ([[1, 1, 9, 9, float("nan"), 0]], None, "sample 0: a score is not a number"),
    ],
)
def test_nothing_found_is_a_score_and_nonsense_is_none(
    root: Path, tmp_path: Path, boxes: Any, value: float | None, said: str
) -> None:
    """Zero detections everywhere: VALID with an mAP of 0. NaN scores: refused, not recorded."""
    write_set(tmp_path / "set", 12)
    at_home = partial(mlrepo, root, MLREPO_HOME=str(tmp_path / "home"))
    model = _detector(tmp_path / "detector.onnx", 96, boxes)
    at_home("dataset", "add", "coco", "--path", str(tmp_path / "set"))
    at_home("dataset", "prepare", "coco", "--size", "96")
    run = ("bench", "run", "--benchmark", "object-detection", "--model-file", str(model))
    done = at_home(*run, "--scenario", "Offline", "--mode", "accuracy", "--json", code=None)
    record = json.loads(done.out)["record"]
    assert record["result"]["value"] == value
    assert record["validity"] == ("FAILED" if said else "VALID")
    assert said in " ".join(record["reasons"])


def test_a_model_that_no_decoder_reads_is_refused(root: Path, tmp_path: Path) -> None:
    """When it is added; both sides are named."""
    from tests.models import tiny_classifier

    at_home = partial(mlrepo, root, MLREPO_HOME=str(tmp_path / "home"))
    model = tiny_classifier(tmp_path / "classifier.onnx")
    done = at_home("model", "add", "object-detection/mine", str(model), code=2)
    done.says("does not fit object-detection", "boxes reads", "retinanet reads", "yolo reads")
