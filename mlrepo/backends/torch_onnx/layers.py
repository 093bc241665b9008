"""Convolutions, matrix products and normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from mlrepo.backends.torch_onnx.registry import Unsupported, axis_of, fixed, operator
from mlrepo.backends.torch_onnx.windows import Axis, pad_spatial, window_axes

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


@operator("Conv", 1, 11, 22)
def _conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Any:
    axes = _axes(x, weight, kernel_shape, strides, dilations, pads, auto_pad)
    padding: list[int] = [axis.begin for axis in axes]
    if any(axis.begin != axis.end for axis in axes):
        x, padding = pad_spatial(x, axes, 0.0), [0] * len(axes)
    return _CONVOLUTIONS[len(axes)](
        x, weight, bias, [a.stride for a in axes], padding, [a.dilation for a in axes], group
    )


@operator("ConvTranspose", 1, 11, 22)
def _conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Any:
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") and output_shape is None:
        raise Unsupported(f"auto_pad {auto_pad}, which runtimes read differently")
    axes = _axes(x, weight, kernel_shape, strides, dilations, pads, "NOTSET")
    n = len(axes)
    extra = list(output_padding or [0] * n)
    begin, end = [axis.begin for axis in axes], [axis.end for axis in axes]
    if auto_pad == "VALID":
        begin, end = [0] * n, [0] * n
    if output_shape is not None:
        whole = [a.stride * (a.size - 1) + e + a.extent for a, e in zip(axes, extra, strict=True)]
        total = [size - wanted for size, wanted in zip(whole, output_shape[-n:], strict=True)]
        if min(total) < 0:
            raise Unsupported("an output_shape that is larger than what the windows reach")
        begin = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
        end = [t - b for t, b in zip(total, begin, strict=True)]
    strides, dilations = [a.stride for a in axes], [a.dilation for a in axes]
    run = _TRANSPOSED[n]
    if begin == end and all(
        e < max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)
    ):
        return run(x, weight, bias, strides, begin, extra, group, dilations)
    y = run(x, weight, None, strides, 0, 0, group, dilations)
    cut = [(-b, e - p) for b, p, e in zip(begin, end, extra, strict=True)]
    y = functional.pad(y, [part for pair in reversed(cut) for part in pair])
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def _axes(
    x: Any,
    weight: Any,
    kernel: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
) -> list[Axis]:
    sizes = fixed(weight.shape[2:])
    if kernel is not None and list(kernel) != sizes:
        raise Unsupported(f"kernel_shape {list(kernel)} for weights of {sizes}")
    if len(sizes) not in _CONVOLUTIONS or x.dim() != weight.dim():
        raise Unsupported(f"{x.dim()} dimensions")
    return window_axes(x, sizes, strides, dilations, pads, auto_pad)


@operator("Gemm", 7, 9, 11, 13)
def _gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Any:
    if not a.is_floating_point() and (alpha, beta) != (1, 1):
        raise Unsupported("alpha or beta with integers")
    a = a.t() if transA else a
    if transB and alpha == beta == 1 and (c is None or c.dim() == 1) and a.is_floating_point():
        return functional.linear(a, b, c) if c is None or len(c) == len(b) else a @ b.t() + c
    product = a @ (b.t() if transB else b)
    product = product if alpha == 1 else alpha * product
    if c is None:
        return product
    return product + (c if beta == 1 else beta * c)


@operator("MatMul", 1, 9, 13)
def _matmul(a: Any, b: Any) -> Any:
    return torch.matmul(a, b)


@operator("Einsum", 12)
def _einsum(*xs: Any, equation: str) -> Any:
    return torch.einsum(equation, *xs)


@operator("BatchNormalization", 7)
def _batch_norm_spatial(
    x: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
) -> Any:
    if not spatial:
        raise Unsupported("spatial=0")
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


@operator("BatchNormalization", 9, 14, 15)
def _batch_norm(
    x: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Any:
    if training_mode:
        raise Unsupported("training_mode")
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


@operator("InstanceNormalization", 6, 22)
def _instance_norm(x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    return torch.group_norm(x, len(scale), scale, bias, epsilon)


@operator("GroupNormalization", 21)
def _group_norm(
    x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    _single(stash_type)
    return torch.group_norm(x, num_groups, scale, bias, epsilon)


@operator("LayerNormalization", 17)
def _layer_norm(
    x: Any,
    scale: Any,
    bias: Any = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    outputs: int = 1,
) -> Any:
    _single(stash_type)
    axis = axis_of(x, axis)
    sizes = fixed(x.shape[axis:])
    if fixed(scale.shape) == sizes and (bias is None or fixed(bias.shape) == sizes):
        y = functional.layer_norm(x, sizes, scale, bias, epsilon)
    else:
        y = functional.layer_norm(x, sizes, None, None, epsilon) * scale
        y = y if bias is None else y + bias
    if outputs == 1:
        return y
    dims = list(range(axis, x.dim()))
    wide = x.to(torch.float32)
    mean = wide.mean(dims, keepdim=True)
    variance = (wide - mean).square().mean(dims, keepdim=True)
    return y, mean, torch.rsqrt(variance + epsilon)


@operator("RMSNormalization", 23)
def _rms_norm(
    x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    _single(stash_type)
    dims = list(range(axis_of(x, axis), x.dim()))
    wide = x.to(torch.float32)
    wide = wide * torch.rsqrt(wide.square().mean(dims, keepdim=True) + epsilon)
    return wide.to(x.dtype) * scale


def _single(stash_type: int) -> None:
    if stash_type != 1:
        raise Unsupported(f"stash_type {stash_type}: only float32 (1) is known")


@operator("MeanVarianceNormalization", 9, 13)
def _mean_variance_norm(x: Any, *, axes: Sequence[int] = (0, 2, 3)) -> Any:
    centred = x - x.mean(list(axes), keepdim=True)
    return centred / (centred.square().mean(list(axes), keepdim=True).sqrt() + 1e-9)


@operator("LpNormalization", 1, 22)
def _lp_norm(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    norm = x.abs().sum(axis, keepdim=True) if p == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)


@operator("LRN", 1, 13)
def _lrn(x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    if size % 2 == 0:
        raise Unsupported(f"size {size}: windows of an even size")
    return functional.local_response_norm(x, size, alpha, beta, bias)
