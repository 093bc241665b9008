"""TVM imports ONNX operators as ONNX Runtime runs them, or they are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

pytest.importorskip("tvm", reason="tvm is not installed")

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.backends.tvm.constants import fold_constants, set_batch
from mlrepo.errors import UserError

_SHAPE = (16, 6, 10)
_node = helper.make_node


def _f(*shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    values: np.ndarray = np.sin(np.arange(size, dtype=np.float32) * 1.7)
    return values.reshape(shape)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


# Constants that the operators below read.
_VALUES: Mapping[str, np.ndarray] = {
    "channel": _f(16, 1, 1),
    "kernel": _f(16, 16, 3, 3),
    "transposed": _f(16, 8, 3, 3),
    "positive": np.abs(_f(16)),
    "of_channels": _f(16),
    "matrix": _f(10, 20),
    "many": _f(16, 10, 6),
    "rows": _f(8, 960),
    "bias": _f(8),
    "low": _number(-0.2),
    "high": _number(0.6),
    "zero": _number(0),
    "two": np.array(2, np.int64),
    "three": _ints(3),
    "half": _number(0.5),
    "no": np.array(False),
    "axes": _ints(2, 3),
    "last": _ints(-1),
    "shape": _ints(0, -1, 10),
    "starts": _ints(-1, 1),
    "ends": _ints(-100, 9),
    "of_axes": _ints(1, 3),
    "steps": _ints(-2, 3),
    "around": _ints(0, 0, 1, 2, 0, 0, 3, 4),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "parts": _ints(6, 10),
    "minus": _ints(-1),
    "indices": _ints(0, -1, 3),
    "mask": np.arange(10) % 2 == 0,
}


def _everywhere() -> dict[str, list[NodeProto]]:
    """Operators that are written in the same way in all operator sets here."""
    pool: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}
    padded: dict[str, Any] = {**pool, "pads": [1, 1, 1, 1]}
    return {
        "leaky": [_node("LeakyRelu", ["x"], ["leaky"], alpha=0.3)],
        "hard": [_node("HardSigmoid", ["x"], ["hard"], alpha=1 / 6, beta=0.5)],
        "softmax": [_node("Softmax", ["x"], ["softmax"])],
        "softmax2": [_node("Softmax", ["x"], ["softmax2"], axis=2)],
        "logsoftmax": [_node("LogSoftmax", ["x"], ["logsoftmax"], axis=1)],
        "pool": [_node("MaxPool", ["x"], ["pool"], kernel_shape=[3, 3])],
        "padded": [_node("MaxPool", ["x"], ["padded"], **padded)],
        "mean": [_node("AveragePool", ["x"], ["mean"], **padded)],
        "counted": [_node("AveragePool", ["x"], ["counted"], **padded, count_include_pad=1)],
        "same": [_node("AveragePool", ["x"], ["same"], **pool, auto_pad="SAME_UPPER")],
        "conv": [_node("Conv", ["x", "kernel"], ["conv"], **padded)],
        "same_conv": [
            _node("Conv", ["x", "kernel"], ["same_conv"], strides=[2, 2], auto_pad="SAME_LOWER")
        ],
        "up": [
            _node("ConvTranspose", ["x", "transposed"], ["up"], **padded, output_padding=[1, 1])
        ],
        "sized": [
            _node(
                "ConvTranspose",
                ["x", "transposed"],
                ["sized"],
                strides=[2, 2],
                output_shape=[12, 20],
            )
        ],
        "norm": [
            _node(
                "BatchNormalization",
                ["x", "of_channels", "of_channels", "of_channels", "positive"],
                ["norm"],
            )
        ],
        "instance": [
            _node("InstanceNormalization", ["x", "of_channels", "of_channels"], ["instance"])
        ],
        "matmul": [_node("MatMul", ["x", "matrix"], ["matmul"])],
        "batched": [_node("MatMul", ["x", "many"], ["batched"])],
        "squared": [
            _node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
            _node("MatMul", ["x", "t"], ["squared"]),
        ],
        "gemm": [
            _node("Flatten", ["x"], ["flat"]),
            _node("Gemm", ["flat", "rows", "bias"], ["gemm"], alpha=0.5, beta=2.0, transB=1),
        ],
        "sum": [_node("Sum", ["x", "channel", "x"], ["sum"])],
        "largest": [_node("Max", ["x", "channel", "zero"], ["largest"])],
        "where": [_node("Where", ["mask", "x", "half"], ["where"])],
        "power": [_node("Mul", ["x", "x"], ["xx"]), _node("Pow", ["xx", "half"], ["power"])],
        "gather": [_node("Gather", ["x", "indices"], ["gather"], axis=1)],
        "space": [_node("DepthToSpace", ["x"], ["space"], blocksize=2)],
        "chain": [
            _node("Shape", ["x"], ["sizes"]),
            _node("Constant", [], ["first"], value=numpy_helper.from_array(_ints(0))),
            _node("Gather", ["sizes", "first"], ["n"]),
            _node("Concat", ["n", "minus"], ["flat_sizes"], axis=0),
            _node("Reshape", ["x", "flat_sizes"], ["chain"]),
        ],
        "filled": [
            _node("Shape", ["x"], ["filled_sizes"]),
            _node(
                "ConstantOfShape",
                ["filled_sizes"],
                ["twos"],
                value=numpy_helper.from_array(np.array([2], np.float32)),
            ),
            _node("Mul", ["x", "twos"], ["filled"]),
        ],
    }


def _of_set(opset: int) -> dict[str, list[NodeProto]]:
    """Operators whose spelling or meaning changed."""
    one: dict[str, Any] = {"to": TensorProto.FLOAT}
    found: dict[str, list[NodeProto]] = {}
    if opset == 9:
        found = {
            "cut": [_node("Slice", ["x"], ["cut"], starts=[1, 2], ends=[-1, 100], axes=[1, 2])],
            "clip": [_node("Clip", ["x"], ["clip"], min=-0.2, max=0.6)],
            "pad": [_node("Pad", ["x"], ["pad"], pads=[0, 0, 1, 2, 0, 0, 3, 4], value=1.5)],
            "larger": [_node("Upsample", ["x", "scales"], ["larger"], mode="nearest")],
            "smooth": [_node("Upsample", ["x", "scales"], ["smooth"], mode="linear")],
            "dropped": [_node("Dropout", ["x"], ["dropped"], ratio=0.5)],
        }
    if opset == 10:
        found["resized"] = [_node("Resize", ["x", "scales"], ["resized"], mode="nearest")]
    if opset < 13:
        found |= {
            "reduced": [_node("ReduceMean", ["x"], ["reduced"], axes=[2, 3])],
            "all": [_node("ReduceMean", ["x"], ["m"]), _node("Add", ["x", "m"], ["all"])],
            "halves": [
                _node("Split", ["x"], ["s1", "s2"], axis=1, split=[6, 10]),
                _node("Concat", ["s2", "s1"], ["halves"], axis=1),
            ],
            "squeezed": [
                _node("GlobalAveragePool", ["x"], ["g"]),
                _node("Squeeze", ["g"], ["squeezed"], axes=[2, 3]),
            ],
        }
    if opset >= 10:
        found |= {
            "dilated": [
                _node("MaxPool", ["x"], ["dilated"], kernel_shape=[3, 3], dilations=[2, 2])
            ],
            "ceil": [
                _node("MaxPool", ["x"], ["ceil"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
            ],
            "mean_ceil": [
                _node(
                    "AveragePool",
                    ["x"],
                    ["mean_ceil"],
                    kernel_shape=[3, 3],
                    strides=[2, 2],
                    ceil_mode=1,
                )
            ],
            "stepped": [_node("Slice", ["x", "starts", "ends", "of_axes", "steps"], ["stepped"])],
        }
    if opset >= 13:
        found |= {
            "reduced": [_node("ReduceSum", ["x", "last"], ["reduced"], keepdims=0)],
            "halves": [
                _node("Split", ["x", "parts"], ["s1", "s2"], axis=1),
                _node("Concat", ["s2", "s1"], ["halves"], axis=1),
            ],
            "clip": [_node("Clip", ["x", "", "high"], ["clip"])],
            "pad": [_node("Pad", ["x", "around", "half"], ["pad"])],
            "mirrored": [_node("Pad", ["x", "around"], ["mirrored"], mode="reflect")],
            "larger": [_node("Resize", ["x", "", "scales"], ["larger"], mode="linear")],
            "dropped": [_node("Dropout", ["x", "half", "no"], ["dropped", "ones"])],
            "masked": [_node("Cast", ["ones"], ["masked"], **one)],
            "whole_power": [_node("Pow", ["x", "two"], ["whole_power"])],
            "class": [
                _node("ArgMax", ["x"], ["a"], axis=1),
                _node("Cast", ["a"], ["class"], **one),
            ],
            "best": [_node("TopK", ["x", "three"], ["best", "_"])],
        }
    if opset >= 18:
        found |= {
            "all": [_node("ReduceMean", ["x"], ["m"]), _node("Add", ["x", "m"], ["all"])],
            "layer": [_node("LayerNormalization", ["x", "of_rows"], ["layer"])],
        }
    return found


def _write(path: Path, outputs: Mapping[str, list[NodeProto]], opset: int) -> Path:
    """Write a model of a convolution, whose result x all operators read, and all their results."""
    values = {**_VALUES, "of_rows": _f(10), "w": _f(16, 16, 1, 1) * 0.3}
    nodes = [
        _node("Conv", ["image", "w"], ["x"]),
        *(n for group in outputs.values() for n in group),
    ]
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "operators",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *_SHAPE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(v, name) for name, v in values.items() if name in read],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save_model(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    return path


def _both(path: Path, **extra: str) -> tuple[list[Any], list[Any], TvmOnnxBackend]:
    image = _f(2, *_SHAPE)
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=2, threads=1, extra=extra))
    wanted.load(path, BackendOptions(threads=1))
    return list(backend.predict(image)), list(wanted.predict(image)), backend


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 18])
def test_operators_are_those_of_onnx_runtime(opset: int, tmp_path: Path) -> None:
    """With what each operator set says of defaults, axes, padding and rounding."""
    outputs = {**_everywhere(), **_of_set(opset)}
    found, expected, backend = _both(_write(tmp_path / "m.onnx", outputs, opset))
    wrong = [
        name
        for name, a, b in zip(outputs, found, expected, strict=True)
        if a.shape != b.shape or np.abs(a - b).max() > 1e-5 * max(1.0, np.abs(b).max())
    ]
    assert not wrong
    assert not backend.describe()["options"]["unscheduled"]


@pytest.mark.parametrize(
    ("node", "opset", "said"),
    [
        (_node("Celu", ["x"], ["y"]), 17, "operator Celu of operator set 17|ONNX: Celu"),
        (_node("TopK", ["x", "three"], ["y", "i"]), 10, "operator TopK of operator set 10"),
        (
            _node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2], name="p"),
            17,
            r"MaxPool of operator set 17 \(node p\): indices",
        ),
        (_node("Dropout", ["x"], ["y", "i"]), 10, "Dropout of operator set 10: the mask"),
        (_node("ReduceL2", ["x"], ["y"], noop_with_empty_axes=1), 18, "ReduceL2 .*noop_with"),
        (
            _node("QuickGelu", ["x"], ["y"], domain="com.microsoft"),
            17,
            "operator com.microsoft.QuickGelu of operator set 1",
        ),
        (_node("Resize", ["x", "", "scales"], ["y"], mode="linear", antialias=1), 18, "antialias"),
    ],
    ids=lambda value: getattr(value, "op_type", ""),
)
def test_what_would_be_wrong_is_refused_by_name(
    node: NodeProto, opset: int, said: str, tmp_path: Path
) -> None:
    """The operator, its set and its node are in the message, and nothing is kept."""
    path = _write(tmp_path / "m.onnx", {"y": [node]}, opset)
    options = BackendOptions(batch=2, threads=1, cache=tmp_path / "cache")
    with pytest.raises(UserError, match=said) as caught:
        TvmOnnxBackend().load(path, options)
    assert caught.value.hint
    assert not list((tmp_path / "cache").iterdir())


def test_what_does_not_depend_on_the_input_is_a_value(tmp_path: Path) -> None:
    """Chains of shapes, constant conditions, and weights that are cast or transposed."""
    branches = {
        name: helper.make_graph(
            [_node(kind, ["x"], [f"{name}/y"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}/y", TensorProto.FLOAT, None)],
        )
        for name, kind in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    nodes = {
        **{name: _everywhere()[name] for name in ("chain", "filled")},
        "taken": [
            _node("Size", ["x"], ["size"]),
            _node("Equal", ["size", "two"], ["condition"]),
            _node("If", ["condition"], ["taken"], **branches),
        ],
    }
    model = onnx.load(_write(tmp_path / "m.onnx", nodes, 17))
    set_batch(model, "image", (2, *_SHAPE))
    fold_constants(model)
    assert [node.op_type for node in model.graph.node] == [
        "Conv",
        "Reshape",
        "Mul",
        "Neg",
        "Identity",
    ]
    values = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    assert values["flat_sizes"].tolist() == [2, -1]
    assert values["twos"].shape == (2, *_SHAPE)
    assert "two" not in values
    found, expected, _ = _both(_write(tmp_path / "m.onnx", nodes, 17))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_narrow_weights_are_computed_in_float32(tmp_path: Path) -> None:
    """As ONNX Runtime does on a CPU: sums in float16 lose more than the weights did."""
    path = _write(tmp_path / "m.onnx", {"y": _everywhere()["gemm"]}, 17)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        )
    model.graph.output[0].name = "gemm"
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save_model(model, path)
    image = _f(2, *_SHAPE).astype(np.float16)
    backend, wanted = TvmOnnxBackend(), OnnxRuntimeBackend()
    backend.load(path, BackendOptions(batch=2, threads=1))
    wanted.load(path, BackendOptions(threads=1))
    found, expected = backend.predict(image)[0], wanted.predict(image)[0]
    assert np.abs(found - expected).max() <= 2e-3 * np.abs(expected).max()
    assert backend.describe()["options"]["widened"] is True
    assert backend.inputs[0].dtype == "float16"
