"""Ten architectures in the topology that exporters write, with few channels.

Each is written as ``torch.onnx.export`` or tf2onnx writes it: sizes computed from the batch by
chains of Shape, Gather and Concat, attention with reshaped and permuted matrices, windows rolled by
slices, and normalization as separate operators before opset 17.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.onnx_builder import CLASSES, GeneratedModel, Graph


def _batch(g: Graph, x: str) -> str:
    """Return the batch size as a tensor [1], as ``x.size(0)`` is exported."""
    size = g.node("Gather", g.node("Shape", x), g.const(np.array(0)), axis=0)
    return g.node("Unsqueeze", size, g.const([0]))


def _view(g: Graph, x: str, batch: str, *sizes: int) -> str:
    return g.node("Reshape", x, g.node("Concat", batch, g.const(list(sizes)), axis=0))


def _layer_norm(g: Graph, x: str, width: int) -> str:
    if g.opset >= 17:
        scale, bias = g.positive(width), g.weight(width, scale=0.1)
        return g.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-6)
    centred = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
    variance = g.node("ReduceMean", g.node("Pow", centred, g.scalar(2.0)), axes=[-1])
    deviation = g.node("Sqrt", g.node("Add", variance, g.scalar(1e-6)))
    scaled = g.node("Mul", g.node("Div", centred, deviation), g.positive(width))
    return g.node("Add", scaled, g.weight(width, scale=0.1))


def _gelu(g: Graph, x: str) -> str:
    error = g.node("Erf", g.node("Div", x, g.scalar(2**0.5)))
    return g.node("Mul", g.node("Mul", x, g.node("Add", error, g.scalar(1.0))), g.scalar(0.5))


def _mlp(g: Graph, x: str, width: int) -> str:
    return g.linear(_gelu(g, g.linear(x, width, 4 * width)), 4 * width, width)


def _heads(g: Graph, x: str, batch: str, tokens: int, width: int, heads: int) -> list[str]:
    """Return queries, keys and values, each [batch, heads, tokens, width ÷ heads]."""
    joined = g.linear(x, width, 3 * width)
    parts = _view(g, joined, batch, tokens, 3, heads, width // heads)
    permuted = g.node("Transpose", parts, perm=[2, 0, 3, 1, 4])
    return [g.node("Gather", permuted, g.const(np.array(i)), axis=0) for i in range(3)]


def _attention(g: Graph, x: str, batch: str, tokens: int, width: int, heads: int) -> str:
    q, k, v = _heads(g, x, batch, tokens, width, heads)
    scaled = g.node("Mul", q, g.scalar((width // heads) ** -0.5))
    weights = g.node("MatMul", scaled, g.node("Transpose", k, perm=[0, 1, 3, 2]))
    mixed = g.node("MatMul", g.node("Softmax", weights, axis=-1), v)
    joined = _view(g, g.node("Transpose", mixed, perm=[0, 2, 1, 3]), batch, tokens, width)
    return g.linear(joined, width, width)


def _transformer(g: Graph, extra: int) -> tuple[str, int]:
    """Return the tokens of a vision transformer of two blocks, and their width."""
    width, heads, patch, tokens = 24, 3, 8, 16 + extra
    x = g.conv(g.image, 3, width, patch, patch, pads=[0] * 4)
    batch = _batch(g, x)
    x = g.node("Transpose", _view(g, x, batch, width, 16), perm=[0, 2, 1])
    sizes = g.node("Concat", batch, g.const([-1, -1]), axis=0)
    ones = g.node("ConstantOfShape", g.node("Shape", sizes), value=_one())
    minus = g.node("Equal", sizes, g.node("Mul", ones, g.const(np.array(-1))))
    sizes = g.node("Where", minus, ones, sizes)
    first = [g.node("Expand", g.weight(1, 1, width, scale=1), sizes) for _ in range(extra)]
    x = g.node("Add", g.node("Concat", *first, x, axis=1), g.weight(1, tokens, width, scale=0.5))
    for _ in range(2):
        mixed = _attention(g, _layer_norm(g, x, width), batch, tokens, width, heads)
        x = g.node("Add", x, mixed)
        x = g.node("Add", x, _mlp(g, _layer_norm(g, x, width), width))
    return _layer_norm(g, x, width), width


def _one() -> object:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([1], np.int64))


def vit(g: Graph) -> str:
    """Vision transformer: a class token, whose last state is classified."""
    x, width = _transformer(g, 1)
    return g.gemm(g.node("Gather", x, g.const(np.array(0)), axis=1), width, CLASSES)


def deit(g: Graph) -> str:
    """Distilled vision transformer: the mean of two heads on two tokens."""
    x, width = _transformer(g, 2)
    heads = [
        g.gemm(g.node("Gather", x, g.const(np.array(i)), axis=1), width, CLASSES) for i in (0, 1)
    ]
    return g.node("Div", g.node("Add", *heads), g.scalar(2.0))


def _roll(g: Graph, x: str, shift: int) -> str:
    """Roll axes 1 and 2, as ``torch.roll`` is exported: two slices and a concatenation each."""
    for axis in (1, 2):
        far = 2**63 - 1
        tail = g.node("Slice", x, g.const([-shift]), g.const([far]), g.const([axis]))
        rest = g.node("Slice", x, g.const([0]), g.const([-shift]), g.const([axis]))
        x = g.node("Concat", tail, rest, axis=axis)
    return x


def _windows(g: Graph, x: str, size: int, window: int, width: int) -> str:
    count = size // window
    parts = g.node("Reshape", x, g.const([-1, count, window, count, window, width]))
    parts = g.node("Transpose", parts, perm=[0, 1, 3, 2, 4, 5])
    return g.node("Reshape", parts, g.const([-1, window * window, width]))


def _swin_block(g: Graph, x: str, batch: str, size: int, width: int, shift: int) -> str:
    window, heads = 4, 2
    tokens, count = window * window, (size // window) ** 2
    normal = _view(g, _layer_norm(g, x, width), batch, size, size, width)
    parts = _windows(g, _roll(g, normal, -shift) if shift else normal, size, window, width)
    q, k, v = _heads(g, parts, g.const([-1]), tokens, width, heads)
    scaled = g.node("Mul", q, g.scalar((width // heads) ** -0.5))
    weights = g.node("MatMul", scaled, g.node("Transpose", k, perm=[0, 1, 3, 2]))
    # The bias of relative places: a table, gathered by places, as weights.
    table = g.weight((2 * window - 1) ** 2, heads, scale=0.5)
    places = g.const(_relative_places(window).reshape(-1))
    bias = g.node("Reshape", g.node("Gather", table, places), g.const([tokens, tokens, heads]))
    bias = g.node("Unsqueeze", g.node("Transpose", bias, perm=[2, 0, 1]), g.const([0]))
    weights = g.node("Add", weights, bias)
    if shift:
        split = g.node("Reshape", weights, g.const([-1, count, heads, tokens, tokens]))
        mask = g.const(_window_mask(size, window, shift)[None, :, None], np.float32)
        weights = g.node("Add", split, mask)
        weights = g.node("Reshape", weights, g.const([-1, heads, tokens, tokens]))
    mixed = g.node("MatMul", g.node("Softmax", weights, axis=-1), v)
    joined = g.node("Transpose", mixed, perm=[0, 2, 1, 3])
    joined = g.linear(g.node("Reshape", joined, g.const([-1, tokens, width])), width, width)
    side = size // window
    back = g.node("Reshape", joined, g.const([-1, side, side, window, window, width]))
    back = g.node("Transpose", back, perm=[0, 1, 3, 2, 4, 5])
    back = g.node("Reshape", back, g.const([-1, size, size, width]))
    back = _roll(g, back, shift) if shift else back
    x = g.node("Add", x, _view(g, back, batch, size * size, width))
    return g.node("Add", x, _mlp(g, _layer_norm(g, x, width), width))


def _relative_places(window: int) -> np.ndarray:
    places = np.stack(np.meshgrid(np.arange(window), np.arange(window), indexing="ij"))
    flat = places.reshape(2, -1)
    apart = flat[:, :, None] - flat[:, None, :] + window - 1
    return np.asarray(apart[0] * (2 * window - 1) + apart[1])


def _window_mask(size: int, window: int, shift: int) -> np.ndarray:
    regions = np.zeros((size, size))
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for number, (rows, columns) in enumerate((a, b) for a in cuts for b in cuts):
        regions[rows, columns] = number
    count = size // window
    parts = regions.reshape(count, window, count, window).transpose(0, 2, 1, 3)
    flat = parts.reshape(-1, window * window)
    return np.where(flat[:, None, :] == flat[:, :, None], 0.0, -100.0)


def swin(g: Graph) -> str:
    """Shifted windows: a plain block, a shifted one, and the merging of patches."""
    width, size = 16, 8
    x = g.conv(g.image, 3, width, 4, 4, pads=[0] * 4)
    batch = _batch(g, x)
    x = g.node("Transpose", _view(g, x, batch, width, size * size), perm=[0, 2, 1])
    x = _layer_norm(g, x, width)
    for shift in (0, 2):
        x = _swin_block(g, x, batch, size, width, shift)
    x = _view(g, x, batch, size, size, width)
    far, parts = 2**63 - 1, []
    for column in (0, 1):
        for row in (0, 1):
            part = x
            for axis, start in ((1, row), (2, column)):
                given = (g.const([v]) for v in (start, far, axis, 2))
                part = g.node("Slice", part, *given)
            parts.append(part)
    x = _view(g, g.node("Concat", *parts, axis=-1), batch, -1, 4 * width)
    x = g.node("MatMul", _layer_norm(g, x, 4 * width), g.weight(4 * width, 2 * width, scale=0.12))
    pooled = g.node("ReduceMean", _layer_norm(g, x, 2 * width), axes=[1], keepdims=0)
    return g.gemm(pooled, 2 * width, CLASSES)


def _channels_last(g: Graph, x: str, width: int) -> str:
    normal = _layer_norm(g, g.node("Transpose", x, perm=[0, 2, 3, 1]), width)
    return g.node("Transpose", normal, perm=[0, 3, 1, 2])


def convnext(g: Graph) -> str:
    """Depthwise convolutions of 7 by 7, matrices on channels last, scaled residuals."""
    x = _channels_last(g, g.conv(g.image, 3, 16, 4, 4, pads=[0] * 4), 16)
    for stage, width in enumerate((16, 32)):
        if stage:
            x = g.conv(_channels_last(g, x, 16), 16, 32, 2, 2, pads=[0] * 4)
        for _ in range(2):
            y = g.node("Transpose", g.conv(x, width, width, 7, group=width), perm=[0, 2, 3, 1])
            y = g.node("Mul", _mlp(g, _layer_norm(g, y, width), width), g.positive(width))
            x = g.node("Add", x, g.node("Transpose", y, perm=[0, 3, 1, 2]))
    flat = g.node("Flatten", _channels_last(g, g.node("GlobalAveragePool", x), 32), axis=1)
    return g.gemm(flat, 32, CLASSES)


def _norm_relu_conv(g: Graph, x: str, channels: int, out: int, kernel: int) -> str:
    return g.conv(g.node("Relu", g.batch_norm(x, channels)), channels, out, kernel)


def densenet(g: Graph) -> str:
    """Blocks whose layers take all that came before; normalization before activation."""
    x = g.node("Relu", g.batch_norm(g.conv(g.image, 3, 16, 7, 2), 16))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels, grown = 16, 8
    for block in range(2):
        for _ in range(3):
            y = _norm_relu_conv(g, x, channels, 4 * grown, 1)
            y = _norm_relu_conv(g, y, 4 * grown, grown, 3)
            x, channels = g.node("Concat", x, y, axis=1), channels + grown
        if block == 0:
            x = _norm_relu_conv(g, x, channels, channels // 2, 1)
            x = g.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            channels //= 2
    x = g.node("GlobalAveragePool", g.node("Relu", g.batch_norm(x, channels)))
    return g.gemm(g.node("Flatten", x, axis=1), channels, CLASSES)


def _swish(g: Graph, x: str) -> str:
    return g.node("Mul", x, g.node("Sigmoid", x))


def efficientnet_tf(g: Graph) -> str:
    """As tf2onnx writes EfficientNet: NHWC in, padding on one side, squeeze and excitation."""
    x = g.node("Transpose", g.image, perm=[0, 3, 1, 2])
    x = _swish(g, g.batch_norm(g.conv(x, 3, 8, 3, 2, pads=[0, 0, 1, 1]), 8))
    channels = 8
    for out, stride, kernel in ((8, 1, 3), (12, 2, 5), (12, 1, 5)):
        wide = channels * 4
        y = _swish(g, g.batch_norm(g.conv(x, channels, wide, 1), wide))
        pads = [kernel // 2] * 4 if stride == 1 else [1, 1, 2, 2]
        y = g.conv(y, wide, wide, kernel, stride, wide, pads=pads)
        y = _swish(g, g.batch_norm(y, wide))
        gate = g.node("ReduceMean", y, axes=[2, 3], keepdims=1)
        gate = g.conv(_swish(g, g.conv(gate, wide, 4, 1)), 4, wide, 1)
        y = g.node("Mul", g.node("Sigmoid", gate), y)
        y = g.batch_norm(g.conv(y, wide, out, 1), out)
        x, channels = g.node("Add", y, x) if out == channels and stride == 1 else y, out
    x = _swish(g, g.batch_norm(g.conv(x, channels, 32, 1), 32))
    x = g.node("Squeeze", g.node("GlobalAveragePool", x), g.const([2, 3]))
    scores = g.node("Add", g.node("MatMul", x, g.weight(32, CLASSES, scale=0.5)), g.weight(CLASSES))
    return g.node("Softmax", scores, axis=1)


def mobilenet_v3(g: Graph) -> str:
    """Hard swish, and squeeze and excitation by a hard sigmoid."""

    def hard_swish(x: str) -> str:
        if g.opset >= 14:
            return g.node("HardSwish", x)
        return g.node("Mul", x, g.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))

    x = hard_swish(g.batch_norm(g.conv(g.image, 3, 16, 3, 2), 16))
    channels = 16
    for out, stride, kernel in ((16, 2, 3), (24, 1, 5), (24, 1, 5)):
        wide = channels * 3
        y = hard_swish(g.conv(x, channels, wide, 1))
        y = hard_swish(g.conv(y, wide, wide, kernel, stride, wide))
        gate = g.conv(g.node("GlobalAveragePool", y), wide, 8, 1)
        gate = g.conv(g.node("Relu", gate), 8, wide, 1)
        y = g.node("Mul", g.node("HardSigmoid", gate, alpha=1 / 6, beta=0.5), y)
        y = g.conv(y, wide, out, 1)
        x, channels = g.node("Add", x, y) if out == channels and stride == 1 else y, out
    x = g.node("GlobalAveragePool", hard_swish(g.conv(x, channels, 48, 1)))
    x = hard_swish(g.gemm(g.node("Flatten", x, axis=1), 48, 32))
    return g.gemm(x, 32, CLASSES)


def _shuffle(g: Graph, x: str, channels: int, size: int) -> str:
    x = _view(g, x, _batch(g, x), 2, channels // 2, size, size)
    x = g.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    return _view(g, x, _batch(g, x), -1, size, size)


def shufflenet(g: Graph) -> str:
    """ShuffleNet v2: half of the channels goes past each unit, and all are shuffled."""

    def branch(x: str, channels: int, out: int, stride: int) -> str:
        y = g.node("Relu", g.conv(x, channels, out, 1))
        y = g.conv(y, out, out, 3, stride, out)
        return g.node("Relu", g.conv(y, out, out, 1))

    x = g.node("Relu", g.conv(g.image, 3, 12, 3, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    short = g.node("Relu", g.conv(g.conv(x, 12, 12, 3, 2, 12), 12, 16, 1))
    x = _shuffle(g, g.node("Concat", short, branch(x, 12, 16, 2), axis=1), 32, 4)
    for _ in range(2):
        past, taken = g.nodes("Split", x, g.const([16, 16]), outputs=2, axis=1)
        x = _shuffle(g, g.node("Concat", past, branch(taken, 16, 16, 1), axis=1), 32, 4)
    x = g.node("Relu", g.conv(x, 32, 48, 1))
    return g.gemm(g.node("ReduceMean", x, axes=[2, 3], keepdims=0), 48, CLASSES)


def squeezenet(g: Graph) -> str:
    """SqueezeNet 1.1: pooling that rounds up, and classes as channels."""
    x = g.node("Relu", g.conv(g.image, 3, 16, 3, 2, pads=[0] * 4))
    channels = 16
    for squeeze, out, pools in ((4, 12, True), (6, 16, False), (6, 16, True)):
        if pools:
            x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        y = g.node("Relu", g.conv(x, channels, squeeze, 1))
        both = [g.node("Relu", g.conv(y, squeeze, out, kernel)) for kernel in (1, 3)]
        x, channels = g.node("Concat", *both, axis=1), 2 * out
    x = g.node("Dropout", x, g.scalar(0.5), g.const(np.array(False), np.bool_))
    x = g.node("Relu", g.conv(x, channels, CLASSES, 1))
    return g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)


def inception(g: Graph) -> str:
    """Inception v3: images scaled by channel, parallel branches, 1 by 7 beside 7 by 1."""

    def conv(x: str, channels: int, out: int, shape: Sequence[int], **attributes: Any) -> str:
        pads = [shape[0] // 2, shape[1] // 2] * 2
        weights = g.weight(out, channels, *shape)
        form: dict[str, Any] = {"kernel_shape": shape, "pads": pads, **attributes}
        y = g.node("Conv", x, weights, **form)
        return g.node("Relu", g.batch_norm(y, out))

    planes = []
    for i, (scale, shift) in enumerate(((0.458, -0.03), (0.448, -0.088), (0.45, -0.188))):
        plane = g.node("Gather", g.image, g.const(np.array(i)), axis=1)
        plane = g.node("Mul", g.node("Unsqueeze", plane, g.const([1])), g.scalar(scale))
        planes.append(g.node("Add", plane, g.scalar(shift)))
    x = conv(g.node("Concat", *planes, axis=1), 3, 12, (3, 3), strides=[2, 2], pads=[0] * 4)
    x = g.node("MaxPool", conv(x, 12, 16, (3, 3)), kernel_shape=[3, 3], strides=[2, 2])
    pooled = g.node(
        "AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, count_include_pad=1
    )
    five = conv(conv(x, 16, 8, (1, 1)), 8, 8, (5, 5))
    x = g.node(
        "Concat",
        conv(x, 16, 8, (1, 1)),
        five,
        conv(conv(x, 16, 8, (3, 3)), 8, 8, (3, 3)),
        conv(pooled, 16, 8, (1, 1)),
        axis=1,
    )
    seven = conv(conv(conv(x, 32, 8, (1, 1)), 8, 8, (1, 7)), 8, 16, (7, 1))
    x = g.node("Concat", conv(x, 32, 16, (1, 1)), seven, axis=1)
    reduced = conv(x, 32, 16, (3, 3), strides=[2, 2], pads=[0] * 4)
    largest = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    x = g.node("GlobalAveragePool", g.node("Concat", reduced, largest, axis=1))
    x = g.node("Dropout", x, g.scalar(0.5), g.const(np.array(False), np.bool_))
    return g.gemm(g.node("Flatten", x, axis=1), 48, CLASSES)


_ARCHITECTURES = (
    ("ViT", 14, vit),
    ("ViT", 17, vit),
    ("DeiT", 14, deit),
    ("Swin", 14, swin),
    ("ConvNeXt", 14, convnext),
    ("ConvNeXt", 17, convnext),
    ("DenseNet", 13, densenet),
    ("EfficientNet-TF", 13, efficientnet_tf),
    ("MobileNetV3", 13, mobilenet_v3),
    ("MobileNetV3", 14, mobilenet_v3),
    ("ShuffleNet", 13, shufflenet),
    ("SqueezeNet", 13, squeezenet),
    ("Inception", 13, inception),
)


def architecture_models() -> Iterator[GeneratedModel]:
    """Yield each architecture for images of 32 by 32."""
    for name, opset, make in _ARCHITECTURES:
        title = f"{name}, opset {opset}"
        image = (32, 32, 3) if make is efficientnet_tf else (3, 32, 32)
        graph = Graph(title, opset, image=image)
        yield GeneratedModel(title, graph.finish(make(graph)), image)
