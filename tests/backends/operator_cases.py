"""Small inputs for every operator the PyTorch backend runs, in all its versions and forms.

A case is one node; its first input is the image, the others are constants. It is tested in each
version that the backend declares as verified, within ``since`` and ``until``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlrepo.backends.torch_onnx.registry import proved_versions

_RNG = np.random.default_rng(15)


@dataclass(frozen=True)
class Case:
    """One node with its inputs; ``outputs`` of them are compared."""

    kind: str
    version: int
    inputs: tuple[Any, ...]
    outputs: int
    attributes: dict[str, Any] = field(hash=False)

    def __str__(self) -> str:
        shapes = ["-" if one is None else f"{one.dtype}{list(one.shape)}" for one in self.inputs]
        said = [f"{k}={v}" for k, v in self.attributes.items()]
        return f"{self.kind}-{self.version} {' '.join([*shapes, *said])}"


def floats(*shape: int, low: float = -3.0, high: float = 3.0) -> Any:
    """Return numbers that no two of are equal, with both signs unless told otherwise."""
    return _RNG.uniform(low, high, shape).astype(np.float32)


def whole(*shape: int, kind: str = "int64", low: int = -9, high: int = 9) -> Any:
    """Return integers of a type."""
    return _RNG.integers(low, high, shape, endpoint=True).astype(kind)


def ints(*values: int) -> Any:
    """Return a list of axes, sizes or indices."""
    return np.array(values, np.int64)


def number(value: Any, kind: str = "float32") -> Any:
    """Return a constant of no dimension."""
    return np.array(value, kind)


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for family in (
        _elementwise,
        _logic,
        _activations,
        _layers,
        _norms,
        _pools,
        _shapes,
        _indexing,
        _padding,
        _reductions,
        _resizing,
        _quantized,
    ):
        for kind, inputs, since, until, outputs, attributes in family():
            for version in proved_versions(kind):
                if since <= version <= until:
                    yield Case(kind, version, inputs, outputs, attributes)


def _case(
    kind: str, *inputs: Any, since: int = 0, until: int = 99, outputs: int = 1, **attributes: Any
) -> tuple[str, tuple[Any, ...], int, int, int, dict[str, Any]]:
    return kind, inputs, since, until, outputs, attributes


def _elementwise() -> Iterator[Any]:
    x = floats(3, 4, 5)
    positive = floats(3, 4, 5, low=0.1)
    small = floats(3, 4, 5, low=-0.99, high=0.99)
    unary = (
        "Abs Neg Ceil Floor Exp Tanh Sigmoid Reciprocal Relu Erf Sign Sin Cos Tan Atan Sinh Cosh "
        "Asinh Identity"
    )
    for kind in unary.split():
        yield _case(kind, x)
    for kind in ("Sqrt", "Log"):
        yield _case(kind, positive)
    for kind in ("Asin", "Acos", "Atanh"):
        yield _case(kind, small)
    yield _case("Acosh", positive + 1)
    yield _case("Abs", whole(3, 4))
    yield _case("Neg", whole(3, 4, kind="int32"))
    yield _case("Round", np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -2.6]], np.float32))
    yield _case("Sign", whole(3, 4))
    yield _case("Identity", whole(3, 4))
    for kind in ("Add", "Sub", "Mul", "Div"):
        for other in (
            floats(4, 1),
            floats(5),
            floats(1, 4, 5),
            number(0.3),
            floats(1),
            floats(2, 1, 4, 1),
        ):
            yield _case(kind, x, other)
        yield _case(kind, whole(3, 4), whole(4, low=1))
        yield _case(kind, whole(3, 4, kind="int32"), number(-3, "int32"))
    yield _case("Div", np.array([[-7, 7, -8, 8, 9, -1]], np.int64), number(2, "int64"))
    yield _case("Div", np.array([[-7, 7, -8, 8, 9, -1]], np.int32), np.array([-2], np.int32))
    yield _case("Div", whole(3, 4, kind="uint8", low=0, high=200), number(7, "uint8"), since=14)
    yield _case("Mod", whole(3, 4), whole(4, low=1))
    yield _case("Mod", whole(3, 4), whole(4, low=-7, high=-1))
    yield _case("Mod", whole(3, 4), whole(4, low=-7, high=-1), fmod=1)
    yield _case("Mod", x, floats(5, low=1), fmod=1)
    for power in (number(2.0), number(0.5), number(-1.0), floats(5)):
        yield _case("Pow", positive, power)
    yield _case("Pow", x, number(3.0))
    yield _case("Pow", x, number(2, "int64"), since=12)
    yield _case("Pow", positive, whole(5, low=-2, high=3), since=12)
    yield _case("Pow", whole(3, 4), number(2, "int64"), since=12)
    for kind in ("Max", "Min", "Sum", "Mean"):
        yield _case(kind, x)
        yield _case(kind, x, floats(3, 4, 5), until=6)
        yield _case(kind, x, floats(4, 1), floats(5), since=8)
    yield _case("Max", whole(3, 4), whole(4), since=12)
    yield _case("Min", whole(3, 4, kind="int32"), whole(4, kind="int32"), since=12)
    for to in (1, 6, 7, 9, 11):
        yield _case("Cast", x, to=to)
        yield _case("Cast", whole(3, 4), to=to)
    yield _case("Cast", x, to=10)
    yield _case("Cast", whole(3, 4, low=0), to=2)
    yield _case("CastLike", x, number(1, "int64"))
    yield _case("CastLike", whole(3, 4), number(1))
    for low, high in ((-1.0, 1.0), (0.0, 6.0), (1.0, -1.0)):
        yield _case("Clip", x, until=6, min=low, max=high)
        yield _case("Clip", x, number(low), number(high), since=11)
    yield _case("Clip", x, until=6, max=0.5)
    yield _case("Clip", x, until=6)
    yield _case("Clip", np.array([[np.inf, -np.inf, 1]], np.float32), until=6)
    yield _case("Clip", x, None, number(0.5), since=11)
    yield _case("Clip", x, number(0.5), since=11)
    yield _case("Clip", x, since=11)
    yield _case("Clip", whole(3, 4), number(-2, "int64"), number(3, "int64"), since=12)
    yield _case("Dropout", x, until=10, ratio=0.3)
    yield _case("Dropout", x, since=12)
    yield _case("Dropout", x, number(0.3), since=12)
    yield _case("Dropout", x, number(0.3), np.array(False), since=12, outputs=2)


def _logic() -> Iterator[Any]:
    x, n = floats(3, 4, 5), whole(3, 4, low=-2, high=2)
    truth = whole(3, 4, low=0, high=1).astype(bool)
    other = np.array([True, False, False, True])
    for kind in ("And", "Or", "Xor"):
        yield _case(kind, truth, other)
    yield _case("Not", truth)
    for kind in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
        yield _case(kind, x, number(0.5))
        yield _case(kind, x, floats(4, 1))
        yield _case(kind, n, number(1, "int64"), since=9)
    yield _case("Equal", n, number(1, "int64"))
    yield _case("Equal", n, whole(4, low=-2, high=2))
    yield _case("Equal", x, np.where(floats(3, 4, 5) > 0, x, 0), since=11)
    for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield _case(kind, whole(3, 4, kind="int32"), whole(4, kind="int32"))
    yield _case("BitwiseNot", whole(3, 4, kind="int32"))
    yield _case("Where", truth, floats(4), floats(3, 1))
    yield _case("Where", truth, whole(4), number(0, "int64"))
    strange = np.array([[np.nan, np.inf, -np.inf, 0, 1]], np.float32)
    yield _case("IsNaN", strange)
    yield _case("IsInf", strange)
    yield _case("IsInf", strange, detect_negative=0)
    yield _case("IsInf", strange, detect_positive=0)


def _activations() -> Iterator[Any]:
    x = floats(3, 4, 5, low=-8, high=8)
    for kind in (
        "Softplus",
        "Softsign",
        "HardSwish",
        "Mish",
        "Elu",
        "Selu",
        "LeakyRelu",
        "ThresholdedRelu",
        "HardSigmoid",
        "Gelu",
        "Swish",
    ):
        yield _case(kind, x)
    for kind in ("Elu", "LeakyRelu", "ThresholdedRelu", "Swish"):
        yield _case(kind, x, alpha=0.3)
    yield _case("Selu", x, alpha=1.5, gamma=2.0)
    yield _case("HardSigmoid", x, alpha=1 / 6, beta=0.4)
    yield _case("Gelu", x, approximate="tanh")
    yield _case("PRelu", x, floats(5))
    yield _case("PRelu", floats(3, 4, 5, 5), floats(4, 1, 1))
    yield _case("PRelu", x, floats(1))


def _layers() -> Iterator[Any]:
    image, weight = floats(3, 4, 9, 8), floats(6, 4, 3, 3)
    for same in ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"):
        for strides in ([1, 1], [2, 2], [2, 3]):
            yield _case("Conv", image, weight, auto_pad=same, strides=strides)
    yield _case("Conv", image, weight, floats(6), auto_pad="VALID", dilations=[2, 1])
    yield _case("Conv", image, weight)
    yield _case("Conv", image, weight, floats(6), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    yield _case("Conv", image, weight, floats(6), pads=[0, 1, 2, 3], strides=[2, 1])
    yield _case("Conv", image, floats(8, 2, 3, 3), group=2, dilations=[2, 2], pads=[2, 2, 2, 2])
    yield _case("Conv", image, floats(4, 1, 3, 3), group=4, pads=[0, 0, 1, 1], strides=[2, 2])
    yield _case("Conv", floats(3, 4, 9), floats(6, 4, 3), floats(6), pads=[2, 1], strides=[2])
    yield _case("Conv", floats(3, 4, 9), floats(6, 4, 4), auto_pad="SAME_LOWER")
    yield _case("Conv", floats(3, 2, 5, 6, 4), floats(3, 2, 2, 3, 2), pads=[0, 1, 0, 1, 1, 1])
    weight = floats(4, 3, 3, 2)
    yield _case("ConvTranspose", image, weight)
    yield _case("ConvTranspose", image, weight, floats(3), strides=[2, 2], pads=[1, 1, 1, 1])
    yield _case("ConvTranspose", image, weight, floats(3), strides=[2, 3], output_padding=[1, 2])
    yield _case(
        "ConvTranspose", image, weight, strides=[2, 2], pads=[0, 1, 2, 0], output_padding=[1, 0]
    )
    yield _case("ConvTranspose", image, weight, dilations=[2, 2], strides=[2, 1])
    yield _case("ConvTranspose", image, floats(4, 3, 3, 3), group=2, strides=[2, 2])
    yield _case("ConvTranspose", image, weight, floats(3), strides=[2, 2], output_shape=[18, 16])
    yield _case(
        "ConvTranspose", image, weight, strides=[3, 2], output_shape=[26, 15], auto_pad="SAME_UPPER"
    )
    yield _case("ConvTranspose", image, weight, strides=[2, 2], auto_pad="VALID")
    yield _case("ConvTranspose", floats(3, 4, 9), floats(4, 3, 3), floats(3), strides=[2])
    yield _case("ConvTranspose", floats(3, 2, 5, 6, 4), floats(2, 3, 2, 3, 2), strides=[2, 1, 2])
    a, b = floats(3, 5), floats(5, 4)
    yield _case("Gemm", a, b, floats(4))
    yield _case("Gemm", a, floats(4, 5), floats(4), transB=1)
    yield _case("Gemm", a, floats(4, 5), floats(1), transB=1)
    yield _case("Gemm", a, floats(4, 5), floats(1, 4), transB=1)
    yield _case("Gemm", a, b, floats(4), alpha=0.5, beta=2.0)
    yield _case("Gemm", a, b, floats(3, 1)[:1], alpha=0.5)
    yield _case("Gemm", a, b, number(0.7))
    yield _case("Gemm", a, b, since=11)
    yield _case("Gemm", a, floats(4, 5), since=11, transB=1)
    for other in (floats(5, 4), floats(5), floats(2, 1, 5, 4)):
        yield _case("MatMul", floats(3, 6, 5), other)
    yield _case("MatMul", whole(3, 5), whole(5, 4), since=9)
    yield _case("Einsum", floats(3, 4, 5), floats(3, 5, 2), equation="bij,bjk->bik")
    yield _case("Einsum", floats(3, 4, 5), floats(5, 2), equation="...j,jk->...k")
    yield _case("Einsum", floats(3, 4, 5), equation="bij->bji")
    yield _case("Einsum", floats(3, 4, 5), floats(3, 4, 5), equation="bhd, bhd -> bh")
    yield _case("Einsum", floats(3, 4, 5), floats(5, 2), equation="bij,jk")


def _norms() -> Iterator[Any]:
    for x in (floats(3, 4, 5, 6), floats(3, 4, 5), floats(3, 4)):
        parameters = (floats(4), floats(4), floats(4), floats(4, low=0.1))
        yield _case("BatchNormalization", x, *parameters)
        yield _case("BatchNormalization", x, *parameters, epsilon=0.1)
    for x in (floats(3, 4, 5, 6), floats(3, 4, 7), floats(3, 4, 1, 2)):
        yield _case("InstanceNormalization", x, floats(4), floats(4))
        yield _case("InstanceNormalization", x, floats(4), floats(4), epsilon=0.1)
    for x in (floats(3, 4, 5, 6), floats(3, 4, 7)):
        yield _case("GroupNormalization", x, floats(4), floats(4), num_groups=2)
        yield _case("GroupNormalization", x, floats(4), floats(4), num_groups=4, epsilon=0.1)
    x = floats(3, 4, 5)
    yield _case("LayerNormalization", x, floats(5), floats(5))
    yield _case("LayerNormalization", x, floats(5), outputs=3)
    yield _case("LayerNormalization", x, floats(4, 5), floats(4, 5), axis=-2, epsilon=0.1)
    yield _case("LayerNormalization", x, floats(4, 5), floats(4, 5), axis=1, outputs=3)
    yield _case("LayerNormalization", x, floats(5), floats(1), axis=1)
    yield _case("RMSNormalization", x, floats(5))
    yield _case("RMSNormalization", x, floats(4, 5), axis=1, epsilon=0.1)
    yield _case("MeanVarianceNormalization", floats(3, 4, 5, 6))
    yield _case("MeanVarianceNormalization", floats(3, 4, 5, 6), axes=[2, 3])
    yield _case("LpNormalization", x)
    yield _case("LpNormalization", x, axis=1, p=1)
    for size in (1, 3, 5):
        yield _case("LRN", floats(3, 7, 4, 4), size=size)
        yield _case("LRN", floats(3, 7, 4, 4), size=size, alpha=0.5, beta=0.6, bias=2.0)


def _pools() -> Iterator[Any]:
    image = floats(3, 2, 9, 8)
    forms: list[dict[str, Any]] = [
        {"kernel_shape": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [0, 0, 1, 1]},
        {"kernel_shape": [2, 3], "strides": [3, 2], "pads": [1, 2, 0, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [4, 4], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
    ]
    for form in forms:
        yield _case("MaxPool", image, **form)
        for include in (0, 1):
            yield _case("AveragePool", image, **form, count_include_pad=include)
    rounded_up: list[dict[str, Any]] = [
        {"kernel_shape": [3, 3], "strides": [2, 2]},
        {"kernel_shape": [2, 2], "strides": [3, 3]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
        {"kernel_shape": [1, 1], "strides": [2, 2]},
        {"kernel_shape": [2, 2], "strides": [2, 3], "pads": [1, 1, 1, 1]},
    ]
    for form in rounded_up:
        yield _case("MaxPool", image, since=10, ceil_mode=1, **form)
        yield _case("AveragePool", image, since=10, ceil_mode=1, **form)
    dilated: list[dict[str, Any]] = [
        {"kernel_shape": [2, 3], "dilations": [2, 1]},
        {"kernel_shape": [3, 3], "dilations": [2, 3], "pads": [2, 2, 2, 2], "strides": [2, 1]},
        {"kernel_shape": [2, 2], "dilations": [3, 2], "pads": [0, 1, 1, 0]},
    ]
    for form in dilated:
        yield _case("MaxPool", image, since=10, **form)
        for include in (0, 1):
            yield _case("AveragePool", image, since=19, count_include_pad=include, **form)
    for kind in ("MaxPool", "AveragePool"):
        yield _case(kind, floats(3, 2, 9), kernel_shape=[3], strides=[2], pads=[1, 0])
        yield _case(kind, floats(3, 2, 5, 6, 4), kernel_shape=[2, 3, 2], pads=[0, 1, 0, 1, 1, 1])
    for kind in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        for x in (image, floats(3, 2, 9), floats(3, 2, 3, 4, 5)):
            yield _case(kind, x)
    for form in forms:
        yield _case("LpPool", image, **form)
    yield _case("LpPool", image, kernel_shape=[3, 3], p=3)


def _shapes() -> Iterator[Any]:
    x = floats(3, 4, 1, 5)
    yield _case("Shape", x)
    yield _case("Size", x)
    for start, end in ((1, 3), (-2, None), (0, -1)):
        given = {"start": start} if end is None else {"start": start, "end": end}
        yield _case("Shape", x, since=15, **given)
    for shape in ((0, -1), (-1, 20), (0, 4, 5), (0, 0, -1), (-1, 2, 2, 5), (3, 20), (-1,)):
        yield _case("Reshape", x, ints(*shape))
    yield _case("Reshape", x, ints(-1, 20), since=14, allowzero=1)
    for axis in (0, 1, 2, 4):
        yield _case("Flatten", x, axis=axis)
    yield _case("Flatten", x)
    yield _case("Flatten", x, since=11, axis=-2)
    yield _case("Flatten", x, since=11, axis=-4)
    yield _case("Squeeze", x, until=11, axes=[2])
    yield _case("Squeeze", x, until=11)
    yield _case("Squeeze", x, since=11, until=11, axes=[-2])
    yield _case("Squeeze", x, ints(2), since=13)
    yield _case("Squeeze", floats(3, 1, 4, 1), ints(-1, 1), since=13)
    yield _case("Squeeze", x, since=13)
    yield _case("Unsqueeze", x, until=11, axes=[0, 3])
    yield _case("Unsqueeze", x, until=11, axes=[2])
    yield _case("Unsqueeze", x, ints(3, 0), since=13)
    yield _case("Unsqueeze", x, ints(-1, 1), since=13)
    yield _case("Transpose", x)
    yield _case("Transpose", x, perm=[0, 3, 1, 2])
    yield _case("Transpose", x, perm=[2, 0, 3, 1])
    yield _case("Concat", x, floats(3, 4, 2, 5), axis=2)
    yield _case("Concat", x, floats(3, 4, 2, 5), x, since=11, axis=-2)
    y = floats(3, 6, 4)
    yield _case("Split", y, until=11, axis=1, outputs=3)
    yield _case("Split", y, until=11, axis=1, split=[1, 2, 3], outputs=3)
    yield _case("Split", y, since=11, until=11, axis=-1, outputs=2)
    yield _case("Split", y, ints(1, 2, 3), since=13, axis=1, outputs=3)
    yield _case("Split", y, since=13, until=13, axis=-1, outputs=2)
    yield _case("Split", y, since=18, axis=1, num_outputs=3, outputs=3)
    yield _case("Split", y, since=18, axis=1, num_outputs=4, outputs=4)
    sizes: list[tuple[int, ...]] = [(3, 4, 6, 5), (2, 1, 4, 1, 5), (1,), (7, 5)]
    for size in sizes:
        yield _case("Expand", x, ints(*size))
    yield _case("Tile", x, ints(1, 2, 3, 1))
    yield _case("Tile", whole(3, 2), ints(2, 2))
    yield _case("DepthToSpace", floats(3, 8, 2, 3), blocksize=2)
    yield _case("DepthToSpace", floats(3, 8, 2, 3), since=11, blocksize=2, mode="CRD")
    yield _case("SpaceToDepth", floats(3, 2, 4, 6), blocksize=2)
    for k in (0, 1, -2):
        for upper in (0, 1):
            yield _case("Trilu", floats(3, 4, 5), number(k, "int64"), upper=upper)
    yield _case("Trilu", floats(3, 4, 5))
    yield _case("EyeLike", floats(3, 4))
    yield _case("EyeLike", floats(3, 4), k=1, dtype=7)


def _indexing() -> Iterator[Any]:
    x = floats(3, 5, 6)
    yield _case("Slice", x, until=1, starts=[1, 0], ends=[3, 2], axes=[1, 2])
    yield _case("Slice", x, until=1, starts=[0, 1], ends=[9, -1])
    yield _case("Slice", x, until=1, starts=[-3], ends=[2**31 - 1], axes=[2])
    huge = 2**63 - 1
    for starts, ends, axes, steps in (
        ((1, 0), (3, 2), (1, 2), None),
        ((1,), (huge,), (2,), (2,)),
        ((-1,), (-huge,), (1,), (-1,)),
        ((-2,), (0,), (2,), (-2,)),
        ((huge,), (1,), (2,), (-1,)),
        ((-4,), (-1,), (-1,), (1,)),
        ((3,), (3,), (1,), (1,)),
        ((4,), (-6,), (2,), (-3,)),
        ((2,), (-7,), (2,), (-1,)),
    ):
        given = (ints(*starts), ints(*ends), ints(*axes), None if steps is None else ints(*steps))
        yield _case("Slice", x, *given[: 4 if steps else 3], since=10)
    yield _case("Slice", x, ints(0, 1), ints(2, 4), since=10)
    yield _case("Slice", x, ints(0, 1).astype(np.int32), ints(2, 4).astype(np.int32), since=10)
    for axis in (1, 2):
        yield _case("Gather", x, ints(0, 2, 2), axis=axis)
        yield _case("Gather", x, number(1, "int64"), axis=axis)
        yield _case("Gather", x, np.array([[0, 1], [2, 0]], np.int64), axis=axis)
        yield _case("Gather", x, ints(-1, 1), since=11, axis=axis)
        yield _case("Gather", x, number(-2, "int32"), since=11, axis=-axis)
    yield _case("Gather", whole(3, 4, low=0, high=2), np.array(0, np.int64), axis=1)
    yield _case("GatherElements", x, whole(3, 2, 6, low=-5, high=4), axis=1)
    yield _case("GatherElements", x, whole(3, 5, 2, low=0, high=5), axis=-1)
    yield _case("GatherND", x, np.array([[0, 1], [2, -1]], np.int64))
    yield _case("GatherND", x, np.array([[[0, 1, 5]], [[1, 1, 0]]], np.int64))
    yield _case("GatherND", x, np.array([[1], [-2], [0]], np.int64), since=12, batch_dims=1)
    yield _case(
        "GatherND", x, np.array([[[1, 0]], [[2, 3]], [[0, 0]]], np.int64), since=12, batch_dims=1
    )
    yield _case("ScatterElements", x, ints(0, 4, -2).reshape(3, 1, 1), floats(3, 1, 1), axis=1)
    yield _case("ScatterND", x, np.array([[0, 1], [1, -1]], np.int64), floats(2, 6))
    yield _case("OneHot", whole(3, 4, low=-5, high=4), number(5, "int64"), ints(0, 1))
    yield _case("OneHot", whole(3, 4, low=0, high=4), ints(5), np.array([-1, 2], "f"), axis=1)
    for k in (1, 4):
        yield _case("TopK", x, until=1, k=k, outputs=2)
        yield _case("TopK", x, ints(k), since=10, axis=1, outputs=2)
        yield _case("TopK", x, ints(k), since=11, largest=0, outputs=2)
    ties = np.array([[3, 1, 3, 2, 1, 3, 2]] * 3, np.float32)
    for largest in (0, 1):
        yield _case("TopK", ties, ints(5), since=11, largest=largest, outputs=2)
    for kind in ("ArgMax", "ArgMin"):
        for x in (floats(3, 5, 6), ties):
            yield _case(kind, x, axis=1)
            yield _case(kind, x, axis=1, keepdims=0)
            yield _case(kind, x, since=11, axis=-1, keepdims=0)
            yield _case(kind, x, since=12, axis=-1, select_last_index=1)
    for options in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
        yield _case("CumSum", floats(3, 5, 6), number(1, "int32"), **options)
        yield _case("CumSum", whole(3, 4, kind="int32"), number(-1, "int64"), **options)


def _padding() -> Iterator[Any]:
    x = floats(3, 4, 5, 6)
    for mode in ("constant", "reflect", "edge"):
        for pads in ([0, 0, 1, 2, 0, 0, 3, 1], [0, 1, 0, 0, 0, 2, 0, 1], [0, 0, 4, 0, 0, 0, 0, 5]):
            yield _case("Pad", x, until=2, pads=pads, mode=mode)
            yield _case("Pad", x, ints(*pads), since=11, mode=mode)
    yield _case("Pad", x, until=2, pads=[0, 1] * 4, value=0.7)
    yield _case("Pad", x, until=2, pads=[0, 0, -1, 0, 0, 0, 1, -2])
    yield _case("Pad", x, ints(0, 0, -1, 0, 0, 0, 1, -2), number(0.7), since=11)
    yield _case("Pad", x, ints(1, 2, 0, 1), number(0.7), ints(2, -1), since=18)
    yield _case("Pad", x, ints(1, 2, 0, 1), None, ints(3, 1), since=18, mode="reflect")
    yield _case("Pad", x, ints(0, 0, 1, 2, 0, 0, 3, 1), since=19, mode="wrap")
    yield _case("Pad", whole(3, 4), ints(0, 1, 0, 2), number(7, "int64"), since=13)


def _reductions() -> Iterator[Any]:
    x = floats(3, 4, 5, 6, low=0.5)
    for kind in (
        "ReduceSum",
        "ReduceMean",
        "ReduceProd",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSum",
        "ReduceLogSumExp",
    ):
        old = 11 if kind == "ReduceSum" else 13
        for axes in ([1], [2, 3], [3, 1], [1, 2, 3]):
            for keepdims in (0, 1):
                yield _case(kind, x, until=old, axes=axes, keepdims=keepdims)
                yield _case(kind, x, ints(*axes), since=old + 1, keepdims=keepdims)
        yield _case(kind, x, since=11, until=old, axes=[-1])
        yield _case(kind, x, ints(-1, 1), since=old + 1)
        yield _case(kind, x, until=old)
        yield _case(kind, x, until=old, keepdims=0)
        yield _case(kind, x, since=old + 1)
        yield _case(kind, x, since=old + 1, keepdims=0)
    for kind in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
        since = 13 if kind == "ReduceSum" else 18
        yield _case(kind, x, since=since, noop_with_empty_axes=1)
        yield _case(kind, x, ints(), since=since, noop_with_empty_axes=1)
        yield _case(kind, x, ints(), since=since)
    for kind in ("ReduceSum", "ReduceMax", "ReduceProd", "ReduceSumSquare"):
        old = 11 if kind == "ReduceSum" else 13
        yield _case(kind, whole(3, 4, kind="int32"), until=old, axes=[1])
        yield _case(kind, whole(3, 4, kind="int32"), ints(1), since=old + 1)
    truth = np.array([[True, False], [True, True], [False, False]])
    for kind in ("ReduceMax", "ReduceMin"):
        yield _case(kind, truth, ints(1), since=20)
    for kind in ("Softmax", "LogSoftmax", "Hardmax"):
        yield _case(kind, floats(3, 4, 5))
        for axis in (0, 1, 2):
            yield _case(kind, floats(3, 4, 5), axis=axis)
        yield _case(kind, floats(3, 4, 5), since=11, axis=-2)
        yield _case(kind, floats(3, 4, 1, 1))
        yield _case(kind, floats(3, 7))
    yield _case("Hardmax", np.array([[1, 3, 3, 2], [0, 0, 0, 0], [2, 1, 2, 2]], np.float32))


def _resizing() -> Iterator[Any]:
    x = floats(3, 2, 4, 6)
    nothing = np.array([], np.float32)
    for scales in ((1, 1, 2, 3), (1, 1, 1.5, 2.5), (1, 1, 0.5, 0.6)):
        given = np.array(scales, np.float32)
        for mode in ("nearest", "linear"):
            if min(scales) >= 1:
                yield _case("Upsample", x, until=7, scales=list(map(float, scales)), mode=mode)
                yield _case("Upsample", x, given, since=9, mode=mode)
            if mode == "linear" or min(scales) >= 1:
                yield _case("Resize", x, given, until=10, mode=mode)
        for way in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            if way == "align_corners" and scales[3] == 0.6:
                continue
            for mode in ("nearest", "linear", "cubic"):
                yield _case(
                    "Resize",
                    x,
                    nothing,
                    given,
                    since=11,
                    mode=mode,
                    coordinate_transformation_mode=way,
                )
        for way in ("floor", "ceil", "round_prefer_ceil"):
            yield _case(
                "Resize",
                x,
                nothing,
                given,
                since=11,
                nearest_mode=way,
                coordinate_transformation_mode="asymmetric",
            )
        yield _case(
            "Resize",
            x,
            nothing,
            given,
            since=19,
            mode="linear",
            coordinate_transformation_mode="half_pixel_symmetric",
        )
    for mode in ("nearest", "linear", "cubic"):
        yield _case("Resize", x, nothing, nothing, ints(3, 2, 7, 9), since=11, mode=mode)
        yield _case("Resize", x, None, None, ints(7, 9), since=18, mode=mode, axes=[2, 3])
    yield _case(
        "Resize",
        x,
        nothing,
        np.array([1, 1, 2, 2], np.float32),
        since=11,
        mode="cubic",
        cubic_coeff_a=-0.5,
        exclude_outside=1,
    )


def _quantized() -> Iterator[Any]:
    x = floats(3, 4, 5, low=-40, high=40)
    scale = np.array([0.1, 0.2, 0.3, 0.5], np.float32)
    for kind in ("uint8", "int8"):
        zero = whole(4, kind=kind, low=0, high=100)
        yield _case("QuantizeLinear", x, number(0.25), number(3, kind))
        yield _case("QuantizeLinear", x, scale, zero, since=13, axis=1)
        yield _case("QuantizeLinear", x, scale, zero, since=13, axis=-2)
        bytes_ = whole(3, 4, 5, kind=kind, low=0, high=127)
        yield _case("DequantizeLinear", bytes_, number(0.25), number(3, kind))
        yield _case("DequantizeLinear", bytes_, number(0.25))
        yield _case("DequantizeLinear", bytes_, scale, zero, since=13, axis=1)
    yield _case("QuantizeLinear", x, number(0.25))
    yield _case(
        "QuantizeLinear",
        np.arange(-8, 8).reshape(2, 8).astype("f") / 2,
        number(1.0),
        number(0, "int8"),
    )
    yield _case("DequantizeLinear", whole(3, 4, kind="int32"), scale, since=13, axis=1)
    yield _case("DynamicQuantizeLinear", x, outputs=3)
    yield _case("DynamicQuantizeLinear", abs(x) + 1, outputs=3)
    left, right = whole(3, 5, kind="uint8", low=0, high=255), whole(5, 4, kind="int8", low=-99)
    yield _case("MatMulInteger", left, right)
    yield _case("MatMulInteger", left, right, number(7, "uint8"), number(2, "int8"))
    yield _case("MatMulInteger", left, right, None, whole(4, kind="int8"))
