"""Grouped convolutions in blocked layout: each group reads its own blocks of input channels.

Groups of few channels do not fill a block. Several are then merged into one, with zero weights
between channels of different groups: more multiplications, but with full vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import relax, te

from mlrepo.backends.tvm.rewrites import (
    bound_value,
    convolution_like,
    is_constant,
    operator_name,
    rewrite,
)
from mlrepo.backends.tvm.windows import channel_block, windows

# With this many times the multiplications, merged groups are still faster than separate ones.
_MOST_MERGED = 16


@relax.expr_functor.mutator
class _Merged(relax.PyExprMutator):  # type: ignore[misc]
    """Merge groups until the channels of each fill blocks."""

    def __init__(self, vector: int) -> None:
        super().__init__()
        self._vector = vector

    def visit_call_(self, call: Any) -> Any:
        """Return the call, or one with fewer groups."""
        call = self.visit_expr_post_order(call)
        if operator_name(call) != "relax.nn.conv2d" or int(call.attrs.groups) == 1:
            return call
        kernel = bound_value(call.args[1], self)
        if not is_constant(kernel):
            return call
        weights, groups = kernel.value.numpy(), int(call.attrs.groups)
        depthwise = weights.shape[:2] == (groups, 1)
        merged = _merged(weights.shape[1], weights.shape[0] // groups, groups, self._vector)
        if depthwise or merged == 1:
            return call
        joined = merge_groups(weights, groups, merged)
        return convolution_like(call, call.args[0], joined, groups // merged)


def _merged(inputs: int, outputs: int, groups: int, vector: int) -> int:
    """Return how many groups to merge so that the channels of each fill blocks; 1 if none fit.

    ``inputs`` and ``outputs`` are the channels of a group. The blocks are those of all channels,
    which the neighboring operators have, too.
    """
    into, out = (channel_block(groups * channels, vector) for channels in (inputs, outputs))
    if not into or not out:
        return 1
    fitting = (
        merged
        for merged in range(1, min(groups, _MOST_MERGED) + 1)
        if groups % merged == 0 and merged * inputs % into == 0 and merged * outputs % out == 0
    )
    return next(fitting, 1)


def merge_groups(
    weights: npt.NDArray[np.float32], groups: int, merged: int
) -> npt.NDArray[np.float32]:
    """Turn weights [o, i, h, w] into [o, merged * i, h, w] for ``groups // merged`` groups."""
    outputs, inputs, *kernel = weights.shape
    parts = weights.reshape(groups // merged, merged, outputs // groups, inputs, *kernel)
    joined = np.zeros((*parts.shape[:3], merged, *parts.shape[3:]), weights.dtype)
    for number in range(merged):
        joined[:, number, :, number] = parts[:, number]
    return joined.reshape(outputs, merged * inputs, *kernel)


def grouped_conv2d(
    groups: int,
    data: Any,
    kernel: Any,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Any:
    """Return the grouped convolution of [n, i/v, h, w, v] with OIHW<v>i<u>o: [n, o/u, h, w, u].

    ``padding`` is top, left, bottom, right.
    """
    lanes = data.shape[4]
    blocks, inner, high, wide, _, out_lanes = kernel.shape
    padded, rows, columns = windows(data, (high, wide), strides, padding, dilation)
    of_group = int(blocks) // groups
    c, y, x = (
        te.reduce_axis((0, extent), name)
        for extent, name in zip((inner * lanes, high, wide), "cyx", strict=True)
    )
    return te.compute(
        (data.shape[0], blocks, rows, columns, out_lanes),
        lambda n, o, i, j, lane: te.sum(
            padded[
                n,
                o // of_group * inner + c // lanes,
                i * strides[0] + y * dilation[0],
                j * strides[1] + x * dilation[1],
                c % lanes,
            ]
            * kernel[o, c // lanes, y, x, c % lanes, lane],
            axis=[c, y, x],
        ),
        name="grouped",
    )


def merging(vector: int) -> Any:
    """Return the pass that merges groups of few channels, for ``vector`` lanes."""
    return rewrite(partial(_Merged, vector))
