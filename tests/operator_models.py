"""A classifier around each operator that image models hold, at the opsets where it changed.

An operator comes after a convolution of 8 channels on images of 16 by 16 and before a fully
connected layer, so that a wrong element anywhere changes the scores. What jumps (rounding, the
largest of) is applied to the image itself: it is the same, bit for bit, for every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.onnx_builder import GeneratedModel, Graph

_Make = Callable[[Graph, str], str]


def _one(kind: str, **attributes: Any) -> _Make:
    return lambda g, x: g.node(kind, x, **attributes)


def _tokens(g: Graph, x: str) -> str:
    """Return features [n, 8, 16, 16] as [n, 2, 32, 32]: matrices per sample and head."""
    return g.node("Reshape", x, g.const([0, 2, 32, 32]))


def _pool(kind: str, **attributes: Any) -> _Make:
    return _one(kind, **{"kernel_shape": [3, 3], **attributes})


def _conv(**attributes: Any) -> _Make:
    group = attributes.get("group", 1)
    out = attributes.pop("out", 8)

    def make(g: Graph, x: str) -> str:
        return g.node("Conv", x, g.weight(out, 8 // group, 3, 3), g.weight(out), **attributes)

    return make


def _conv_transpose(out: int = 6, group: int = 1, **attributes: Any) -> _Make:
    def make(g: Graph, x: str) -> str:
        weights = g.weight(8, out // group, 3, 3, scale=0.1)
        return g.node("ConvTranspose", x, weights, g.weight(out), group=group, **attributes)

    return make


def _resize(sizes: bool = False, **attributes: Any) -> _Make:
    def make(g: Graph, x: str) -> str:
        region = "" if g.opset >= 13 else g.const([], np.float32)
        if not sizes:
            scales = g.const([1, 1, 1.5, 2], np.float32)
            return g.node("Resize", x, region, scales, **attributes)
        # The batch is taken from the features, as exporters do.
        batch = g.node("Slice", g.node("Shape", x), g.const([0]), g.const([2]))
        wanted = g.node("Concat", batch, g.const([24, 20]), axis=0)
        return g.node("Resize", x, "", "", wanted, **attributes)

    return make


def _pad(mode: str, value: float | None = None, pads: tuple[int, ...] = (1, 2, 3, 1)) -> _Make:
    top, left, bottom, right = pads

    def make(g: Graph, x: str) -> str:
        amounts = g.const([0, 0, top, left, 0, 0, bottom, right])
        fill = [] if value is None else [g.scalar(value)]
        return g.node("Pad", x, amounts, *fill, mode=mode)

    return make


def _reduce(kind: str, axes: list[int] | None, *, given: bool, **attributes: Any) -> _Make:
    """Reduce over axes that are an attribute or, ``given``, an input; the batch is left alone."""

    def make(g: Graph, x: str) -> str:
        if given:
            return g.node(kind, x, *([g.const(axes)] if axes else []), **attributes)
        own: dict[str, Any] = {"axes": axes} if axes else {}
        return g.node(kind, x, **attributes, **own)

    return make


def _over_the_batch(g: Graph, x: str) -> str:
    """A mean over all axes, which holds all samples, times zero: the answer is the sample's own."""
    mean = g.node("ReduceMean", x, keepdims=1)
    return g.node("Add", x, g.node("Mul", mean, g.scalar(0.0)))


def _where(g: Graph, x: str) -> str:
    return g.node("Where", g.node("Greater", g.image, g.scalar(0.2)), g.image, g.weight(3, 16, 16))


def _attention(form: str) -> _Make:
    def make(g: Graph, x: str) -> str:
        q = _tokens(g, x)
        k = g.node("Mul", q, g.scalar(0.5))
        if form == "einsum":
            weights = g.node("Einsum", q, k, equation="bhqd,bhkd->bhqk")
        else:
            weights = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2]))
        scaled = g.node("Mul", weights, g.scalar(32**-0.5))
        return g.node("MatMul", g.node("Softmax", scaled, axis=-1), q)

    return make


