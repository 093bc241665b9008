"""All backends treat inputs alike: fed exactly, by a recorded cast, or refused.

The tests of missing frameworks are skipped.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from mlrepo.backends import Array, BackendOptions
from mlrepo.backends.inputs import TensorSpec
from mlrepo.errors import UserError
from mlrepo.harness.feed import FedInput, Feed, plan_feed
from mlrepo.harness.samples import load_samples
from mlrepo.plugins import BACKENDS, load_plugin
from mlrepo.workloads.digits import DigitsDataset
from mlrepo.workloads.tensors import tensors_of

_MODULES = {
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "pytorch": ("torch",),
    "tvm-onnx": ("tvm",),
    "tvm-pytorch": ("tvm", "torch"),
}
_IMAGE = ("n", 1, 8, 8)
_CLASSES = 10
_TENSORS = tensors_of(DigitsDataset())


def _load(backend: str, model: Path) -> tuple[Any, Feed]:
    for module in _MODULES[backend]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    loaded = load_plugin(BACKENDS, backend)()
    loaded.load(model, BackendOptions(batch=2, threads=1))
    return loaded, plan_feed(loaded, _TENSORS, model)


def _tensor(kind: int = TensorProto.FLOAT, shape: Any = _IMAGE, name: str = "x") -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _write(path: Path, inputs: Sequence[ValueInfoProto], *, ir: int = 8) -> Path:
    """Write a model of one matrix; its weights are listed among its inputs before IR version 4."""
    first = inputs[0].type.tensor_type if inputs else _tensor().type.tensor_type
    sizes = [d.dim_value for d in first.shape.dim[1:]]
    rows = int(np.prod(sizes)) if all(sizes) else 64
    weights = np.random.default_rng(0).standard_normal((rows, _CLASSES)).astype(np.float32)
    source = inputs[0].name if inputs else "c"
    nodes = [
        helper.make_node("Flatten", ["cast" if first.elem_type > 1 else source], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    if first.elem_type > 1:
        nodes.insert(0, helper.make_node("Cast", [source], ["cast"], to=TensorProto.FLOAT))
    constants = [numpy_helper.from_array(weights, "w")]
    if not inputs:
        constants.append(numpy_helper.from_array(np.ones((1, rows), np.float32), "c"))
    if ir < 4:
        inputs = [_tensor(shape=(rows, _CLASSES), name="w"), *inputs]
    outputs = [_tensor(shape=("n", _CLASSES), name="y")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir)
    onnx.save_model(model, path)
    return path


_REFUSED: dict[str, tuple[Sequence[ValueInfoProto], str]] = {
    "uint8": ([_tensor(TensorProto.UINT8)], r"elements of type uint8 \(input x\).*float32"),
    "int8": ([_tensor(TensorProto.INT8)], "type int8"),
    "int32": ([_tensor(TensorProto.INT32)], "type int32"),
    "int64": ([_tensor(TensorProto.INT64)], "type int64"),
    "bool": ([_tensor(TensorProto.BOOL)], "type bool"),
    "bfloat16": ([_tensor(TensorProto.BFLOAT16)], "type bfloat16"),
    "two": ([_tensor(), _tensor(name="mask", shape=("n",))], r"has 2 inputs \(x: float32 \[batch"),
    "none": ([], "has 0 inputs"),
}


@pytest.mark.parametrize("kind", _REFUSED)
@pytest.mark.parametrize("backend", _MODULES)
def test_what_float_samples_do_not_fit_is_refused_in_the_same_words(
    backend: str, kind: str, tmp_path: Path
) -> None:
    """Before a framework casts: OpenVINO cuts floats to bytes without a word."""
    inputs, words = _REFUSED[kind]
    with pytest.raises(UserError, match=r"The model m\.onnx " + f".*{words}") as caught:
        _load(backend, _write(tmp_path / "m.onnx", inputs))
    assert caught.value.hint.startswith("Export the model with")


@pytest.mark.parametrize("backend", _MODULES)
def test_weights_listed_as_inputs_are_none(backend: str, tmp_path: Path) -> None:
    """Files of IR version 3 list every initializer."""
    loaded, feed = _load(backend, _write(tmp_path / "m.onnx", [_tensor()], ir=3))
    assert feed.float_types == ["float32"]
    assert loaded.predict(DigitsDataset().load([0, 1]))[0].shape == (2, _CLASSES)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize(
    ("kind", "dtype", "cast"),
    [
        (TensorProto.FLOAT16, "float16", "float32 samples rounded to float16"),
        (TensorProto.DOUBLE, "float64", "float32 samples widened to float64"),
        (TensorProto.FLOAT, "float32", ""),
    ],
)
def test_other_floats_are_fed_by_a_cast_that_is_stated(
    backend: str, kind: int, dtype: str, cast: str, tmp_path: Path
) -> None:
    """The model gets its own type; the record says what became of the samples."""
    loaded, feed = _load(backend, _write(tmp_path / "m.onnx", [_tensor(kind)]))
    samples = feed.cast(load_samples(DigitsDataset(), [0, 1]))
    assert isinstance(samples, np.ndarray)
    assert samples.dtype == dtype
    assert loaded.predict(samples)[0].shape == (2, _CLASSES)
    assert feed.describe()["cast"] == cast
    assert feed.describe()["type"] == dtype
    assert feed.describe()["shape"] == [None, 1, 8, 8]


def test_a_value_beyond_float16_is_refused() -> None:
    """Instead of an infinity in the model's input."""
    (tensor,) = _TENSORS
    feed = Feed((FedInput(TensorSpec("x", "float16", None), tensor),), None)
    with pytest.raises(UserError, match="70000"):
        feed.cast({"": np.array([1.0, 70000.0], np.float32)})


