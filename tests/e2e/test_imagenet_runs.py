"""ImageNet from a folder of photographs to a recorded accuracy, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mlrepo.workloads.imagenet.prepared import PreparedImages
from tests.e2e.driver import blob, mlrepo, spooled
from tests.models import tiny_classifier
from tests.photos import write_photos


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory with twelve photographs prepared and a model of 1001 classes added."""
    base = tmp_path_factory.mktemp("imagenet")
    write_photos(base / "val", 12)
    model = tiny_classifier(base / "tiny.onnx", classes=1001)
    environ: dict[str, Any] = {"MLREPO_HOME": str(base / "home")}
    mlrepo(base, "dataset", "add", "imagenet2012", "--path", "val", **environ).says(
        "12 of 50000", "49988 images are missing"
    )
    mlrepo(base, "dataset", "prepare", "imagenet2012", **environ)
    mlrepo(base, "dataset", "verify", "imagenet2012", **environ).says("12 of 50000")
    mlrepo(base, "model", "add", "resnet50/tiny", str(model), **environ)
    return base / "home"


def test_accuracy_is_that_of_the_model_on_the_images(root: Path, home: Path) -> None:
    """Counted here by another way, from the same photographs."""
    record = mlrepo(
        root,
        "bench",
        "run",
        "--model",
        "resnet50",
        "--model-variant",
        "tiny",
        "--scenario",
        "Offline",
        "--mode",
        "accuracy",
        "--backend-opt",
        "streams=1",
        "--json",
        MLREPO_HOME=str(home),
    ).json["record"]
    data = PreparedImages(home / "datasets" / "imagenet2012" / "vgg.json")
    session = onnxruntime.InferenceSession(home / "models/resnet50/tiny/resnet50-tiny.onnx")
    classes = session.run(None, {"image": data.load(range(12))})[0].argmax(axis=1) - 1
    good = int((classes == data.labels).sum())
    assert record["accuracy"]["good"] == good
    assert record["accuracy"]["judged"] == 12
    assert record["dataset"]["complete"] is False
    assert record["dataset"]["fingerprint"] == data.describe()["fingerprint"]
    assert record["model"]["name"] == "resnet50-tiny"
    assert len(np.unique(classes)) > 1


def test_streams_give_the_same_answers(root: Path, home: Path) -> None:
    """Parts of a batch are put together in order, whatever the size of the last one."""
    found = [
        mlrepo(
            root,
            "bench",
            "run",
            "--model",
            "resnet50",
            "--model-variant",
            "tiny",
            "--scenario",
            "Offline",
            "--mode",
            "accuracy",
            "--threads",
            "2",
            "--max-batchsize",
            "5",
            "--backend-opt",
            f"streams={streams}",
            "--experiment",
            f"s{streams}",
            "--json",
            MLREPO_HOME=str(home),
        ).json["record"]
        for streams in (1, 2)
    ]
    first, second = (record["accuracy"] for record in found)
    assert first == second
    assert found[1]["backend"]["options"]["streams"] == 2


def test_a_run_of_a_quantized_model_keeps_how_it_was_quantized(
    root: Path, home: Path, tmp_path: Path
) -> None:
    """The draft of the calibration document is recorded with each of its runs."""
    home = Path(shutil.copytree(home, tmp_path / "home"))
    environ: dict[str, Any] = {"MLREPO_HOME": str(home)}
    images = root.parent / "calibration-list"
    images.write_text("".join(f"ILSVRC2012_val_{number:08}.JPEG\n" for number in (1, 2, 3)))
    mlrepo(root, "model", "quantize", "resnet50/tiny", "--calibration", str(images), **environ)
    record = mlrepo(
        root,
        "bench",
        "run",
        "--model",
        "resnet50",
        "--precision",
        "int8",
        "--scenario",
        "Offline",
        "--mode",
        "accuracy",
        "--json",
        **environ,
    ).json["record"]
    assert record["model"]["weight_data_types"] == "int8"
    draft = (home / "models/resnet50/tiny-int8/calibration.md").read_bytes()
    assert blob(root, f"runs/{record['run']}/calibration.md") == draft
    assert b"3 samples of ImageNet 2012" in draft


