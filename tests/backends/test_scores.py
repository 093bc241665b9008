"""The reference of scores, the allowed distance from it, and detection of a stale library."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlrepo.backends import Array, BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.harness import agreement
from mlrepo.harness.distance import BOUNDS, farthest, loosest
from mlrepo.harness.feed import outputs_of, plan_feed
from mlrepo.harness.reference import ReferenceRequest
from mlrepo.harness.samples import load_samples
from mlrepo.plugins import BACKENDS, load_plugin
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.digits import DigitsDataset
from mlrepo.workloads.tensors import tensors_of

_SCORES = np.random.default_rng(3).standard_normal((4, 10)).astype(np.float32) * 3
_ROWS = [0, 1, 2, 3, 0, 1]


def _distance(found: Any, wanted: Any = _SCORES, kind: str = "fp32") -> float:
    return farthest([np.asarray(found)], [np.asarray(wanted)], _ROWS, kind).distance


def test_rounding_is_allowed_and_wrong_scores_are_not() -> None:
    """Measured rounding of each type is within its bound, by far; a tenth more is not in fp32."""
    right = _SCORES[_ROWS]
    noise = np.random.default_rng(4).standard_normal(right.shape) * right.std(axis=1, keepdims=True)
    for kind, rounding in (("fp32", 5e-6), ("fp16", 6e-3), ("bf16", 5e-2), ("int8", 4e-2)):
        assert _distance(right + rounding * noise, kind=kind) < BOUNDS[kind] / 2
    assert _distance(right * 1.1) > BOUNDS["fp32"]
    assert _distance(right[:, ::-1], kind="int8") > BOUNDS["int8"]
    shifted = np.roll(right, 1, axis=0)
    assert _distance(shifted, kind="bf16") > BOUNDS["bf16"]


def test_one_wrong_row_is_found_with_its_place() -> None:
    """The same sample stands in another row, where it is right."""
    found = _SCORES[_ROWS].copy()
    found[4, 7] += 1
    place = farthest([found], [_SCORES], _ROWS, "fp32")
    assert (place.row, place.output, place.position) == (4, 0, 7)
    assert place.found == pytest.approx(place.wanted + 1)


def test_scores_that_hardly_differ_may_differ_by_rounding() -> None:
    """A common offset is rounded as itself; zeros are not infinitely far from nearly zero."""
    offset = _SCORES * 1e-3 + 1000
    assert _distance((offset * (1 + 2e-7))[_ROWS], offset) < BOUNDS["fp32"]
    assert _distance(np.full((6, 10), 1e-9), np.zeros((4, 10))) < BOUNDS["fp32"]
    assert _distance(np.full((6, 10), 1e-2), np.zeros((4, 10))) > BOUNDS["fp32"]
    assert _distance(np.zeros((6, 10)), np.tile(np.arange(10) * 1e-40, (4, 1))) > BOUNDS["int8"]


def test_numbers_that_are_none_are_infinitely_far() -> None:
    """NaN is equal to nothing, unless the model itself gives it."""
    wrong = _SCORES[_ROWS].copy()
    wrong[2, 3] = np.nan
    assert _distance(wrong) == np.inf
    assert _distance(wrong, kind="int8") == np.inf
    masked = _SCORES.copy()
    masked[:, 3] = -np.inf
    assert _distance(masked[_ROWS], masked) == 0
    assert _distance(wrong[[2, 2, 2, 2, 2, 2]], np.tile(wrong[2], (4, 1))) == 0


def test_classes_that_the_model_chose_are_compared_as_classes() -> None:
    """Rounding to 8 bits flips some; the wrong ones for most samples are none of its doing."""
    classes = np.array([[3], [7], [1], [2]])
    flipped = np.array([3, 7, 1, 5, 3, 7])
    assert _distance(classes[_ROWS], classes) == 0
    assert _distance(flipped, classes) > BOUNDS["fp32"]
    assert _distance(flipped, classes, "int8") < BOUNDS["int8"]
    assert _distance(classes[_ROWS] + 1, classes, "int8") > BOUNDS["int8"]


def test_another_number_of_scores_is_no_matter_of_distance() -> None:
    """A trailing dimension of one is the same scores; 11 classes are others."""
    assert farthest([_SCORES[_ROWS][:, :, None, None]], [_SCORES], _ROWS, "fp32").distance == 0
    with pytest.raises(ValueError, match="11"):
        farthest([np.zeros((6, 11), np.float32)], [_SCORES], _ROWS, "fp32")
    with pytest.raises(ValueError, match="5"):
        farthest([np.zeros((5, 10), np.float32)], [_SCORES], _ROWS, "fp32")


def test_the_coarsest_type_decides() -> None:
    """A model whose weights are bytes is not held to float32; unknown types are the coarsest."""
    assert loosest(["fp32", "float32"]) == "fp32"
    assert BOUNDS[loosest(["fp32", "uint8", "fp32"])] == BOUNDS["int8"]
    assert loosest(["fp32", "float16"]) == "fp16"
    assert BOUNDS[loosest(["fp32", "fp4"])] == BOUNDS["int8"]


def _write(path: Path, *, batch: Any = "n", seed: int = 0, element: int = 1) -> Path:
    """Write a model of digits: one matrix, for a batch or any."""
    rng = np.random.default_rng(seed)
    dtype = helper.tensor_dtype_to_np_dtype(element)
    weights = numpy_helper.from_array(rng.standard_normal((64, 10)).astype(dtype), "w")
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element, [batch, 1, 8, 8])],
        [helper.make_tensor_value_info("y", element, [batch, 10])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, path)
    return path


class _Theirs(OnnxRuntimeBackend):
    """Inherits from the reference, and is compared with it all the same."""


def _check(backend: Any, name: str, model: Path, batch: int, precision: str = "fp32") -> Any:
    """Load and compare a backend as a run does."""
    data = DigitsDataset()
    compared = [0, 16, 32, 48]
    options = BackendOptions(threads=1, batch=batch, cache=model.parent / "cache")
    request = ReferenceRequest(str(model), 1, 4)
    with agreement.expectation(
        model, backend, options, request, lambda: load_samples(data, compared), check=True
    ) as wait:
        backend.load(model, options)
        feed, expected = plan_feed(backend, tensors_of(data), model), wait()

    def predict(indices: Sequence[int]) -> list[Array]:
        return outputs_of(backend, feed.cast(load_samples(data, indices)), feed.static_batch)

    kind = agreement.allowed_type(model, precision, feed)
    return agreement.AgreementCheck(name, predict, compared, kind, Classification()).run(
        expected, sorted({1, feed.static_batch or batch})
    )


@pytest.mark.parametrize("batch", ["n", 1, 3, 8])
def test_models_for_one_batch_are_fed_it(batch: Any, tmp_path: Path) -> None:
    """By the reference as well: smaller than the samples, larger, and neither a multiple."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    model = _write(tmp_path / "m.onnx", batch=batch)
    found = _check(load_plugin(BACKENDS, "openvino")(), "openvino", model, batch=3)
    assert found["reference"].startswith("ONNX Runtime")
    assert found["distance"] < 1e-6
    assert found["samples"] == [0, 16, 32, 48]


