"""Classifiers whose classes fill no vectors, such as the 1001 of ImageNet with background.

Their weights get columns of zeros, whose results are cut off again. A convolution on one pixel is
the same product.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import relax

from mlrepo.backends.tvm.rewrites import (
    bound_value,
    is_constant,
    operator_name,
    rewrite,
    tensor_shape,
)


@relax.expr_functor.mutator
class _Widened(relax.PyExprMutator):  # type: ignore[misc]
    """Fills up the columns of a constant matrix."""

    def __init__(self, vector: int) -> None:
        super().__init__()
        self._vector = vector

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or what computes it in whole vectors."""
        call = self.visit_expr_post_order(call)
        name = operator_name(call)
        if name not in ("relax.matmul", "relax.nn.conv2d"):
            return call
        data, weights = call.args[0], bound_value(call.args[1], self)
        if not is_constant(weights) or weights.value.dtype != "float32":
            return call
        values, shape = weights.value.numpy(), _sizes(call)
        classes = shape[1] if len(shape) > 1 else 0
        if classes % (self._vector // 2) == 0:
            return call
        if name == "relax.matmul":
            return self._product(data, values) if values.ndim == len(shape) == 2 else call
        whole = int(call.attrs.groups) == 1 and values.shape[2:] == (1, 1)
        if not whole or [*_sizes(data)[2:], *shape[2:]] != [1, 1, 1, 1]:
            return call
        row = self.builder_.emit(relax.op.reshape(data, (shape[0], values.shape[1])))
        product = self.builder_.emit(self._product(row, values[:, :, 0, 0].T))
        return relax.op.reshape(product, shape)

    def _product(self, data: Any, values: npt.NDArray[np.float32]) -> Any:
        columns = values.shape[1]
        wide = np.pad(values, ((0, 0), (0, -columns % self._vector)))
        product = self.builder_.emit(relax.op.matmul(data, relax.const(wide)))
        return relax.op.strided_slice(product, axes=[1], begin=[0], end=[columns])


def _sizes(value: Any) -> list[int]:
    return [int(size) for size in tensor_shape(value)]


def widening(vector: int) -> Any:
    """Return the pass that fills up classifiers for vectors of so many lanes."""
    return rewrite(partial(_Widened, vector))
