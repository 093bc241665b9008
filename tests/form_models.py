"""Classifiers in each form of file, type, input and output that exporters produce."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

from tests.onnx_builder import CLASSES, GeneratedModel, Graph

_Body = Callable[[Graph, str], str]
_IMAGE = (3, 16, 16)
# Of the largest score: half precision keeps 11 bits, bfloat16 keeps 8; where a value lies between
# two steps of eight bits, frameworks may round to either.
_HALF, _BFLOAT, _EIGHT_BITS = 1e-2, 4e-2, 5e-2
_OPSET = 13


def _body(g: Graph, x: str) -> str:
    """A convolution, an activation, pooling: features [n, 8, 8, 8]."""
    y = g.node("Relu", g.conv(x, 3, 8))
    return g.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])


def _plain(g: Graph, x: str) -> str:
    return g.head(_body(g, x))


def _products(g: Graph, x: str) -> str:
    """Two matrix products: in double, ONNX Runtime has no convolution."""
    y = g.node("MatMul", g.node("Flatten", x), g.weight(768, 12, scale=0.05))
    return g.node("MatMul", g.node("Relu", y), g.weight(12, CLASSES))


def _cast(to: int, body: _Body) -> _Body:
    """Compute in the type of the graph, between two casts."""
    return lambda g, x: g.node("Cast", body(g, g.node("Cast", x, to=to)), to=TensorProto.FLOAT)


def _cast_weights(kind: Any) -> _Body:
    """Keep weights in a small type, and cast each before its use."""

    def make(g: Graph, x: str) -> str:
        first = g.node("Cast", g.weight(8, 3, 3, 3, dtype=kind), to=TensorProto.FLOAT)
        y = g.node("Relu", g.node("Conv", x, first, pads=[1] * 4))
        y = g.node("Flatten", g.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]))
        weights = g.weight(512, CLASSES, scale=0.05, dtype=kind)
        return g.node("MatMul", y, g.node("Cast", weights, to=TensorProto.FLOAT))

    return make


def _steps(g: Graph, x: str, kind: Any, scale: float, zero: int) -> str:
    """Round activations to eight bits and back."""
    about = g.const(np.array(scale), np.float32), g.const(np.array(zero), kind)
    return g.node("DequantizeLinear", g.node("QuantizeLinear", x, *about), *about)


def _small(g: Graph, shape: Sequence[int], kind: Any = np.int8, *, per_channel: bool) -> str:
    """Weights in eight bits, with one scale or one per output channel."""
    count = [shape[0]] if per_channel else []
    rng = np.random.default_rng(7)
    values = g.const(rng.integers(-100, 100, shape), kind)
    scales = g.const(rng.uniform(0.5, 1.5, count) / 60 / np.sqrt(np.prod(shape[1:])), np.float32)
    zeros = g.const(np.zeros(count), kind)
    return g.node("DequantizeLinear", values, scales, zeros, axis=0)


def _qdq(kind: Any, zero: int, *, per_channel: bool) -> _Body:
    def make(g: Graph, x: str) -> str:
        weights = _small(g, (8, 3, 3, 3), per_channel=per_channel)
        y = g.node("Conv", _steps(g, x, kind, 0.05, zero), weights, pads=[1] * 4)
        y = _steps(g, g.node("Relu", y), kind, 0.04, 0 if kind == np.uint8 else -128)
        y = g.node("Flatten", g.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]))
        return g.node("Gemm", y, _small(g, (CLASSES, 512), per_channel=per_channel), transB=1)

    return make


def _dynamic(g: Graph, x: str) -> str:
    """As ``quantize_dynamic`` writes a matrix product."""
    values, scale, zero = g.nodes(
        "DynamicQuantizeLinear", g.node("Flatten", _body(g, x)), outputs=3
    )
    weights = g.const(np.random.default_rng(1).integers(-100, 100, (512, CLASSES)), np.int8)
    product = g.node("MatMulInteger", values, weights, zero, g.const(np.array(0), np.int8))
    factor = g.node("Mul", scale, g.const(np.array(7e-4), np.float32))
    return g.node("Mul", g.node("Cast", product, to=TensorProto.FLOAT), factor)


def _qlinear(g: Graph, x: str) -> str:
    """As ``QuantFormat.QOperator`` writes a convolution."""
    scale, zero = g.const(np.array(0.05), np.float32), g.const(np.array(128), np.uint8)
    weights = g.const(np.random.default_rng(1).integers(-100, 100, (8, 3, 3, 3)), np.int8)
    about = g.const(np.array(0.003), np.float32), g.const(np.array(0), np.int8)
    y = g.node(
        "QLinearConv",
        g.node("QuantizeLinear", x, scale, zero),
        scale,
        zero,
        weights,
        *about,
        scale,
        zero,
        pads=[1] * 4,
    )
    return g.head(g.node("DequantizeLinear", y, scale, zero))


def _int4(g: Graph, x: str) -> str:
    flat = g.node("Flatten", _body(g, x))
    values = np.random.default_rng(1).integers(-7, 8, (512, CLASSES))
    weights = g.const(values, ml_dtypes.int4)
    scales = g.const(np.full(CLASSES, 0.01), np.float32)
    return g.node("MatMul", flat, g.node("DequantizeLinear", weights, scales, axis=1))


def _square(g: Graph, x: str) -> str:
    """Classes as channels of one pixel, as a fully convolutional network gives them."""
    y = g.node("GlobalAveragePool", _body(g, x))
    return g.node("Conv", y, g.weight(CLASSES, 8, 1, 1), g.weight(CLASSES))


def _channels_last(g: Graph, x: str) -> str:
    return _plain(g, g.node("Transpose", x, perm=[0, 3, 1, 2]))


def _pooled(g: Graph, x: str) -> str:
    """No size but that of the channels matters."""
    return g.gemm(g.node("Flatten", g.node("GlobalAveragePool", _body(g, x))), 8, CLASSES)


def _unsigned(g: Graph, x: str) -> str:
    return _plain(g, g.node("Cast", x, to=TensorProto.FLOAT))


def _two_inputs(g: Graph, x: str) -> str:
    more = g.take("mask", TensorProto.FLOAT, ["n", 1, 16, 16])
    return _plain(g, g.node("Mul", x, more))


def _contrib(g: Graph, x: str) -> str:
    """Operators of ONNX Runtime's own, as its optimizer writes them."""
    y = g.node("QuickGelu", _body(g, x), domain="com.microsoft", alpha=1.702)
    flat = g.node("Flatten", y)
    weights = g.weight(512, CLASSES, scale=0.05)
    return g.node("FusedMatMul", flat, weights, domain="com.microsoft", alpha=0.5)


