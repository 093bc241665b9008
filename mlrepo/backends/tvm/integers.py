"""Quantized (QDQ) models in integer arithmetic: convolutions of uint8 by int8 with VNNI.

ONNX writes a quantized convolution as a float one between dequantized inputs. Where the target
multiplies bytes, it becomes an integer one; its sum is scaled once, and what follows (bias,
quantizing) is fused behind it. All else stays in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import relax, te

from mlrepo.backends.tvm import vnni
from mlrepo.backends.tvm.rewrites import (
    bound_value,
    is_constant,
    operator_name,
    rewrite,
    tensor_type,
)
from mlrepo.backends.tvm.schedules import Tile, begin_with_zeros, tile_output
from mlrepo.backends.tvm.windows import windows

# What one VNNI instruction multiplies: 16 output channels, four input channels of each.
LANES = 16
_STEP = 4


@relax.expr_functor.mutator
class _IntegerConvolutions(relax.PyExprMutator):  # type: ignore[misc]
    """Turns conv2d(dequantize(x), dequantize(w)) into an integer convolution and a scaling."""

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or the scaled sum that stands for it."""
        call = self.visit_expr_post_order(call)
        if operator_name(call) != "relax.nn.conv2d" or int(call.attrs.groups) != 1:
            return call
        data, weights = (self._dequantized(argument) for argument in call.args)
        if data is None or weights is None or not is_constant(weights.args[0]):
            return call
        pixels, kernel = data.args[0], weights.args[0].value.numpy()
        scale, zero, scales, zeros = (
            argument.value.numpy() for argument in (*data.args[1:], *weights.args[1:])
        )
        if (tensor_type(pixels).dtype, kernel.dtype) != ("uint8", np.int8) or zeros.any():
            return call
        if scale.size != 1 or scales.size not in (1, kernel.shape[0]):
            return call
        if kernel.shape[0] % LANES or kernel.shape[1] % LANES or int(weights.attrs.axis) != 0:
            return call
        if zero.any() and any(int(side) for side in call.attrs.padding):
            return call  # padded with zeros, where the zero of the numbers is another
        emit = self.builder_.emit
        attributes = call.attrs
        total = emit(
            relax.op.nn.conv2d(
                pixels, relax.const(kernel), attributes.strides, attributes.padding,
                attributes.dilation, 1, attributes.data_layout, attributes.kernel_layout,
                attributes.out_layout, "int32",
            )
        )  # fmt: skip
        factor = (scale.astype(np.float32) * scales.astype(np.float32)).reshape(-1)
        factor = np.broadcast_to(factor, kernel.shape[:1])
        scaled = relax.op.multiply(emit(relax.op.astype(total, "float32")), _channels(factor))
        if not zero.any():
            return scaled
        shift = factor * float(zero.reshape(-1)[0]) * kernel.sum(axis=(1, 2, 3), dtype=np.int64)
        return relax.op.subtract(emit(scaled), _channels(shift))

    def _dequantized(self, value: Any) -> Any:
        """Return the call that dequantizes by constants and gives ``value``, or None."""
        value = bound_value(value, self)
        if operator_name(value) != "relax.dequantize":
            return None
        return value if all(is_constant(argument) for argument in value.args[1:]) else None


@relax.expr_functor.mutator
class _Arithmetic(relax.PyExprMutator):  # type: ignore[misc]
    """Spells quantizing and dequantizing of activations in operators that any layout can have."""

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or the operators that stand for it."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name not in ("relax.quantize", "relax.dequantize") or is_constant(call.args[0]):
            return call
        numbers = [argument.value.numpy() for argument in call.args[1:] if is_constant(argument)]
        if len(numbers) != 2 or any(number.size != 1 for number in numbers):
            return call
        scale, zero = (float(number.reshape(-1)[0]) for number in numbers)
        emit, op = self.builder_.emit, relax.op
        if name == "relax.dequantize":
            value = emit(op.astype(call.args[0], "float32"))
            if zero:
                value = emit(op.subtract(value, _number(zero)))
            return op.multiply(value, _number(scale))
        limits = np.iinfo(call.attrs.out_dtype)
        value = emit(op.round(emit(op.multiply(call.args[0], _number(1 / scale)))))
        if zero:
            value = emit(op.add(value, _number(zero)))
        value = emit(op.maximum(value, _number(float(limits.min))))
        value = emit(op.minimum(value, _number(float(limits.max))))
        return op.astype(value, call.attrs.out_dtype)


def _number(value: float) -> Any:
    return relax.const(value, "float32")


def _channels(values: npt.NDArray[Any]) -> Any:
    return relax.const(np.ascontiguousarray(values, np.float32).reshape(1, -1, 1, 1))


integer_convolutions = rewrite(_IntegerConvolutions)
arithmetic = rewrite(_Arithmetic)


def vnni_kernel(kernel: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return OIHW16i16o as OIHW4i16o4i: next to each other what one instruction multiplies."""
    outer, inner, high, wide, i, o = kernel.shape
    steps = kernel.reshape(outer, inner, high, wide, i // _STEP, _STEP, o)
    return np.ascontiguousarray(steps.transpose(0, 1, 2, 3, 4, 6, 5))


def integer_conv2d(
    data: Any, kernel: Any, strides: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Any:
    """Return the int32 convolution of uint8 [n, i/16, h, w, 16] with int8 OIHW4i16o4i.

    ``padding`` is top, left, bottom, right.
    """
    blocks, inner, high, wide, steps, lanes, step = kernel.shape
    padded, rows, columns = windows(data, (high, wide), strides, padding, dilation)
    c, y, x, s, k = (
        te.reduce_axis((0, extent), name)
        for extent, name in zip((inner, high, wide, steps, step), "cyxsk", strict=True)
    )
    return te.compute(
        (data.shape[0], blocks, rows, columns, lanes),
        lambda n, o, i, j, lane: te.sum(
            padded[
                n, c, i * strides[0] + y * dilation[0], j * strides[1] + x * dilation[1],
                s * _STEP + k,
            ].astype("int32")
            * kernel[o, c, y, x, s, lane, k].astype("int32"),
            axis=[c, y, x, s, k],
        ),
        name="integer_conv",
    )  # fmt: skip


def schedule_integer_conv(function: Any, vector: int, tile: Tile | None = None) -> Any:
    """Schedule a fused integer convolution in blocked layout [n, c/16, h, w, 16].

    As :func:`schedule_blocked_conv`, with one VNNI instruction for four input channels.
    """
    schedule, conv, _ = tile_output(function, tile)
    loops = schedule.get_loops(conv)[2:]
    batch, blocks, rows, columns, lanes, outer, high, wide, steps, step = loops
    schedule.reorder(batch, rows, outer, high, wide, steps, blocks, columns, lanes, step)
    begin_with_zeros(schedule, conv, outer)
    for loop in (steps, columns, blocks):
        schedule.unroll(loop)
    schedule.tensorize(lanes, vnni.NAME)
    return schedule.mod["main"]
