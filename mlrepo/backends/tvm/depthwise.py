"""Depthwise convolutions in blocked layout; each channel is separate, so they are memory-bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from mlrepo.backends.tvm.schedules import begin_one_sum
from mlrepo.backends.tvm.windows import windows

# Pixels of a row that stay in registers, best first: one accumulator each.
_PIXELS = (14, 16, 8, 7, 12, 10, 9, 6, 5, 4, 3, 2, 1)
# Rows that one task computes: enough that few rows are padded twice.
_ROWS = (28, 14, 16, 8, 7, 12, 10, 9, 6, 5, 4, 3, 2, 1)

# Largest kernel, in positions, whose loops are unrolled (times the pixels above).
_UNROLLED = 64


def depthwise_conv2d(
    data: Any, kernel: Any, strides: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Any:
    """Return the float32 convolution of [n, c/v, h, w, v] with [c/v, 1, kh, kw, 1, v].

    ``padding`` is top, left, bottom, right. Bytes are converted to float32 when they are padded.
    """
    batch, blocks, _, _, lanes = data.shape
    if data.dtype != "float32":
        data = te.compute(data.shape, lambda *index: data[index].astype("float32"), name="wide")
    _, _, high, wide, _, _ = kernel.shape
    padded, rows, columns = windows(data, (high, wide), strides, padding, dilation)
    y, x = te.reduce_axis((0, high), "y"), te.reduce_axis((0, wide), "x")
    return te.compute(
        (batch, blocks, rows, columns, lanes),
        lambda n, c, i, j, k: te.sum(
            padded[n, c, i * strides[0] + y * dilation[0], j * strides[1] + x * dilation[1], k]
            * kernel[c, 0, y, x, 0, k].astype("float32"),
            axis=[y, x],
        ),
        name="depthwise",
    )


def schedule_depthwise_conv(function: Any, vector: int) -> Any:
    """Schedule a fused depthwise convolution in blocked layout [n, c/v, h, w, v].

    A task computes some rows of one block of channels and pads the part of the input that it needs,
    which thus stays in the cache; pixels of a row are accumulated in registers over the whole
    kernel.
    """
    schedule, names, sum_ = begin_one_sum(function)
    conv, last = schedule.get_sblock(sum_), schedule.get_sblock(names[-1])
    batch, blocks, rows, columns, lanes = schedule.get_loops(last)
    height, width = (int(schedule.get(loop).extent) for loop in (rows, columns))
    rows_outer, _ = schedule.split(rows, [None, _first(_ROWS, height)])
    columns_outer, columns_inner = schedule.split(columns, [None, _first(_PIXELS, width)])
    task = schedule.fuse(batch, blocks, rows_outer)
    schedule.parallel(task)
    schedule.vectorize(lanes)
    schedule.unroll(columns_inner)
    if sum_ != names[-1]:
        schedule.compute_at(conv, columns_outer, preserve_unit_loops=True)
    if "data_pad" in names:
        pad = schedule.get_sblock("data_pad")
        schedule.compute_at(pad, task, preserve_unit_loops=True)
        schedule.vectorize(schedule.get_loops(pad)[-1])
    *_, pixels, channel, high, wide = schedule.get_loops(conv)
    schedule.reorder(high, wide, pixels, channel)
    schedule.vectorize(channel)
    kernel = int(schedule.get(high).extent) * int(schedule.get(wide).extent)
    # A large kernel remains a loop: unrolled, it would take LLVM minutes.
    whole = (high, wide) if kernel <= _UNROLLED else ()
    for loop in (*whole, pixels):
        schedule.unroll(loop)
    zeros = schedule.get_loops(schedule.decompose_reduction(conv, high))
    schedule.vectorize(zeros[-1])
    schedule.unroll(zeros[-2])
    return schedule.mod["main"]


def _first(sizes: Sequence[int], extent: int) -> int:
    return next(size for size in sizes if extent % size == 0)