def _function(g: Graph, x: str) -> str:
    """A function of the model's own, as PyTorch's exporter writes modules."""
    nodes = [
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
    ]
    opset = [helper.make_opsetid("", _OPSET)]
    g.function(helper.make_function("local.modules", "Block", ["a"], ["c"], nodes, opset))
    return g.head(g.node("Block", _body(g, x), domain="local.modules"))


def _best(g: Graph, x: str) -> str:
    """Only the class, as the MLPerf model of ResNet-50 of TensorFlow gives it."""
    return g.node("ArgMax", _plain(g, x), axis=1, keepdims=0)


def _make(
    name: str,
    body: _Body = _plain,
    *,
    opset: int = _OPSET,
    bound: float = 1e-4,
    image: tuple[int, ...] = _IMAGE,
    refused: bool = False,
    precision: str = "fp32",
    **graph: Any,
) -> GeneratedModel:
    title = f"{name}, opset {opset}"
    g = Graph(title, opset, **{"image": image, **graph})
    proto = g.finish(body(g, g.image))
    return GeneratedModel(title, proto, image, bound, refused, precision=precision)


def form_models() -> Iterator[GeneratedModel]:
    """Yield a classifier per form of file, type, input and output."""
    yield _make("A plain classifier")
    yield _make("A plain classifier", opset=9)
    yield _make("A plain classifier", opset=21)
    external = _make("External data")
    yield GeneratedModel(external.name, external.proto, external.image, external=True)
    listed = _make("Weights listed as inputs")
    for weight in listed.proto.graph.initializer:
        listed.proto.graph.input.append(
            helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        )
    yield listed
    yield _make("Batch of 1", batch=1)
    yield _make("Batch of 4", batch=4)
    yield _renamed(_make("Names of TensorFlow"))
    yield _make("1001 classes", lambda g, x: g.head(_body(g, x), 1001))
    yield _make("Scores of rank 4", _square)
    yield _make("The class alone", _best)
    yield _make("The class alone and rank 2", lambda g, x: g.node("ArgMax", _plain(g, x), axis=1))
    yield _make("Channels last", _channels_last, image=(16, 16, 3))
    yield _made_open(_make("Open height and width", _pooled))
    yield _two_outputs()
    yield _make("Float16", dtype=np.float16, bound=_HALF)
    yield _make(
        "Float16 between casts",
        _cast(TensorProto.FLOAT16, _plain),
        dtype=np.float16,
        takes=TensorProto.FLOAT,
        bound=_HALF,
    )
    yield _make("Float16 weights", _cast_weights(np.float16))
    yield _make("Bfloat16 weights", _cast_weights(ml_dtypes.bfloat16))
    yield _make("Double", _products, dtype=np.float64)
    yield _make(
        "Double between casts",
        _cast(TensorProto.DOUBLE, _products),
        dtype=np.float64,
        takes=TensorProto.FLOAT,
    )
    quantized: dict[str, Any] = {"bound": _EIGHT_BITS, "precision": "int8"}
    yield _make("QDQ uint8", _qdq(np.uint8, 120, per_channel=False), **quantized)
    yield _make("QDQ int8", _qdq(np.int8, 3, per_channel=False), **quantized)
    yield _make("QDQ per channel", _qdq(np.uint8, 120, per_channel=True), **quantized)
    yield _make("Operators of eight bits", _qlinear, **quantized)
    yield _make("Quantized dynamically", _dynamic, **quantized)
    # ONNX Runtime and OpenVINO multiply these with activations of eight bits.
    yield _make("Int4 weights", _int4, opset=21, bound=_EIGHT_BITS)
    yield _make("Operators of ONNX Runtime", _contrib)
    yield _make("A function of its own", _function)
    yield _make("Takes uint8", _unsigned, takes=TensorProto.UINT8, refused=True)
    yield _make("Takes int64", _unsigned, takes=TensorProto.INT64, refused=True)
    yield _make("Takes two inputs", _two_inputs, refused=True)
    other = _make("Another image size")
    yield GeneratedModel(other.name, other.proto, (3, 18, 18), refused=True)


def _renamed(model: GeneratedModel) -> GeneratedModel:
    """Give inputs, outputs and weights names with colons, slashes, spaces and other letters."""
    graph = model.proto.graph
    names = {"image": "serving_default/input tensor:0", graph.output[0].name: "Identität:0"}
    for number, weight in enumerate(graph.initializer):
        names[weight.name] = f"model/conv {number}/kernel:0"
    for entry in (*graph.input, *graph.output, *graph.initializer):
        entry.name = names[entry.name]
    for node in graph.node:
        for one in (node.input, node.output):
            one[:] = [names.get(name, name) for name in one]
    return model


def _made_open(model: GeneratedModel) -> GeneratedModel:
    dims = model.proto.graph.input[0].type.tensor_type.shape.dim
    for dim, name in zip(dims[2:], ("height", "width"), strict=True):
        dim.dim_param = name
    return model


def _two_outputs() -> GeneratedModel:
    title = f"Scores and features, opset {_OPSET}"
    g = Graph(title, _OPSET)
    features = _body(g, g.image)
    return GeneratedModel(title, g.finish(g.head(features), features), _IMAGE)