def _matmul(rank: int) -> _Make:
    def make(g: Graph, x: str) -> str:
        if rank == 1:
            return g.node("MatMul", x, g.weight(16))
        if rank == 2:
            return g.node("MatMul", g.node("Flatten", x, axis=1), g.weight(2048, 12, scale=0.02))
        if rank == 3:
            tokens = g.node("Reshape", x, g.const([0, 8, 256]))
            return g.node("MatMul", tokens, g.weight(256, 12, scale=0.06))
        tokens = _tokens(g, x)
        return g.node("MatMul", tokens, g.node("Transpose", tokens, perm=[0, 1, 3, 2]))

    return make


def _gemm(**attributes: Any) -> _Make:
    def make(g: Graph, x: str) -> str:
        flat = g.node("Flatten", g.node("GlobalAveragePool", x))
        a = g.node("Transpose", flat, perm=[1, 0]) if attributes.get("transA") else flat
        b = g.weight(*((12, 8) if attributes.get("transB") else (8, 12)))
        bias = attributes.get("bias", "row")
        kinds: dict[str, Callable[[], list[str]]] = {
            "row": lambda: [g.weight(12)],
            "one": lambda: [g.scalar(0.5)],
            "none": list,
        }
        rest = {key: value for key, value in attributes.items() if key != "bias"}
        return g.node("Gemm", a, b, *kinds[bias](), **rest)

    return make


def _clip(low: float | None, high: float | None, *, given: bool) -> _Make:
    def make(g: Graph, x: str) -> str:
        if given:
            return g.node("Clip", x, *["" if v is None else g.scalar(v) for v in (low, high)])
        bounds: dict[str, Any] = {"min": low, "max": high}
        return g.node("Clip", x, **{k: v for k, v in bounds.items() if v is not None})

    return make


def _split(sizes: list[int] | None, parts: int, how: str) -> _Make:
    def make(g: Graph, x: str) -> str:
        given = [g.const(sizes)] if how == "input" else []
        extra: dict[str, Any] = {"split": sizes} if how == "attribute" else {}
        if how == "number":
            extra = {"num_outputs": parts}
        pieces = g.nodes("Split", x, *given, outputs=parts, axis=1, **extra)
        return g.node("Concat", *reversed(pieces), axis=1)

    return make


def _slice(starts: list[int], ends: list[int], axes: list[int], steps: list[int] | None) -> _Make:
    def make(g: Graph, x: str) -> str:
        values = [starts, ends, axes, *([steps] if steps else [])]
        return g.node("Slice", x, *[g.const(v) for v in values])

    return make


def _shape_chain(g: Graph, x: str) -> str:
    """Reshape as exporters of PyTorch write ``view(x.size(0), -1)``."""
    batch = g.node("Gather", g.node("Shape", x), g.const(np.array(0)), axis=0)
    wanted = g.node("Concat", g.node("Unsqueeze", batch, g.const([0])), g.const([-1]), axis=0)
    return g.node("Reshape", x, wanted)


def _class_token(g: Graph, x: str) -> str:
    """Repeat a token for each sample, as exporters of PyTorch write ``expand``."""
    tokens = g.node("Transpose", g.node("Reshape", x, g.const([0, 8, 256])), perm=[0, 2, 1])
    batch = g.node("Gather", g.node("Shape", tokens), g.const([0]), axis=0)
    wanted = g.node("Concat", batch, g.const([-1, -1]), axis=0)
    ones = g.node("ConstantOfShape", g.const([3]), value=_int_tensor(1))
    minus = g.node("Equal", wanted, g.node("Mul", ones, g.const(np.array(-1))))
    wanted = g.node("Where", minus, ones, wanted)
    return g.node("Concat", g.node("Expand", g.weight(1, 1, 8), wanted), tokens, axis=1)


def _int_tensor(value: int) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([value], np.int64))


def _scaled(kind: str, **attributes: Any) -> _Make:
    """Normalizations with a scale and a bias."""
    return lambda g, x: g.node(kind, x, g.positive(8), g.weight(8), epsilon=1e-5, **attributes)