def test_efficientnet_lite0_classifies_photographs_with_its_own_preprocessing(
    root: Path, home: Path
) -> None:
    """The model is made at the first run; its measurements are those of the catalogue."""
    run = (
        "bench",
        "run",
        "--model",
        "efficientnet-lite0",
        "--scenario",
        "Offline",
        "--mode",
        "accuracy",
        "--json",
    )
    environ: dict[str, Any] = {"MLREPO_HOME": str(home)}
    mlrepo(root, *run, code=2, **environ).says("--way efficientnet-lite")
    mlrepo(root, "dataset", "prepare", "imagenet2012", "--way", "efficientnet-lite", **environ)
    record = mlrepo(root, *run, **environ).json["record"]
    data = PreparedImages(home / "datasets" / "imagenet2012" / "efficientnet-lite.json")
    session = onnxruntime.InferenceSession(
        home / "models/efficientnet-lite0/imagenet/efficientnet-lite0-imagenet.onnx"
    )
    classes = session.run(None, {"input": data.load(range(12))})[0].argmax(axis=1)
    assert record["accuracy"]["good"] == int((classes == data.labels).sum())
    assert record["accuracy"]["judged"] == 12
    assert record["dataset"]["preprocessing"] == "efficientnet-lite"
    path = f"{record['placement']['path']}/measurements.json"
    measurements = json.loads(blob(root, path))
    assert measurements["starting_weights_filename"] == "efficientnet-lite0-57934424.pth"
    assert "batch normalization folded" in measurements["weight_transformations"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--model", "resnet50"),
            ("not on this machine", "mlrepo model fetch resnet50/v1.5-opset-11"),
        ),
        (("--model", "resnet50", "--model-variant", "none"), ("no model", "resnet50/tiny")),
        (("--model", "digits", "--model-variant", "x"), ("one model only",)),
        (("--model", "mobilenet", "--model-file", "absent.onnx"), ("does not exist",)),
        (("--model", "digits", "--precision", "int8"), ("resnet8-digits is fp32",)),
        (("--model", "resnet50", "--precision", "int8"), ("mlrepo model quantize resnet50",)),
        (("--model", "resnet50", "--model-variant", "tiny", "--precision", "int8"), ("is fp32",)),
    ],
)
def test_what_is_missing_is_said_with_the_command_that_gets_it(
    root: Path, home: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Before anything is started."""
    mlrepo(
        root,
        "bench",
        "run",
        *arguments,
        "--scenario",
        "Offline",
        "--mode",
        "accuracy",
        code=2,
        MLREPO_HOME=str(home),
    ).says(*words)


def test_a_data_set_that_is_not_prepared_for_the_model_is_refused(
    root: Path, home: Path, tmp_path: Path
) -> None:
    """MobileNet takes its images in another way than ResNet-50."""
    model = tiny_classifier(tmp_path / "m.onnx")
    run = (
        "bench",
        "run",
        "--model",
        "mobilenet",
        "--model-file",
        str(model),
        "--scenario",
        "Offline",
        "--mode",
        "accuracy",
    )
    mlrepo(root, *run, code=2, MLREPO_HOME=str(home)).says("--way mobilenet")
    mlrepo(root, *run, code=2, MLREPO_HOME=str(tmp_path)).says("dataset add imagenet2012")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--precision", "bf16"), ("no precision 'bf16'", "fp32")),
        (("--count", "501"), ("501 samples", "the data set has 500")),
        (("--backend-opt", "nonsense=1"), ("no option 'nonsense'", "streams")),
        (("--backend-opt", "streams=none"), ("positive number",)),
        (("--backend-opt", "streams=99"), ("more than the number of threads",)),
        (("--backend-opt", "provider=warp"), ("no such provider",)),
        (
            ("--backend-opt", "provider=tensorrt"),
            ("does not run on cpu", "Add --device cuda"),
        ),
    ],
)
def test_what_a_backend_cannot_do_is_refused_and_not_recorded(
    root: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """The backend itself says it, in the run's own process, before anything is measured."""
    run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "accuracy")
    mlrepo(root, *run, *arguments, code=2).says(*words)
    assert mlrepo(root, "log", "--json").json["runs"] == []
    assert not spooled(root)


def test_the_list_says_what_can_run_and_what_gets_the_rest(home: Path, tmp_path: Path) -> None:
    """Per benchmark, model and backend."""
    listed = mlrepo(tmp_path, "bench", "list", "--json", MLREPO_HOME=str(home)).json
    needed = {
        (e["benchmark"], e["model"], e["backend"]): e["needed"] for e in listed["combinations"]
    }
    assert needed["digits", "resnet8-digits", "onnx"] == []
    assert needed["resnet50", "tiny", "onnx"] == []
    assert needed["resnet50-random", "seed-0", "onnx"] == []
    assert needed["resnet50", "v1.5-opset-11", "onnx"] == [
        "mlrepo model fetch resnet50/v1.5-opset-11"
    ]
    assert (
        "mlrepo dataset prepare imagenet2012 --way pytorch"
        in (needed["resnet50", "v1.5-pytorch", "pytorch"])
    )
    overview = mlrepo(tmp_path, "bench", "list", MLREPO_HOME=str(home), COLUMNS="80").out
    models = {key[:2] for key in needed}
    # A line for each model; the list of backends and what is missing may go on in a second line.
    assert len(overview.splitlines()) <= len(models) + 9
    assert "…" not in overview
    assert "resnet50-random" in overview
    mlrepo(tmp_path, "bench", "list", "resnet50", MLREPO_HOME=str(home), COLUMNS="60").says(
        "resnet50 tiny with ", "mlrepo dataset prepare imagenet2012 --way pytorch"
    )
    mlrepo(tmp_path, "bench", "list", "nothing", code=2).says("no benchmark 'nothing'", "digits")


def test_models_and_data_sets_are_listed(home: Path, tmp_path: Path) -> None:
    """As JSON and for people."""
    models = mlrepo(tmp_path, "model", "list", "--json", MLREPO_HOME=str(home)).json["models"]
    here = {model["name"] for model in models if model["path"]}
    assert "resnet50/tiny" in here
    assert "resnet50/v1.5-opset-11" not in here
    mlrepo(tmp_path, "model", "show", "resnet50", MLREPO_HOME=str(home)).says(
        "f6a4da60cd5f084d97efc2c1ddb10beb", "input_tensor:0"
    )
    listed = mlrepo(tmp_path, "dataset", "list", "--json", MLREPO_HOME=str(home)).json
    [images] = [one for one in listed["datasets"] if one["name"] == "imagenet2012"]
    assert "vgg" in images["prepared"]


def test_prereq_prints_the_command(tmp_path: Path) -> None:
    """With the pins, for what is not installed; nothing is installed with --dry-run."""
    said = mlrepo(tmp_path, "bench", "prereq", "--backend", "tvm-onnx", "--json").json
    assert "apache-tvm-ffi==0.1.14.post1" in said["requirements"]
    assert bool(said["command"]) == bool(said["missing"])
    mlrepo(tmp_path, "bench", "prereq", "--backend", "tvm-onnx", "--dry-run")
    mlrepo(tmp_path, "bench", "prereq", code=2).says("--backend, --dataset or --model")
    mlrepo(tmp_path, "bench", "prereq", "--backend", "nonsense", code=2).says("no backend")
