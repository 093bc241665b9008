"""Quantized (QDQ) models in integer arithmetic: convolutions of uint8 by int8 with VNNI.

ONNX writes a quantized convolution as a float one of dequantized inputs. If the target multiplies
bytes, it becomes an integer convolution; its sum is scaled once, and the operators that follow
(bias, quantization) are fused with it. A depthwise convolution reads bytes, too, but multiplies
them as float32, which holds its sums exactly: with one input channel the instruction has nothing
to combine. Everything else stays in floating point.
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
    convolution_like,
    is_constant,
    operator_name,
    rewrite,
    tensor_shape,
    tensor_type,
)
from mlrepo.backends.tvm.schedules import Tile, begin_with_zeros, tile_output
from mlrepo.backends.tvm.windows import channel_block, windows

# Between this number and its double, float32 has steps of one: adding and subtracting it rounds to
# whole numbers, half to even as ONNX requires. TVM does not vectorize its own rounding function.
_UNIT = 1.5 * 2**23


@relax.expr_functor.mutator
class _IntegerConvolutions(relax.PyExprMutator):  # type: ignore[misc]
    """Turn conv2d(dequantize(x), dequantize(w)) into an integer convolution and a scaling."""

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or the scaled sum that replaces it."""
        call = self.visit_expr_post_order(call)
        if operator_name(call) != "relax.nn.conv2d":
            return call
        data, weights = (self._dequantized(argument) for argument in call.args)
        if data is None or weights is None or not _fits(call, data, weights):
            return call
        pixels, kernel = data.args[0], weights.args[0].value.numpy()
        scale, zero = (argument.value.numpy().reshape(-1)[0] for argument in data.args[1:])
        groups = int(call.attrs.groups)
        depthwise = groups != 1
        emit = self.builder_.emit
        dtype = "float32" if depthwise else "int32"
        total = emit(convolution_like(call, pixels, kernel, groups, dtype))
        scales = weights.args[1].value.numpy().reshape(-1)
        factor = np.broadcast_to(np.float32(scale) * scales.astype(np.float32), len(kernel))
        if not depthwise:
            total = emit(relax.op.astype(total, "float32"))
        factor = factor.reshape(1, -1, 1, 1)
        scaled = relax.op.multiply(total, relax.const(factor))
        if not zero:
            return scaled
        shift = factor * float(zero) * _weights_inside(call, kernel)
        return relax.op.subtract(emit(scaled), relax.const(shift.astype(np.float32)))

    def _dequantized(self, value: Any) -> Any:
        """Return the call that produces ``value`` by dequantizing with constants, or None."""
        value = bound_value(value, self)
        if operator_name(value) != "relax.dequantize":
            return None
        return value if all(is_constant(argument) for argument in value.args[1:]) else None


@relax.expr_functor.mutator
class _Arithmetic(relax.PyExprMutator):  # type: ignore[misc]
    """Express quantization and dequantization of activations in operators that fit any layout."""

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or the operators that replace it."""
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
        value = emit(op.add(emit(op.multiply(call.args[0], _number(1 / scale))), _number(_UNIT)))
        # Clip before subtracting: TVM would cancel the addition and the subtraction.
        value = emit(op.maximum(value, _number(_UNIT + limits.min - zero)))
        value = emit(op.minimum(value, _number(_UNIT + limits.max - zero)))
        return op.astype(emit(op.subtract(value, _number(_UNIT - zero))), call.attrs.out_dtype)


def _fits(call: Any, data: Any, weights: Any) -> bool:
    """Return whether VNNI can compute the convolution, or float32 if it is a depthwise one."""
    if not is_constant(weights.args[0]):
        return False
    kernel, scales, zeros = (argument.value.numpy() for argument in weights.args)
    types = tensor_type(data.args[0]).dtype, kernel.dtype
    if types != ("uint8", np.int8) or zeros.any() or int(weights.attrs.axis) != 0:
        return False
    if data.args[1].value.numpy().size != 1 or scales.size not in (1, len(kernel)):
        return False
    groups, inputs = int(call.attrs.groups), kernel.shape[1]
    if groups != 1:
        return kernel.shape[:2] == (groups, 1) and bool(channel_block(groups, vnni.LANES))
    # The few channels of an image are one step of the instruction; others must fill blocks.
    few = inputs <= vnni.STEP
    return bool(channel_block(len(kernel), vnni.LANES)) and (
        few or bool(channel_block(inputs, vnni.LANES))
    )


def _weights_inside(call: Any, kernel: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Return the sums of the weights that are applied to the input, not its padding: [o, h, w].

    Height and width are 1 if nothing is padded. The padding is zero and not the zero point, so
    only these weights contribute a multiple of the zero point, which has to be subtracted.
    """
    weights = kernel.sum(axis=1, dtype=np.int64).astype(np.float64)
    padding = [int(side) for side in call.attrs.padding]
    if not any(padding):
        return np.asarray(weights.sum(axis=(1, 2), keepdims=True))
    inside = []
    for axis in (0, 1):
        size, windows_ = (tensor_shape(value)[2 + axis] for value in (call.args[0], call))
        stride, dilation = (
            int(values[axis]) for values in (call.attrs.strides, call.attrs.dilation)
        )
        begin = np.arange(windows_)[:, None] * stride - padding[axis]
        at = begin + np.arange(weights.shape[1 + axis])[None] * dilation
        inside.append((at >= 0) & (at < size))
    rows, columns = (mask.astype(np.float64) for mask in inside)
    return np.asarray(np.einsum("iy,oyx,jx->oij", rows, weights, columns))