def _layer_norm(g: Graph, x: str) -> str:
    last = g.node("Transpose", x, perm=[0, 2, 3, 1])
    return g.node("LayerNormalization", last, g.positive(8), g.weight(8), axis=-1, epsilon=1e-6)


def _layer_norm_of_parts(g: Graph, x: str) -> str:
    """Layer normalization as it is written before opset 17."""
    last = g.node("Transpose", x, perm=[0, 2, 3, 1])
    centred = g.node("Sub", last, g.node("ReduceMean", last, axes=[-1]))
    variance = g.node("ReduceMean", g.node("Pow", centred, g.scalar(2.0)), axes=[-1])
    deviation = g.node("Sqrt", g.node("Add", variance, g.scalar(1e-6)))
    scaled = g.node("Mul", g.node("Div", centred, deviation), g.positive(8))
    return g.node("Add", scaled, g.weight(8))


def _top_k(g: Graph, x: str) -> str:
    best, places = g.nodes("TopK", g.image, g.const([3]), outputs=2, axis=-1)
    return g.node("Concat", best, g.node("Cast", places, to=1), axis=-1)


def _arg_max(**attributes: Any) -> _Make:
    return lambda g, x: g.node("Cast", g.node("ArgMax", g.image, **attributes), to=1)


def _after(first: str, then: _Make, **attributes: Any) -> _Make:
    return lambda g, x: then(g, g.node(first, x, **attributes))


def _of_image(kind: str, **attributes: Any) -> _Make:
    return lambda g, x: g.node(kind, g.image, **attributes)


def _binary(kind: str, *, shape: tuple[int, ...] = (8, 1, 1)) -> _Make:
    return lambda g, x: g.node(kind, x, g.positive(*shape))


def _indexed(kind: str, index: Any, **attributes: Any) -> _Make:
    return lambda g, x: g.node(kind, x, g.const(index), **attributes)


def _dropout(form: str) -> _Make:
    def make(g: Graph, x: str) -> str:
        if form == "attribute":
            return g.node("Dropout", x, ratio=0.4)
        if form == "inputs":
            return g.node("Dropout", x, g.scalar(0.4), g.const(np.array(False), np.bool_))
        return g.nodes("Dropout", x, outputs=2)[0]

    return make


def _if(g: Graph, x: str) -> str:
    from onnx import helper

    branches = {}
    for name, kind in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        out = helper.make_tensor_value_info(name, 1, None)
        branches[name] = helper.make_graph([helper.make_node(kind, [x], [name])], name, [], [out])
    return g.node("If", g.const(np.array(True), np.bool_), **branches)


def _attributes_as_constants(g: Graph, x: str) -> str:
    factors = g.node("Constant", value_floats=[0.5, 2.0] * 8)
    return g.node("Add", g.node("Mul", x, factors), g.node("Constant", value_float=0.25))


def _sequence(g: Graph, x: str) -> str:
    parts = g.node("SplitToSequence", x, axis=1, keepdims=1)
    return g.node("ConcatFromSequence", parts, axis=1)


def _gather_channels(g: Graph, x: str) -> str:
    return g.node("Gather", x, g.const([[3, 0], [5, -1]]), axis=1)


def _expand(g: Graph, x: str) -> str:
    pooled = g.node("GlobalAveragePool", x)
    return g.node("Mul", g.node("Expand", pooled, g.const([1, 8, 16, 16])), x)


def _range(g: Graph, x: str) -> str:
    numbers = g.node("Range", *(g.const(np.array(v)) for v in (0, 16, 1)))
    return g.node("Mul", x, g.node("Cast", numbers, to=1))


def _one_hot(g: Graph, x: str) -> str:
    best = g.node("ArgMax", g.image, axis=1, keepdims=0)
    return g.node("OneHot", best, g.const([3]), g.const([0.5, 2.0], np.float32), axis=1)


