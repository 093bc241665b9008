"""A quantized model computes in int8 what the original computes, and documents how it was made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from mlrepo.bench.calibration import find_calibration
from mlrepo.bench.fastest import compared_ways
from mlrepo.bench.inputs import find_model
from mlrepo.bench.request import BenchRequest
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT
from mlrepo.workloads.imagenet.calibration import calibration_list
from mlrepo.workloads.imagenet.images import find_images
from mlrepo.workloads.imagenet.prepared import ImageNetStore, PreparedImages
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.quantize import METHODS, quantize
from mlrepo.workloads.stored_model import StoredModel
from mlrepo.workloads.weights import read_facts
from tests.models import tiny_classifier
from tests.photos import write_photos

pytestmark = pytest.mark.long


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's directory with a model of 1000 classes and six photographs."""
    write_photos(tmp_path / "val", 6)
    (tmp_path / "list").write_text("".join(f"ILSVRC2012_val_{n:08}.JPEG\n" for n in (2, 4, 5)))
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    store.prepare("vgg", 2, lambda done, total: None)
    ModelStore(tmp_path / "home").add("resnet50", "tiny", tiny_classifier(tmp_path / "m.onnx"))
    return tmp_path / "home"


def _base(home: Path) -> StoredModel:
    store = ModelStore(home)
    return store.require(store.find("resnet50/tiny"))


def _quantized(home: Path, name: str = "int8", method: str = "minmax") -> StoredModel:
    base = _base(home)
    calibration = find_calibration(home, base, str(home.parent / "list"), None)
    return quantize(ModelStore(home), base, name, method, calibration)