@pytest.mark.parametrize(
    ("node", "element"),
    [
        (("ReduceMax", ["y"], {"keepdims": 0}), TensorProto.FLOAT),
        (("Size", ["y"], {}), TensorProto.INT64),
        (("Identity", ["table"], {}), TensorProto.FLOAT),
        (("NonZero", ["y"], {}), TensorProto.INT64),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("batch", [1, 3])
def test_an_output_beside_the_scores_that_is_of_no_sample_is_not_compared(
    node: tuple[str, list[str], dict[str, Any]], element: int, batch: int, tmp_path: Path
) -> None:
    """A number for the whole batch; a table that is as long as the compared samples are many.

    The scores are compared all the same.
    """
    path = _write(tmp_path / "m.onnx")
    model = onnx.load(path)
    kind, inputs, attributes = node
    model.graph.node.append(helper.make_node(kind, inputs, ["beside"], **attributes))
    table = np.arange(agreement.SAMPLES, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "table"))
    model.graph.output.append(helper.make_tensor_value_info("beside", element, None))
    onnx.save_model(model, path)
    found = _check(_Theirs(), "theirs", path, batch=batch)
    assert found["reference"].startswith("ONNX Runtime")
    assert found["distance"] < 1e-5
    with pytest.raises(UserError, match="theirs gives 1 where"):
        _check(_Constant(), "theirs", path, batch=batch)


def test_a_model_of_float16_is_held_to_float16(tmp_path: Path) -> None:
    """OpenVINO computes it in float32, ONNX Runtime rounds after every operator."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    model = _write(tmp_path / "m.onnx", element=TensorProto.FLOAT16)
    found = _check(load_plugin(BACKENDS, "openvino")(), "openvino", model, batch=4)
    assert found["type"] == "fp16"
    assert 0 <= found["distance"] < BOUNDS["fp16"] / 2


def test_a_library_that_was_compiled_from_other_weights_is_found(tmp_path: Path) -> None:
    """Whatever the cache's names say: the scores are those of the library."""
    if importlib.util.find_spec("tvm") is None:
        pytest.skip("tvm is not installed")
    cache = tmp_path / "cache"
    _check(load_plugin(BACKENDS, "tvm-onnx")(), "tvm-onnx", _write(tmp_path / "m.onnx"), batch=2)
    (old,) = cache.glob("*.so")
    shutil.copy(old, tmp_path / "old.so")
    model = _write(tmp_path / "m.onnx", seed=1)
    _check(load_plugin(BACKENDS, "tvm-onnx")(), "tvm-onnx", model, batch=2)
    (new,) = set(cache.glob("*.so")) - {old}
    # A library must not change under the name under which this process has loaded it.
    second = Path(shutil.copytree(cache, tmp_path / "second" / "cache")) / new.name
    second.write_bytes((tmp_path / "old.so").read_bytes())
    about = second.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"sha256": sha256_file(second)}))
    moved = shutil.copy(model, tmp_path / "second" / "m.onnx")
    with pytest.raises(UserError, match=r"tvm-onnx gives .* where ONNX Runtime"):
        _check(load_plugin(BACKENDS, "tvm-onnx")(), "tvm-onnx", Path(moved), batch=2)