@pytest.mark.parametrize("backend", _MODULES)
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((), r"shape \[\]|sizes of its input open"),
        (("n", 64), r"\[(batch|2), 64\].*\[batch, 1, 8, 8\]"),
        (("n", 8, 8, 1), r"\[(batch|2), 8, 8, 1\].*\[batch, 1, 8, 8\]"),
        ((2, 3, 8, 8), r"\[2, 3, 8, 8\]|\[batch, 3, 8, 8\]"),
    ],
    ids=["scalar", "flat", "channels last", "three channels"],
)
def test_a_model_of_another_shape_is_refused(
    backend: str, shape: tuple[Any, ...], words: str, tmp_path: Path
) -> None:
    """With both shapes, or with what a compiling backend cannot know."""
    path = tmp_path / "m.onnx"
    if shape:
        _write(path, [_tensor(shape=shape)])
    else:
        nodes = [helper.make_node("Identity", ["x"], ["y"])]
        graph = helper.make_graph(nodes, "g", [_tensor(shape=())], [_tensor(shape=None, name="y")])
        onnx.save_model(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
            path,
        )
    with pytest.raises(UserError, match=words) as caught:
        _load(backend, path)
    assert ("NHWC" in caught.value.hint) == (shape[-1:] == (1,))


@pytest.mark.parametrize("backend", _MODULES)
def test_open_sizes_are_taken_or_refused(backend: str, tmp_path: Path) -> None:
    """Whoever compiles for one size cannot guess it."""
    path = _write(tmp_path / "m.onnx", [_tensor(shape=(None, None, None, None))])
    if backend in ("onnx", "openvino"):
        loaded, feed = _load(backend, path)
        assert feed.static_batch is None
        assert loaded.predict(DigitsDataset().load([0, 1]))[0].shape == (2, _CLASSES)
    else:
        with pytest.raises(UserError, match=r"sizes of its input open.*\[batch, \?, \?, \?\]"):
            _load(backend, path)


class _Theirs:
    """A backend of a third party, written before there were inputs to report."""

    input_shape: tuple[int | None, ...] = (None, 1, 8, 8)

    def load(self, model: Path, options: BackendOptions) -> None: ...

    def predict(self, batch: Array) -> Sequence[Array]:
        return [np.zeros((len(batch), _CLASSES), np.float32)]

    def describe(self) -> Mapping[str, Any]:
        return {}


def test_a_backend_that_reports_only_a_shape_gets_float32() -> None:
    """``inputs`` is optional, () is any shape, and what is reported otherwise is named."""
    theirs, model = _Theirs(), Path("m.onnx")
    assert plan_feed(theirs, _TENSORS, model).float_types == ["float32"]
    theirs.input_shape = ()
    assert plan_feed(theirs, _TENSORS, model).static_batch is None
    theirs.input_shape = (4, 1, 8, 8)
    assert plan_feed(theirs, _TENSORS, model).static_batch == 4
    theirs.input_shape = (0, 1, 8, 8)
    with pytest.raises(UserError, match="batches of 0 samples"):
        plan_feed(theirs, _TENSORS, model)
    theirs.inputs = ["x"]  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="reports its model's inputs"):
        plan_feed(theirs, _TENSORS, model)