@pytest.mark.parametrize("method", METHODS)
def test_the_scores_are_near_those_of_the_original(
    home: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Convolutions stand between dequantized inputs; the range covers the calibration images."""
    stored = _quantized(home, method=method)
    images = PreparedImages(home / "datasets/imagenet2012/vgg.json").load([1, 3, 4])
    wanted, found = (
        onnxruntime.InferenceSession(path).run(None, {"image": images})[0]
        for path in (_base(home).path, stored.path)
    )
    assert np.abs(found - wanted).max() <= 0.05 * np.abs(wanted).max()
    assert not np.array_equal(found, wanted)
    graph = onnx.load(stored.path).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Conv":
            assert [made_by[name] for name in node.input[:2]] == ["DequantizeLinear"] * 2
    scales = {weight.name: weight.dims for weight in graph.initializer}
    assert list(scales["w1_scale"]) == [32], "one scale per output channel"
    assert capsys.readouterr().out == ""


def test_how_it_was_made_is_recorded(home: Path) -> None:
    """In the registry, in what a measurements file says, and in the draft of the document."""
    stored = _quantized(home)
    again = ModelStore(home).find("resnet50/int8")
    assert again == stored.about
    file = stored.model_file()
    assert (file.weight_data_types, file.precision) == ("int8", "int8")
    assert file.starting_weights_filename == _base(home).about.starting_weights_filename
    for word in ("post-training", "per channel", "minmax", "3 samples", "(list)"):
        assert word in file.weight_transformations
    document = stored.path.with_name(CALIBRATION_DOCUMENT).read_text()
    names = "".join(f"ILSVRC2012_val_{n:08}.JPEG\n" for n in (2, 4, 5))
    assert sha256_bytes(names.encode()) in document
    assert _base(home).sha256 in document


def test_precision_int8_takes_the_quantized_model(home: Path) -> None:
    """The only one; several have to be named; fp32 refuses it."""
    workload = load_plugin(WORKLOADS, "resnet50")
    with pytest.raises(UserError, match="no int8 model of resnet50") as caught:
        find_model(home, workload, precision="int8")
    assert "mlrepo model quantize resnet50" in caught.value.hint
    stored = _quantized(home)
    assert find_model(home, workload, precision="int8").path == stored.path
    assert find_model(home, workload, variant="int8").precision == "int8"
    assert find_model(home, workload, stored.path).precision == "int8"
    with pytest.raises(UserError, match="is int8"):
        find_model(home, workload, variant="int8", precision="fp32")
    with pytest.raises(UserError, match="is fp32"):
        find_model(home, workload, variant="tiny", precision="int8")
    _quantized(home, "other")
    with pytest.raises(UserError, match="int8, other"):
        find_model(home, workload, precision="int8")


@pytest.mark.parametrize("opset", [8, 11])
def test_an_old_opset_is_raised_first(home: Path, tmp_path: Path, opset: int) -> None:
    """Scales per channel came with opset 13; MLPerf's models are older."""
    model = tiny_classifier(tmp_path / "old.onnx", classes=1001, opset=opset)
    base = ModelStore(home).add("resnet50", "old", model)
    calibration = find_calibration(home, base, str(home.parent / "list"), None)
    stored = quantize(ModelStore(home), base, "old-int8", "minmax", calibration)
    assert read_facts(stored.path).weight_data_types == "int8"
    assert read_facts(base.path).weight_data_types == "fp32"


def test_a_model_of_a_fixed_batch_is_fed_its_batch(home: Path, tmp_path: Path) -> None:
    """Three images for a batch of two: the first one fills the last batch up."""
    path = tiny_classifier(tmp_path / "fixed.onnx")
    proto = onnx.load(path)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save_model(proto, path)
    base = ModelStore(home).add("resnet50", "fixed", path)
    calibration = find_calibration(home, base, str(home.parent / "list"), None)
    seen: list[tuple[int, int]] = []
    stored = quantize(
        ModelStore(home), base, "fixed-int8", "minmax", calibration, lambda *at: seen.append(at)
    )
    open_batch = _quantized(home)
    assert set(seen) == {(2, 3), (3, 3)}
    images = PreparedImages(home / "datasets/imagenet2012/vgg.json").load([1, 3])
    found, wanted = (
        onnxruntime.InferenceSession(one.path).run(None, {"image": images})[0]
        for one in (stored, open_batch)
    )
    np.testing.assert_array_equal(found, wanted)


def test_a_failure_names_what_was_tried(home: Path, tmp_path: Path) -> None:
    """With the whole reason of ONNX Runtime, and the input that the model has."""
    base = ModelStore(home).add("resnet50", "whole", tiny_classifier(tmp_path / "whole.onnx"))
    calibration = find_calibration(home, base, str(home.parent / "list"), None)
    small = dataclasses.replace(calibration, dataset=cast(Any, _Small()))
    with pytest.raises(
        UserError, match=r"ONNX Runtime cannot quantize .*invalid dimensions"
    ) as caught:
        quantize(ModelStore(home), base, "more", "minmax", small)
    assert "[n, 3, 224, 224]" in caught.value.hint
    assert "Got: 8 Expected: 224" in caught.value.message + caught.value.detail


class _Small:
    """Images of another size than the model's."""

    sample_shape = (3, 224, 224)

    def load(self, indices: list[int]) -> np.ndarray:
        return np.zeros((len(indices), 3, 8, 8), np.float32)

    def describe(self) -> dict[str, str]:
        return {"name": "small"}


def test_what_cannot_be_quantized_is_refused_and_leaves_nothing(home: Path) -> None:
    """A name that is taken, an int8 model, a damaged file, a file that was changed."""
    _quantized(home)
    with pytest.raises(UserError, match="already"):
        _quantized(home)
    store = ModelStore(home)
    twice = store.require(store.find("resnet50/int8"))
    calibration = find_calibration(home, twice, str(home.parent / "list"), None)
    with pytest.raises(UserError, match="only fp32 ONNX models"):
        quantize(store, twice, "twice", "minmax", calibration)
    base = _base(home)
    (home / "damaged.onnx").write_bytes(b"damaged")
    about = dataclasses.replace(base.about, variant="damaged")
    damaged = store.register(about, home / "damaged.onnx")
    with pytest.raises(UserError, match="onnx cannot load"):
        quantize(store, damaged, "more", "minmax", calibration)
    base.path.write_bytes(b"changed")
    with pytest.raises(UserError, match="was changed since"):
        _quantized(home, "changed")
    left = {path.name for path in (home / "models/resnet50").iterdir()}
    assert left == {"tiny", "int8", "damaged"}


def test_the_lists_of_mlperf_are_known_to_the_byte() -> None:
    """Rebuilt as published, they have the published files' hashes."""
    first, second = calibration_list("mlperf-1"), calibration_list("mlperf-2")
    assert first.sha256 == "7662247d1d9407d6cb564268f64c5a4a6cf9f1a34fd2e6cdc3b94dcf278b3dc9"
    numbered = "".join(f"{name} {number}\n" for number, name in enumerate(second.files))
    assert (
        sha256_bytes(numbered.encode())
        == "11ce810122226ec0ca8c56e47ee356e3c1185f3c6ce8262edb50c3c1d0a9705e"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a.JPEG\na.JPEG\n", r"names a\.JPEG twice"),
        ("ILSVRC2012_val_00000009.JPEG\n", r"1 of the 1 .* not in .*: ILSVRC2012_val_00000009"),
    ],
)
def test_a_bad_list_is_refused_by_name(home: Path, text: str, message: str) -> None:
    """Before anything is computed."""
    (home.parent / "list").write_text(text)
    with pytest.raises(UserError, match=message):
        _quantized(home)


def test_lists_and_counts_that_do_not_apply_are_refused(home: Path) -> None:
    """A list is needed where images are registered, and none where they are generated."""
    base = _base(home)
    path = str(home.parent / "list")
    with pytest.raises(UserError, match="--calibration is missing"):
        find_calibration(home, base, None, None)
    with pytest.raises(UserError, match="cannot be read"):
        find_calibration(home, base, "absent", None)
    with pytest.raises(UserError, match="more than the 3 images"):
        find_calibration(home, base, path, 4)
    assert list(find_calibration(home, base, path, 2).indices) == [1, 3]


@pytest.mark.parametrize("kind", ["named int8", "named fp32", "not named"])
def test_backends_are_compared_in_the_precision_of_a_model_that_is_named(
    tmp_path: Path, kind: str
) -> None:
    """An int8 file is not refused because the first line of the table would be fp32."""
    model = tiny_classifier(tmp_path / "m.onnx", size=32)
    if kind == "named int8":
        quantize_dynamic(model, model, weight_type=QuantType.QInt8)
    request = BenchRequest(
        "resnet50-random",
        "all",
        "Offline",
        "performance",
        model_file=None if kind == "not named" else model,
    )
    ways = compared_ways(tmp_path / "home", request)
    found = {precision for _, precision in ways}
    assert ways[0] == ("onnx", "int8" if kind == "named int8" else "fp32")
    assert ("int8" in found) == (kind != "named fp32")
    assert ("fp32" in found) == (kind != "named int8")
