"""Operators that work element by element: arithmetic, comparison, logic, activations, types."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch.nn import functional

from mlrepo.backends.torch_onnx.registry import TYPES, Unsupported, operator

# Operators with one input that PyTorch has with the same meaning.
_SAME: dict[str, tuple[Any, ...]] = {
    "Abs": (torch.abs, 6, 13),
    "Neg": (torch.neg, 6, 13),
    "Ceil": (torch.ceil, 6, 13),
    "Floor": (torch.floor, 6, 13),
    "Sqrt": (torch.sqrt, 6, 13),
    "Exp": (torch.exp, 6, 13),
    "Log": (torch.log, 6, 13),
    "Tanh": (torch.tanh, 6, 13),
    "Sigmoid": (torch.sigmoid, 6, 13),
    "Reciprocal": (torch.reciprocal, 6, 13),
    "Relu": (torch.relu, 6, 13, 14),
    "Erf": (torch.erf, 9, 13),
    "Sign": (torch.sign, 9, 13),
    "Not": (torch.logical_not, 1),
    "IsNaN": (torch.isnan, 9, 13, 20),
    "Round": (torch.round, 11, 22),
    "Sin": (torch.sin, 7, 22),
    "Cos": (torch.cos, 7, 22),
    "Tan": (torch.tan, 7, 22),
    "Asin": (torch.asin, 7, 22),
    "Acos": (torch.acos, 7, 22),
    "Atan": (torch.atan, 7, 22),
    "Sinh": (torch.sinh, 9, 22),
    "Cosh": (torch.cosh, 9, 22),
    "Asinh": (torch.asinh, 9, 22),
    "Acosh": (torch.acosh, 9, 22),
    "Atanh": (torch.atanh, 9, 22),
    "Softplus": (functional.softplus, 1, 22),
    "Softsign": (functional.softsign, 1, 22),
    "HardSwish": (functional.hardswish, 14, 22),
    "Mish": (functional.mish, 18, 22),
    "BitwiseNot": (torch.bitwise_not, 18),
    "Identity": (lambda x: x, 1, 13, 14, 16, 19, 21, 23, 24, 25),
}
# Operators with two inputs, with broadcasting.
_PAIRS: dict[str, tuple[Any, ...]] = {
    "Add": (torch.add, 7, 13, 14),
    "Sub": (torch.sub, 7, 13, 14),
    "Mul": (torch.mul, 7, 13, 14),
    "Equal": (torch.eq, 7, 11, 13, 19),
    "Greater": (torch.gt, 7, 9, 13),
    "Less": (torch.lt, 7, 9, 13),
    "GreaterOrEqual": (torch.ge, 12, 16),
    "LessOrEqual": (torch.le, 12, 16),
}
_LOGIC: dict[str, tuple[Any, ...]] = {
    "And": (torch.logical_and, 7),
    "Or": (torch.logical_or, 7),
    "Xor": (torch.logical_xor, 7),
    "BitwiseAnd": (torch.bitwise_and, 18),
    "BitwiseOr": (torch.bitwise_or, 18),
    "BitwiseXor": (torch.bitwise_xor, 18),
}


def _one(function: Any) -> Any:
    return lambda x: function(x)


def _two(function: Any) -> Any:
    def run(a: Any, b: Any) -> Any:
        if isinstance(a, torch.Tensor):
            return function(a, b)
        # PyTorch's functions need the tensor first; in the tensor's type the number stays exact.
        return function(torch.full((), a, dtype=b.dtype, device=b.device), b)

    return run


for _name, (_function, *_versions) in _SAME.items():
    operator(_name, *_versions)(_one(_function))
for _name, (_function, *_versions) in _PAIRS.items():
    operator(_name, *_versions, numbers=True)(_two(_function))
for _name, (_function, *_versions) in _LOGIC.items():
    operator(_name, *_versions)(_two(_function))


@operator("Div", 7, 13, 14, numbers=True)
def _div(a: Any, b: Any) -> Any:
    """Divide; round integers towards zero."""
    kind = a if isinstance(a, torch.Tensor) else b
    if kind.is_floating_point():
        return a / b
    if not isinstance(a, torch.Tensor):
        a = torch.full((), a, dtype=b.dtype, device=b.device)
    return torch.div(a, b, rounding_mode="trunc")


@operator("Mod", 10, 13)
def _mod(a: Any, b: Any, *, fmod: int = 0) -> Any:
    """Return the remainder, with the dividend's sign if ``fmod``, else the divisor's (integers)."""
    if fmod:
        return torch.fmod(a, b)
    if a.is_floating_point():
        raise Unsupported("floating point without fmod=1")
    return torch.remainder(a, b)


@operator("Pow", 7, 12, 13, 15, numbers=True)
def _pow(a: Any, b: Any) -> Any:
    """Raise to a power; the result has the type of the base."""
    if not isinstance(a, torch.Tensor):
        a = torch.full((), a, dtype=b.dtype, device=b.device)
    if not a.is_floating_point() and isinstance(b, torch.Tensor) and b.is_floating_point():
        raise Unsupported("an integer to the power of a fraction")
    return torch.pow(a, b).to(a.dtype)


@operator("Max", 6, 8, 12, 13)
def _max(*xs: Any) -> Any:
    return functools.reduce(torch.maximum, xs)


@operator("Min", 6, 8, 12, 13)
def _min(*xs: Any) -> Any:
    return functools.reduce(torch.minimum, xs)


@operator("Sum", 6, 8, 13)
def _sum(*xs: Any) -> Any:
    return functools.reduce(torch.add, xs)


@operator("Mean", 6, 8, 13)
def _mean(*xs: Any) -> Any:
    return functools.reduce(torch.add, xs) / len(xs)


@operator("Where", 9, 16)
def _where(condition: Any, a: Any, b: Any) -> Any:
    return torch.where(condition, a, b)


@operator("Clip", 6)
def _clip_attributes(x: Any, *, min: float | None = None, max: float | None = None) -> Any:
    limits = torch.finfo(torch.float32)
    low = limits.min if min is None else min
    high = limits.max if max is None else max
    # Half precision cannot represent these bounds: there the default is no bound.
    narrow = torch.finfo(x.dtype)
    return x.clamp(low if low >= narrow.min else None, high if high <= narrow.max else None)


@operator("Clip", 11, 12, 13, numbers=True)
def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    if low is None and high is None:
        return x
    if isinstance(low, torch.Tensor) != isinstance(high, torch.Tensor) and None not in (low, high):
        low, high = (
            bound
            if isinstance(bound, torch.Tensor)
            else torch.full((), bound, dtype=x.dtype, device=x.device)
            for bound in (low, high)
        )
    return torch.clamp(x, low, high)


@operator("Dropout", 7, 10)
def _dropout_attributes(x: Any, *, ratio: float = 0.5) -> Any:
    """Refuse the mask of these versions, about which runtimes differ."""
    return x


@operator("Dropout", 12, 13, 22, known=("ratio", "training"))
def _dropout(
    x: Any, ratio: Any = None, training: Any = None, *, seed: int = 0, outputs: int = 1
) -> Any:
    if training:
        raise Unsupported("training_mode")
    return x if outputs == 1 else (x, torch.ones_like(x, dtype=torch.bool))


@operator("Cast", 6, 9, 13, 19, 21, 23, 24, 25)
def _cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    """Ignore ``saturate`` and ``round_mode``: they are for types of at most 8 bits, all refused."""
    if to not in TYPES:
        raise Unsupported(f"the element type number {to}")
    return x.to(TYPES[to])


@operator("CastLike", 15, 19, 21, 23, 24, 25)
def _cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return x.to(like.dtype)


@operator("IsInf", 10, 20)
def _is_inf(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    if detect_negative and detect_positive:
        return torch.isinf(x)
    if detect_positive:
        return torch.isposinf(x)
    return torch.isneginf(x) if detect_negative else torch.zeros_like(x, dtype=torch.bool)


@operator("PRelu", 7, 9, 16)
def _prelu(x: Any, slope: Any) -> Any:
    return torch.where(x < 0, x * slope, x)


@operator("LeakyRelu", 6, 16)
def _leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    return functional.leaky_relu(x, alpha)


@operator("Elu", 6, 22)
def _elu(x: Any, *, alpha: float = 1.0) -> Any:
    return functional.elu(x, alpha)


@operator("Selu", 6, 22)
def _selu(
    x: Any, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875
) -> Any:
    return gamma * functional.elu(x, alpha)


@operator("ThresholdedRelu", 10, 22)
def _thresholded_relu(x: Any, *, alpha: float = 1.0) -> Any:
    return torch.where(x > alpha, x, torch.zeros_like(x))


@operator("HardSigmoid", 6, 22)
def _hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return (alpha * x + beta).clamp(0.0, 1.0)


@operator("Gelu", 20)
def _gelu(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        return functional.gelu(x)
    if approximate != "tanh":
        raise Unsupported(f"approximate {approximate}")
    # TorchScript's optimization replaces PyTorch's own by one that uses the error function.
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@operator("Swish", 24)
def _swish(x: Any, *, alpha: float = 1.0) -> Any:
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)