def _number(value: float) -> Any:
    return relax.const(value, "float32")


integer_convolutions = rewrite(_IntegerConvolutions)
arithmetic = rewrite(_Arithmetic)


def vnni_kernel(kernel: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return OIHW<i>i<o>o as OIHW<i/4>i<o>o4i: the operands of one instruction are contiguous.

    Input channels are padded with zeros to a multiple of the instruction's step.
    """
    more = -kernel.shape[4] % vnni.STEP
    kernel = np.pad(kernel, ((0, 0),) * 4 + ((0, more), (0, 0)))
    outer, inner, high, wide, i, o = kernel.shape
    steps = kernel.reshape(outer, inner, high, wide, i // vnni.STEP, vnni.STEP, o)
    return np.ascontiguousarray(steps.transpose(0, 1, 2, 3, 4, 6, 5))


def integer_conv2d(
    data: Any, kernel: Any, strides: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Any:
    """Return the int32 convolution of uint8 [n, i/v, h, w, v] with :func:`vnni_kernel`'s int8.

    ``padding`` is top, left, bottom, right.
    """
    blocks, inner, high, wide, steps, lanes, step = kernel.shape
    more = steps * step - data.shape[4]
    padded, rows, columns = windows(data, (high, wide), strides, padding, dilation, more)
    c, y, x, s, k = (
        te.reduce_axis((0, extent), name)
        for extent, name in zip((inner, high, wide, steps, step), "cyxsk", strict=True)
    )
    return te.compute(
        (data.shape[0], blocks, rows, columns, lanes),
        lambda n, o, i, j, lane: te.sum(
            padded[
                n,
                c,
                i * strides[0] + y * dilation[0],
                j * strides[1] + x * dilation[1],
                s * vnni.STEP + k,
            ].astype("int32")
            * kernel[o, c, y, x, s, lane, k].astype("int32"),
            axis=[c, y, x, s, k],
        ),
        name="integer_conv",
    )


def schedule_integer_conv(function: Any, vector: int, tile: Tile | None = None) -> Any:
    """Schedule a fused integer convolution in blocked layout [n, c/v, h, w, v].

    Like :func:`schedule_blocked_conv`, with one VNNI instruction for four input channels.
    """
    schedule, conv, _ = tile_output(function, vector, tile)
    loops = schedule.get_loops(conv)[2:]
    batch, blocks, rows, columns, lanes, outer, high, wide, steps, step = loops
    schedule.reorder(batch, rows, outer, high, wide, steps, blocks, columns, lanes, step)
    begin_with_zeros(schedule, conv, outer)
    for loop in (steps, columns, blocks):
        schedule.unroll(loop)
    schedule.tensorize(lanes, vnni.name(int(schedule.get(lanes).extent)))
    return schedule.mod["main"]