def _scatter(g: Graph, x: str) -> str:
    flat = g.node("Transpose", g.node("Flatten", x, axis=1), perm=[1, 0])
    ones = g.node("Slice", flat, g.const([0]), g.const([2]), g.const([0]))
    return g.node("Transpose", g.node("ScatterND", flat, g.const([[5], [0]]), ones), perm=[1, 0])


def _many(kind: str) -> _Make:
    return lambda g, x: g.node(kind, x, g.node("Tanh", x), g.positive(8, 1, 1))


def _squeeze(*, given: bool) -> _Make:
    def make(g: Graph, x: str) -> str:
        pooled = g.node("GlobalAveragePool", x)
        if given:
            flat = g.node("Squeeze", pooled, g.const([2, 3]))
            return g.node("Unsqueeze", flat, g.const([-1]))
        return g.node("Unsqueeze", g.node("Squeeze", pooled, axes=[2, 3]), axes=[2])

    return make


def _max_pool_places(g: Graph, x: str) -> str:
    best, places = g.nodes("MaxPool", g.image, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    within = g.node("Mod", places, g.const(np.array(256)))
    return g.node("Concat", best, g.node("Cast", within, to=1), axis=1)


_HALF: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel"}
_ASYMMETRIC: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric"}

# Name, opsets, what is made of the graph and its features.
OPERATORS: tuple[tuple[str, tuple[int, ...], _Make], ...] = (
    ("Softmax over the rest", (11,), _one("Softmax", axis=1)),
    ("Softmax by default", (11, 13), _one("Softmax")),
    ("Softmax over channels", (13,), _one("Softmax", axis=1)),
    ("LogSoftmax", (11, 13), _one("LogSoftmax", axis=2)),
    ("Hardmax", (11, 13), _of_image("Hardmax", axis=2)),
    ("MaxPool dilated", (12,), _pool("MaxPool", dilations=[2, 2], strides=[2, 2])),
    ("MaxPool without strides", (11,), _pool("MaxPool")),
    ("MaxPool ceil", (12,), _pool("MaxPool", strides=[2, 2], ceil_mode=1)),
    ("MaxPool SAME_UPPER", (12,), _pool("MaxPool", strides=[2, 2], auto_pad="SAME_UPPER")),
    ("MaxPool SAME_LOWER", (12,), _pool("MaxPool", strides=[2, 2], auto_pad="SAME_LOWER")),
    ("MaxPool uneven pads", (12,), _pool("MaxPool", strides=[2, 2], pads=[0, 0, 1, 1])),
    ("MaxPool with places", (12,), _max_pool_places),
    ("AveragePool without strides", (11,), _pool("AveragePool")),
    (
        "AveragePool pads counted",
        (11,),
        _pool("AveragePool", strides=[2, 2], pads=[1] * 4, count_include_pad=1),
    ),
    ("AveragePool pads left out", (11,), _pool("AveragePool", strides=[2, 2], pads=[1] * 4)),
    ("AveragePool uneven pads", (11,), _pool("AveragePool", strides=[2, 2], pads=[0, 0, 1, 1])),
    ("AveragePool SAME_UPPER", (11,), _pool("AveragePool", strides=[2, 2], auto_pad="SAME_UPPER")),
    ("AveragePool ceil", (19,), _pool("AveragePool", strides=[2, 2], ceil_mode=1)),
    (
        "AveragePool ceil, pads counted",
        (19,),
        _pool("AveragePool", strides=[2, 2], ceil_mode=1, pads=[1] * 4, count_include_pad=1),
    ),
    ("AveragePool dilated", (19,), _pool("AveragePool", dilations=[2, 2])),
    ("LpPool", (11, 18), _pool("LpPool", p=2, strides=[2, 2])),
    ("GlobalMaxPool", (11,), _one("GlobalMaxPool")),
    ("GlobalLpPool", (11,), _one("GlobalLpPool", p=2)),
    ("Conv grouped", (11,), _conv(group=2)),
    ("Conv depthwise", (11,), _conv(group=8, pads=[1] * 4)),
    ("Conv depthwise with a multiplier", (11,), _conv(group=8, out=16)),
    ("Conv dilated", (11,), _conv(dilations=[2, 2], pads=[2] * 4)),
    ("Conv SAME_UPPER", (11,), _conv(auto_pad="SAME_UPPER", strides=[2, 2])),
    ("Conv SAME_LOWER", (11,), _conv(auto_pad="SAME_LOWER", strides=[2, 2])),
    ("Conv VALID", (11,), _conv(auto_pad="VALID")),
    ("Conv uneven pads", (11,), _conv(pads=[0, 1, 2, 0])),
    ("Conv uneven strides", (11,), _conv(strides=[1, 3], pads=[1, 0, 1, 0])),
    (
        "Conv 1-D",
        (11,),
        lambda g, x: g.node(
            "Conv", g.node("Reshape", x, g.const([0, 8, 256])), g.weight(4, 8, 5), strides=[2]
        ),
    ),
    (
        "Conv 3-D",
        (11,),
        lambda g, x: g.node("Conv", g.node("Unsqueeze", x, axes=[1]), g.weight(2, 1, 3, 3, 3)),
    ),
    ("ConvTranspose", (11,), _conv_transpose(strides=[2, 2])),
    (
        "ConvTranspose output padding",
        (11,),
        _conv_transpose(strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    ),
    ("ConvTranspose grouped", (11,), _conv_transpose(group=2, strides=[2, 2])),
    ("ConvTranspose output shape", (11,), _conv_transpose(strides=[2, 2], output_shape=[32, 32])),
    ("ConvTranspose SAME_UPPER", (11,), _conv_transpose(strides=[2, 2], auto_pad="SAME_UPPER")),
    ("Dropout ratio as attribute", (7, 10), _dropout("attribute")),
    ("Dropout ratio as input", (12, 13), _dropout("inputs")),
    ("Dropout with a mask", (12, 13), _dropout("mask")),
    ("Where", (9, 16), _where),
    ("ReduceMean over pixels", (11,), _reduce("ReduceMean", [2, 3], given=False)),
    ("ReduceMean over pixels", (18,), _reduce("ReduceMean", [-1, -2], given=True, keepdims=0)),
    ("ReduceMean over all axes", (13, 18), _over_the_batch),
    (
        "ReduceMean of a constant",
        (13,),
        lambda g, x: g.node("Mul", x, g.node("ReduceMean", g.positive(3, 4), keepdims=0)),
    ),
    (
        "ReduceMean over no axes",
        (18,),
        _reduce("ReduceMean", None, given=True, noop_with_empty_axes=1),
    ),
    ("ReduceSum", (11,), _reduce("ReduceSum", [1], given=False, keepdims=0)),
    ("ReduceSum", (13,), _reduce("ReduceSum", [1], given=True, keepdims=0)),
    ("ReduceMax", (13,), _reduce("ReduceMax", [1], given=False)),
    ("ReduceMin", (18,), _reduce("ReduceMin", [1], given=True)),
    ("ReduceL2", (13,), _reduce("ReduceL2", [3], given=False)),
    ("ReduceSumSquare", (18,), _reduce("ReduceSumSquare", [3], given=True)),
    ("ReduceLogSumExp", (13,), _reduce("ReduceLogSumExp", [1], given=False)),
    ("ReduceProd", (13,), _reduce("ReduceProd", [1], given=False)),
    ("Resize nearest", (11, 13), _resize(mode="nearest", nearest_mode="floor", **_ASYMMETRIC)),
    ("Resize nearest by default", (13,), _resize(mode="nearest")),
    (
        "Resize nearest to a size",
        (13,),
        _resize(True, mode="nearest", nearest_mode="round_prefer_ceil", **_HALF),
    ),
    ("Resize linear", (11, 13, 18), _resize(mode="linear", **_HALF)),
    ("Resize linear to a size", (13,), _resize(True, mode="linear", **_HALF)),
    (
        "Resize linear, corners",
        (13,),
        _resize(mode="linear", coordinate_transformation_mode="align_corners"),
    ),
    ("Resize linear, asymmetric", (13,), _resize(mode="linear", **_ASYMMETRIC)),
    ("Resize cubic", (13,), _resize(mode="cubic", **_HALF)),
    (
        "Resize cubic as PyTorch",
        (13,),
        _resize(
            mode="cubic", cubic_coeff_a=-0.5, coordinate_transformation_mode="pytorch_half_pixel"
        ),
    ),
    (
        "Resize linear, antialias",
        (18,),
        lambda g, x: g.node(
            "Resize", x, "", g.const([1, 1, 0.5, 0.5], np.float32), mode="linear", antialias=1
        ),
    ),
    (
        "Upsample",
        (9,),
        lambda g, x: g.node("Upsample", x, g.const([1, 1, 2, 2], np.float32), mode="nearest"),
    ),
    (
        "Pad as attribute",
        (10,),
        _one("Pad", pads=[0, 0, 1, 2, 0, 0, 3, 1], mode="constant", value=0.5),
    ),
    ("Pad constant", (11, 13), _pad("constant", 0.5)),
    ("Pad constant by default", (13,), _pad("constant")),
    ("Pad reflect", (13,), _pad("reflect")),
    ("Pad edge", (13,), _pad("edge")),
    ("Pad wrap", (19,), _pad("wrap")),
    ("Pad negative", (13,), _pad("constant", 0.0, (-1, 2, -2, 0))),
    (
        "Pad by axes",
        (18,),
        lambda g, x: g.node(
            "Pad", x, g.const([1, 2]), g.scalar(1.5), g.const([3]), mode="constant"
        ),
    ),
    ("LayerNormalization", (17,), _layer_norm),
    ("LayerNormalization in parts", (13,), _layer_norm_of_parts),
    (
        "RMSNormalization",
        (23,),
        lambda g, x: g.node(
            "RMSNormalization", g.node("Transpose", x, perm=[0, 2, 3, 1]), g.positive(8), axis=-1
        ),
    ),
    ("GroupNormalization", (21,), _scaled("GroupNormalization", num_groups=4)),
    ("InstanceNormalization", (11,), _scaled("InstanceNormalization")),
    ("BatchNormalization", (7, 9, 15), lambda g, x: g.batch_norm(x, 8)),
    ("LRN", (11, 13), _one("LRN", size=3, alpha=0.5, beta=0.6, bias=1.5)),
    ("LpNormalization", (11,), _one("LpNormalization", axis=1, p=2)),
    ("MeanVarianceNormalization", (13,), _one("MeanVarianceNormalization", axes=[2, 3])),
    ("Gelu", (20,), _one("Gelu")),
    ("Gelu by tanh", (20,), _one("Gelu", approximate="tanh")),
    ("Erf", (9, 13), _one("Erf")),
    ("HardSwish", (14,), _one("HardSwish")),
    ("HardSigmoid by default", (11,), _one("HardSigmoid")),
    ("HardSigmoid", (11,), _one("HardSigmoid", alpha=1 / 6, beta=0.5)),
    ("PRelu per channel", (9, 16), lambda g, x: g.node("PRelu", x, g.weight(8, 1, 1, scale=1))),
    ("PRelu of one slope", (9,), lambda g, x: g.node("PRelu", x, g.weight(1, scale=1))),
    ("LeakyRelu by default", (11,), _one("LeakyRelu")),
    ("LeakyRelu", (16,), _one("LeakyRelu", alpha=0.3)),
    ("Elu", (11,), _one("Elu", alpha=0.7)),
    ("Selu", (11,), _one("Selu")),
    ("Celu", (12,), _one("Celu", alpha=0.7)),
    ("ThresholdedRelu", (11,), _of_image("ThresholdedRelu", alpha=0.4)),
    ("Mish", (18,), _one("Mish")),
    ("Softplus", (11,), _one("Softplus")),
    ("Softsign", (11,), _one("Softsign")),
    ("Swish", (11,), lambda g, x: g.node("Mul", x, g.node("Sigmoid", x))),
    ("Swish", (24,), _one("Swish")),
    ("Sin", (11,), _one("Sin")),
    (
        "Exp, Log, Sqrt",
        (11,),
        lambda g, x: g.node("Log", g.node("Sqrt", g.node("Add", g.node("Exp", x), g.scalar(1.0)))),
    ),
    ("Clip by attributes", (6,), _clip(-0.5, 0.8, given=False)),
    ("Clip from below, attribute", (6,), _clip(0.1, None, given=False)),
    ("Clip by inputs", (11, 13), _clip(-0.5, 0.8, given=True)),
    ("Clip from above, input", (13,), _clip(None, 0.3, given=True)),
    ("Clip without bounds", (13,), lambda g, x: g.node("Clip", x)),
    ("Gemm", (11,), _gemm()),
    ("Gemm scaled", (11,), _gemm(transB=1, alpha=0.5, beta=2.0)),
    ("Gemm transposed", (11,), _gemm(transA=1)),
    ("Gemm of one bias", (11,), _gemm(bias="one", beta=0.5)),
    ("Gemm without bias", (13,), _gemm(bias="none", transB=1)),
    ("MatMul by a vector", (13,), _matmul(1)),
    ("MatMul 2-D", (13,), _matmul(2)),
    ("MatMul 3-D", (13,), _matmul(3)),
    ("MatMul 4-D", (13,), _matmul(4)),
    ("Attention", (13,), _attention("matmul")),
    ("Attention by Einsum", (13,), _attention("einsum")),
    ("Einsum", (12,), lambda g, x: g.node("Einsum", x, g.weight(16, 5), equation="nchw,wk->nkhc")),
    ("Split by attribute", (11,), _split([3, 5], 2, "attribute")),
    ("Split by input", (13,), _split([3, 5], 2, "input")),
    ("Split evenly", (13,), _split(None, 2, "evenly")),
    ("Split by number", (18,), _split(None, 3, "number")),
    ("Slice by attributes", (9,), _one("Slice", starts=[1, 2], ends=[7, -1], axes=[1, 2])),
    ("Slice", (10, 13), _slice([1, 2], [7, -1], [1, 2], None)),
    ("Slice with steps", (13,), _slice([-1, 0], [-9, 100], [1, 3], [-2, 3])),
    ("Gather", (11, 13), _gather_channels),
    (
        "GatherElements",
        (13,),
        lambda g, x: g.node(
            "Add", x, g.node("GatherElements", g.weight(8, 16), g.const([[5, 2] * 8]), axis=0)
        ),
    ),
    (
        "GatherND",
        (13,),
        lambda g, x: g.node(
            "Transpose",
            g.node(
                "GatherND", g.node("Transpose", x, perm=[1, 2, 3, 0]), g.const([[1, 2], [7, -1]])
            ),
            perm=[2, 0, 1],
        ),
    ),
    ("ScatterND", (13,), _scatter),
    ("Concat by a negative axis", (11,), lambda g, x: g.node("Concat", x, x, axis=-3)),
    ("Expand", (13,), _expand),
    ("Expand a class token", (13,), _class_token),
    ("Tile", (13,), _indexed("Tile", [1, 2, 1, 3])),
    (
        "Transpose by default",
        (13,),
        lambda g, x: g.node(
            "MatMul", g.node("Flatten", x, axis=1), g.node("Transpose", g.weight(12, 2048))
        ),
    ),
    ("DepthToSpace DCR", (11, 13), _one("DepthToSpace", blocksize=2)),
    ("DepthToSpace CRD", (11,), _one("DepthToSpace", blocksize=2, mode="CRD")),
    ("SpaceToDepth", (11, 13), _one("SpaceToDepth", blocksize=2)),
    ("ArgMax", (11, 13), _arg_max(axis=2)),
    ("ArgMax, the last one", (12,), _arg_max(axis=1, keepdims=0, select_last_index=1)),
    ("ArgMin", (13,), lambda g, x: g.node("Cast", g.node("ArgMin", g.image, axis=-1), to=1)),
    ("TopK", (11,), _top_k),
    ("CumSum", (11, 14), lambda g, x: g.node("CumSum", x, g.const(np.array(2)))),
    (
        "CumSum exclusive, reverse",
        (14,),
        lambda g, x: g.node("CumSum", x, g.const(np.array(-1)), exclusive=1, reverse=1),
    ),
    ("Reshape by a chain of shapes", (13,), _shape_chain),
    ("Reshape with 0 and -1", (13,), _indexed("Reshape", [0, -1, 4])),
    (
        "Shape of a part",
        (15,),
        lambda g, x: g.node(
            "Reshape",
            x,
            g.node("Concat", g.node("Shape", x, start=0, end=2), g.const([-1]), axis=0),
        ),
    ),
    (
        "Flatten at axis 2",
        (11,),
        lambda g, x: g.node("Reshape", g.node("Flatten", x, axis=2), g.const([-1, 8, 256])),
    ),
    (
        "Flatten at a negative axis",
        (13,),
        lambda g, x: g.node("Reshape", g.node("Flatten", x, axis=-1), g.const([-1, 8, 256])),
    ),
    ("Squeeze, Unsqueeze by attribute", (11,), _squeeze(given=False)),
    ("Squeeze, Unsqueeze by input", (13,), _squeeze(given=True)),
    ("Range", (11,), _range),
    ("OneHot", (11,), _one_hot),
    ("Trilu", (14,), lambda g, x: g.node("Trilu", x, upper=0)),
    ("If", (13,), _if),
    ("Sequence", (11,), _sequence),
    ("Constant of floats", (13,), _attributes_as_constants),
    ("Cast to integers", (13,), lambda g, x: g.node("Cast", g.node("Cast", g.image, to=6), to=1)),
    (
        "Floor, Ceil, Round",
        (11,),
        lambda g, x: g.node(
            "Sum",
            *[
                g.node(kind, g.node("Mul", g.image, g.scalar(2.1)))
                for kind in ("Floor", "Ceil", "Round")
            ],
        ),
    ),
    ("Mod of floats", (13,), lambda g, x: g.node("Mod", g.image, g.scalar(0.7), fmod=1)),
    ("Sign, Abs, Neg", (13,), lambda g, x: g.node("Mul", _sign(g), g.node("Abs", x))),
    ("Div", (13,), _binary("Div")),
    (
        "Div of integers",
        (13,),
        lambda g, x: g.node(
            "Cast",
            g.node(
                "Div",
                g.node("Cast", g.node("Mul", g.image, g.scalar(9.0)), to=7),
                g.const(np.array(2)),
            ),
            to=1,
        ),
    ),
    ("Sub, broadcast", (13,), _binary("Sub", shape=(16,))),
    ("Pow", (13,), lambda g, x: g.node("Pow", g.node("Abs", x), g.scalar(1.7))),
    ("Pow of a negative base", (13,), lambda g, x: g.node("Pow", x, g.scalar(3.0))),
    ("Pow by an integer", (13,), lambda g, x: g.node("Pow", x, g.const(np.array(2)))),
    ("Max", (13,), _many("Max")),
    ("Min", (8,), _many("Min")),
    ("Mean", (13,), _many("Mean")),
    ("Sum", (13,), _many("Sum")),
    (
        "And, Not",
        (13,),
        lambda g, x: g.node(
            "Cast",
            g.node(
                "And",
                g.node("Less", g.image, g.scalar(0.5)),
                g.node("Not", g.node("Less", g.image, g.scalar(-0.5))),
            ),
            to=1,
        ),
    ),
)


def _sign(g: Graph) -> str:
    sign = g.node("Sign", g.node("ReduceSum", g.image, g.const([1]), keepdims=1))
    return g.node("Neg", sign)


def operator_models() -> Iterator[GeneratedModel]:
    """Yield a classifier per operator and opset."""
    for name, opsets, make in OPERATORS:
        for opset in opsets:
            title = f"{name}, opset {opset}"
            graph = Graph(title, opset)
            features = graph.conv(graph.image, 3, 8)
            scores = graph.head(make(graph, features))
            yield GeneratedModel(title, graph.finish(scores), (3, 16, 16))
