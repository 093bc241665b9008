"""A model is fed, judged and recorded as its own files say, or refused before it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.e2e.driver import blob, everything, mlrepo
from tests.models import tiny_classifier
from tests.photos import write_photos

_SHORT = ("--mode", "performance", "--count", "1", "--scenario", "SingleStream", "--json")
_ACCURACY = ("--scenario", "Offline", "--mode", "accuracy", "--json")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory with twelve photographs, prepared for TensorFlow's and for PyTorch's."""
    base = tmp_path_factory.mktemp("forms")
    write_photos(base / "val", 12)
    environ: dict[str, Any] = {"MLREPO_HOME": str(base / "home")}
    mlrepo(base, "dataset", "add", "imagenet2012", "--path", "val", **environ)
    for arguments in (("vgg",), ("pytorch",), ("vgg", "--size", "64")):
        mlrepo(base, "dataset", "prepare", "imagenet2012", "--way", *arguments, **environ)
    return base / "home"


def _run(root: Path, home: Path, *arguments: str) -> dict[str, Any]:
    done = mlrepo(root, "bench", "run", *arguments, code=None, MLREPO_HOME=str(home))
    found: dict[str, Any] = done.json["record"]
    return found


def _channels_last(path: Path, *, size: int = 224, classes: int = 1000) -> Path:
    """Write the tiny classifier with the channels last and scores [n, classes, 1, 1]."""
    model = onnx.load(tiny_classifier(path, size=size, classes=classes))
    graph = model.graph
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["n", size, size, 3])
    )
    graph.node.insert(0, helper.make_node("Transpose", ["photo"], ["image"], perm=[0, 3, 1, 2]))
    graph.output[0].CopyFrom(
        helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", classes, 1, 1])
    )
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    graph.node.append(helper.make_node("Unsqueeze", ["scores", "axes"], ["maps"]))
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)
    return path


def _half(path: Path) -> Path:
    """Turn the matrices of a model into fp16 with a Cast behind each."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        if weight.name.startswith("w"):
            half = numpy_helper.to_array(weight).astype(np.float16)
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
            model.graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], to=1))
    onnx.save_model(model, path)
    return path


def test_channels_last_give_the_same_answers(root: Path, home: Path, tmp_path: Path) -> None:
    """The layout is seen in the shape, recorded and shown; scores of four dimensions are read."""
    first = _run(
        root,
        home,
        "--model",
        "resnet50",
        "--model-file",
        str(tiny_classifier(tmp_path / "first.onnx")),
        *_ACCURACY,
    )
    last = _run(
        root,
        home,
        "--model",
        "resnet50",
        "--model-file",
        str(_channels_last(tmp_path / "last.onnx")),
        *_ACCURACY,
    )
    assert last["validity"] == first["validity"], last["reasons"]
    assert last["accuracy"] == first["accuracy"]
    assert (first["model"]["layout"], last["model"]["layout"]) == ("", "NHWC")
    assert last["dataset"]["layout"] == "NHWC"
    assert last["dataset"]["fingerprint"] == first["dataset"]["fingerprint"]
    mlrepo(root, "show", last["run"]).says("NHWC", "prepared in the way vgg", "224 by 224")


def test_another_size_runs_on_images_of_that_size(root: Path, home: Path, tmp_path: Path) -> None:
    """Generated ones, or those that were prepared; if none were, the command is named."""
    model = str(_channels_last(tmp_path / "m.onnx", size=64, classes=10))
    record = _run(root, home, "--model", "resnet50-random", "--model-file", model, *_SHORT)
    assert record["validity"] in ("VALID", "INVALID"), record["reasons"]
    assert record["metrics"]
    assert record["backend"]["input"]["shape"] == [None, 64, 64, 3]
    labelled = str(tiny_classifier(tmp_path / "l.onnx", size=64))
    record = _run(root, home, "--model", "resnet50", "--model-file", labelled, *_ACCURACY)
    assert record["accuracy"]["judged"] == 12
    assert (record["dataset"]["size"], record["dataset"]["resized"]) == (64, 73)
    before = everything(root)
    mlrepo(
        root,
        "bench",
        "run",
        "--model",
        "resnet50",
        "--model-file",
        labelled,
        "--way",
        "pytorch",
        *_ACCURACY,
        code=2,
        MLREPO_HOME=str(home),
    ).says("dataset prepare imagenet2012 --way pytorch --size 64")
    assert everything(root) == before


def test_other_classes_run_for_speed_and_are_not_judged(
    root: Path, home: Path, tmp_path: Path
) -> None:
    """Labels of 1000 classes say nothing of ten scores: refused before anything is started."""
    model = str(tiny_classifier(tmp_path / "ten.onnx", classes=10))
    before = everything(root)
    mlrepo(
        root,
        "bench",
        "run",
        "--model",
        "resnet50",
        "--model-file",
        model,
        *_ACCURACY,
        code=2,
        MLREPO_HOME=str(home),
    ).says("scores of 10 classes", "1000 or 1001", "--mode performance")
    assert everything(root) == before
    record = _run(root, home, "--model", "resnet50", "--model-file", model, *_SHORT)
    assert record["metrics"]


def test_the_way_is_recorded_shown_and_repeated(root: Path, home: Path, tmp_path: Path) -> None:
    """A repetition takes the recorded way, not the benchmark's; a low score names the others."""
    model = str(tiny_classifier(tmp_path / "m.onnx"))
    record = _run(
        root, home, "--model", "resnet50", "--model-file", model, "--way", "pytorch", *_ACCURACY
    )
    assert record["model"]["preprocessing"] == record["dataset"]["preprocessing"] == "pytorch"
    mlrepo(root, "show", record["run"]).says(
        "prepared in the way pytorch", "far below the 76.456 %", "--way vgg, mobilenet"
    )
    again = mlrepo(
        root,
        "bench",
        "replay",
        record["run"],
        "--model-file",
        model,
        "--json",
        code=None,
        MLREPO_HOME=str(home),
    ).json["record"]
    assert again["dataset"]["preprocessing"] == "pytorch"
    assert again["accuracy"] == record["accuracy"]
    plan = ("bench", "suite", "--model", "resnet50", "--model-file", model, "--plan", "--quick")
    mlrepo(root, *plan, "--scenario", "Offline", MLREPO_HOME=str(home)).says("in the way vgg")
    mlrepo(root, "bench", "run", "--model", "digits", "--way", "vgg", *_ACCURACY, code=2).says(
        "--way does not apply"
    )


