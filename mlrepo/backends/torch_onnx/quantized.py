"""Quantized tensors, with exactly ONNX's integers and rounding."""

from __future__ import annotations

from typing import Any

import torch

from mlrepo.backends.torch_onnx.registry import Unsupported, axis_of, operator


def _along(parameter: Any, x: Any, axis: int) -> Any:
    """Return a scale or zero point reshaped to broadcast along an axis of ``x``."""
    if parameter.dim() == 0 or (parameter.dim() == 1 and len(parameter) == 1):
        return parameter.reshape([])
    if parameter.dim() != 1:
        raise Unsupported("scales in blocks")
    axis = axis_of(x, axis)
    return parameter.reshape([-1 if i == axis else 1 for i in range(x.dim())])


def _to_integer(x: Any, zero: Any, dtype: Any) -> Any:
    """Round half to even, add the zero point, and clamp to the range of the type."""
    if dtype not in (torch.uint8, torch.int8, torch.int16):
        raise Unsupported(f"the type {dtype}")
    limits = torch.iinfo(dtype)
    return (torch.round(x) + zero).clamp(limits.min, limits.max).to(dtype)


@operator("QuantizeLinear", 10, 13, 19, 21, 23, 24, 25)
def _quantize(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    """Quantize; ``saturate`` is ignored, because it is only for 8-bit floats."""
    if block_size or output_dtype or precision:
        raise Unsupported("block_size, output_dtype or precision")
    if zero is None:
        return _to_integer(x / _along(scale, x, axis), 0, torch.uint8)
    shift = _along(zero, x, axis).to(torch.float32)
    return _to_integer(x / _along(scale, x, axis), shift, zero.dtype)


@operator("DequantizeLinear", 10, 13, 19, 21, 23, 24, 25)
def _dequantize(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Any:
    if block_size or output_dtype:
        raise Unsupported("block_size or output_dtype")
    whole = x.to(torch.int32)
    if zero is not None:
        whole = whole - _along(zero, x, axis).to(torch.int32)
    return whole.to(scale.dtype) * _along(scale, x, axis)


@operator("DynamicQuantizeLinear", 11)
def _dynamic_quantize(x: Any) -> Any:
    """Quantize with the scale and zero point of this tensor's own values."""
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    zero = torch.round((0 - low / scale).clamp(0, 255)).to(torch.uint8)
    return _to_integer(x / scale, zero.to(torch.float32), torch.uint8), scale, zero


@operator("MatMulInteger", 10)
def _matmul_integer(a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    left, right = a.to(torch.float64), b.to(torch.float64)
    if a_zero is not None:
        # One zero point for all, or one per row.
        shift = a_zero.reshape([]) if a_zero.numel() == 1 else a_zero.unsqueeze(-1)
        left = left - shift.to(torch.float64)
    if b_zero is not None:
        right = right - b_zero.to(torch.float64)
    # Sums of products of bytes fit exactly into 53 bits.
    return torch.matmul(left, right).to(torch.int32)
