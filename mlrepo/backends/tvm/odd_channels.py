"""Padding of channels and classes whose number does not fill vectors.

The weights get rows and columns of zeros, and the extra results are cut off again. ImageNet with
background has 1001 classes. A convolution on one pixel is the same product as a classifier's.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import relax

from mlrepo.backends.tvm.rewrites import (
    bound_value,
    convolution_like,
    is_constant,
    operator_name,
    rewrite,
    tensor_shape,
)


@relax.expr_functor.mutator
class _Widened(relax.PyExprMutator):  # type: ignore[misc]
    """Pad the constant weights of matrix products and convolutions."""

    def __init__(self, vector: int) -> None:
        super().__init__()
        self._vector = vector

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or a replacement that computes it with full vectors."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name not in ("relax.matmul", "relax.nn.conv2d"):
            return call
        weights = bound_value(call.args[1], self)
        if not is_constant(weights) or weights.value.dtype != "float32":
            return call
        values, shape = weights.value.numpy(), tensor_shape(call)
        if name == "relax.matmul":
            plain = values.ndim == len(shape) == 2 and self._is_odd(shape[1])
            return self._product(call.args[0], values) if plain else call
        outputs, inputs, *kernel = values.shape
        # Few input channels make a block of their own.
        odd_inputs = inputs > self._vector and self._is_odd(inputs)
        if int(call.attrs.groups) != 1 or not (odd_inputs or self._is_odd(outputs)):
            return call
        if [*kernel, *shape[2:], *tensor_shape(call.args[0])[2:]] != [1] * 6:
            return self._convolution(call, values, odd_inputs)
        row = self.builder_.emit(relax.op.reshape(call.args[0], (shape[0], inputs)))
        product = self.builder_.emit(self._product(row, values[:, :, 0, 0].T))
        return relax.op.reshape(product, shape)

    def _is_odd(self, channels: int) -> bool:
        return channels % (self._vector // 2) != 0

    def _product(self, data: Any, values: npt.NDArray[np.float32]) -> Any:
        columns = values.shape[1]
        wide = np.pad(values, ((0, 0), (0, -columns % self._vector)))
        return self._cut(relax.op.matmul(data, relax.const(wide)), columns)

    def _convolution(self, call: Any, values: npt.NDArray[np.float32], odd_inputs: bool) -> Any:
        outputs, inputs = values.shape[:2]
        more = -inputs % self._vector if odd_inputs else 0
        data = call.args[0]
        if more:
            data = self.builder_.emit(relax.op.nn.pad(data, (0, 0, 0, more, 0, 0, 0, 0)))
        wide = np.pad(values, ((0, -outputs % self._vector), (0, more), (0, 0), (0, 0)))
        return self._cut(convolution_like(call, data, wide, 1), outputs)

    def _cut(self, wide: Any, channels: int) -> Any:
        return relax.op.strided_slice(self.builder_.emit(wide), axes=[1], begin=[0], end=[channels])


def widening(vector: int) -> Any:
    """Return the pass that pads weights, for ``vector`` lanes."""
    return rewrite(partial(_Widened, vector))