class _Constant:
    """Gives the same for all samples."""

    input_shape = (None, 1, 8, 8)

    def load(self, model: Path, options: BackendOptions) -> None: ...

    def predict(self, batch: Array) -> Sequence[Array]:
        return [np.ones((len(batch), 10), np.float32)]

    def describe(self) -> Mapping[str, Any]:
        return {}


def test_a_file_of_pytorch_is_compared_with_pytorch(tmp_path: Path) -> None:
    """In eager mode; ONNX Runtime cannot read it."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch

    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    model = tmp_path / "m.pt2"
    shapes = ({0: torch.export.Dim("n", min=1, max=4096)},)
    program = torch.export.export(module, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=shapes)
    torch.export.save(program, model)
    with pytest.raises(UserError, match=r"theirs gives 1 where PyTorch 2"):
        _check(_Constant(), "theirs", model, batch=2)
    found = _check(load_plugin(BACKENDS, "pytorch")(), "pytorch", model, batch=2)
    assert found["reference"].startswith("PyTorch ")
    assert found["distance"] < 1e-6


def _nothing() -> dict[str, Any]:
    raise AssertionError("no sample is asked for")


def test_a_file_that_only_its_own_framework_reads_is_not_compared(tmp_path: Path) -> None:
    """It is said, and is nobody's choice."""
    (tmp_path / "m.xml").write_text("<net/>")
    request = ReferenceRequest("", 1, 4)
    with agreement.expectation(
        tmp_path / "m.xml", _Constant(), BackendOptions(), request, _nothing, check=True
    ) as wait:
        assert (wait().why, wait().waived) == ("no other framework here reads m.xml", False)