def test_an_added_model_keeps_its_way_and_its_layout(
    root: Path, home: Path, tmp_path: Path
) -> None:
    """List and show tell them, and a run takes them."""
    model = str(_channels_last(tmp_path / "m.onnx"))
    environ: dict[str, Any] = {"MLREPO_HOME": str(home)}
    mlrepo(
        root,
        "model",
        "add",
        "resnet50/last",
        model,
        "--way",
        "pytorch",
        "--layout",
        "nhwc",
        **environ,
    ).says("weights fp32, NHWC", "in the way pytorch")
    mlrepo(root, "model", "show", "resnet50/last", **environ).says("NHWC", "pytorch")
    mlrepo(root, "model", "list", **environ).says("resnet50/last", "pytorch")
    record = _run(root, home, "--model", "resnet50", "--model-variant", "last", *_ACCURACY)
    assert record["accuracy"]["judged"] == 12
    assert (record["model"]["layout"], record["model"]["preprocessing"]) == ("NHWC", "pytorch")
    mlrepo(root, "model", "add", "resnet50/no", model, "--layout", "nchw", code=2, **environ).says(
        "photo fp32 ['n', 224, 224, 3]"
    )


def test_the_record_says_what_the_weights_are(root: Path, home: Path, tmp_path: Path) -> None:
    """In the record, in its precision, in the name of the result and in the measurements."""
    model = str(_half(tiny_classifier(tmp_path / "half.onnx")))
    record = _run(root, home, "--model", "resnet50", "--model-file", model, *_ACCURACY)
    assert record["model"]["weight_data_types"] == "fp16"
    assert record["backend"]["precision"] == "fp16"
    assert "fp16" in record["sut"]
    path = f"{record['placement']['path']}/measurements.json"
    assert json.loads(blob(root, path))["weight_data_types"] == "fp16"
    for asked in ("fp32", "int8"):
        mlrepo(
            root,
            "bench",
            "run",
            "--model",
            "resnet50",
            "--model-file",
            model,
            "--precision",
            asked,
            *_ACCURACY,
            code=2,
            MLREPO_HOME=str(home),
        ).says("half is fp16")
