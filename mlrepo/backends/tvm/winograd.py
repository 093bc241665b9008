"""Convolutions of 3 by 3 and stride 1 with fewer multiplications (Winograd), in blocked layout.

A tile of m by m outputs needs (m + 2)² multiplications for each pair of channels instead of 9 m²:
its inputs are transformed, multiplied with transformed weights position by position, and the
products are transformed back. Matrices: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2015 (arXiv:1509.09308), for F(2x2, 3x3) and F(4x4, 3x3). MLPerf's rules allow any
convolution algorithm that is exact in exact arithmetic; in float32 the larger tile errs by about
1e-5 of the largest output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import s_tir, te, tirx, topi

from mlrepo.backends.tvm.schedules import Tile, begin_with_zeros, child_blocks, tiles, unroll_tile

KERNEL = 3
_LANES = 16
# Multiplications that the cores do while one transformed weight is read from memory: in layers with
# many weights, reading takes longer than the saved multiplications would.
_PER_WEIGHT = 32
# The same for transforming one channel's tile of inputs or outputs, including memory traffic.
_PER_TILE = 400
# The blocks of a convolution that are scheduled on their own, besides the last one.
_STEPS = ("data_pad", "half_transformed", "transformed", "products", "half_back")
# Bytes of weights that stay in a core's own cache while it goes through a row of tiles.
_CACHE = 2**20


@dataclass(frozen=True)
class Matrices:
    """The transforms for tiles of ``outputs`` by ``outputs``.

    Attributes
    ----------
    data, weights, result:
        Shapes [m + 2, m + 2], [m + 2, 3] and [m, m + 2]: each is applied to rows and to columns.
    """

    outputs: int
    data: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    result: npt.NDArray[np.float64]

    @property
    def positions(self) -> int:
        """The size of a tile of inputs, m + 2."""
        return self.outputs + KERNEL - 1


def _matrices(*rows: Sequence[Sequence[float]]) -> Matrices:
    data, weights, result = (np.array(matrix, np.float64) for matrix in rows)
    return Matrices(len(result), data, weights, result)


MATRICES = {
    matrices.outputs: matrices
    for matrices in (
        _matrices(
            ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
            ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
            ((1, 1, 1, 0), (0, 1, -1, -1)),
        ),
        _matrices(
            (
                (4, 0, -5, 0, 1, 0),
                (0, -4, -4, 1, 1, 0),
                (0, 4, -4, -1, 1, 0),
                (0, -2, -1, 2, 1, 0),
                (0, 2, -1, -2, 1, 0),
                (0, 4, 0, -5, 0, 1),
            ),
            (
                (1 / 4, 0, 0),
                (-1 / 6, -1 / 6, -1 / 6),
                (-1 / 6, 1 / 6, -1 / 6),
                (1 / 24, 1 / 12, 1 / 6),
                (1 / 24, -1 / 12, 1 / 6),
                (0, 0, 1),
            ),
            ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
        ),
    )
}


def best_matrices(
    batch: int, rows: int, columns: int, inputs: int, outputs: int
) -> Matrices | None:
    """Return the transforms expected to be fastest for a convolution; None if it is the plain one.

    ``rows`` and ``columns`` are those of the result, ``inputs`` and ``outputs`` count channels.
    """

    def cost(matrices: Matrices | None) -> float:
        size = matrices.positions**2 if matrices else KERNEL**2
        step = matrices.outputs if matrices else 1
        tiles = batch * -(-rows // step) * -(-columns // step)
        transforms = _PER_TILE * tiles * (inputs + outputs) if matrices else 0
        return size * inputs * outputs * (tiles + _PER_WEIGHT) + transforms

    return min((None, *MATRICES.values()), key=cost)


def runs_by_rows(
    matrices: Matrices, batch: int, rows: int, inputs: int, outputs: int, threads: int
) -> bool:
    """Return whether :func:`schedule_rows` suits a convolution better than ``schedule_stages``."""
    weights = matrices.positions**2 * inputs * outputs * 4
    return weights <= _CACHE and batch * -(-rows // matrices.outputs) >= threads


def winograd_kernel(kernel: npt.NDArray[np.float32], matrices: Matrices) -> npt.NDArray[np.float32]:
    """Return the weights OIHW<i>i<o>o, transformed: [m + 2, m + 2, O, I, i, o]."""
    by = matrices.weights
    values = np.einsum("yh,oihwab->yoiwab", by, kernel.astype(np.float64), optimize=True)
    values = np.einsum("xw,yoiwab->yxoiab", by, values, optimize=True)
    return np.ascontiguousarray(values, np.float32)


def winograd_conv2d(matrices: Matrices, data: Any, kernel: Any, padding: Sequence[int]) -> Any:
    """Return the convolution of [n, c/v, h, w, v] with weights of :func:`winograd_kernel`.

    Its result is in the same layout; ``padding`` is top, left, bottom, right.
    """
    batch, inner, height, width, lanes = data.shape
    size, _, outer, _, _, channels = kernel.shape
    top, left, bottom, right = padding
    m = matrices.outputs
    rows, columns = height + top + bottom - KERNEL + 1, width + left + right - KERNEL + 1
    high, wide = -(-int(rows) // m), -(-int(columns) // m)
    end = (high * m - rows + bottom, wide * m - columns + right)
    padded = topi.nn.pad(data, (0, 0, top, left, 0), (0, 0, *end, 0), name="data_pad")
    half = te.compute(
        (inner, batch, high, wide, size, size, lanes),
        lambda c, n, y, x, i, j, k: _dot(
            matrices.data, i, lambda r: padded[n, c, y * m + r, x * m + j, k]
        ),
        name="half_transformed",
    )
    transformed = te.compute(
        (size, size, inner, batch, high, wide, lanes),
        lambda i, j, c, n, y, x, k: _dot(matrices.data, j, lambda r: half[c, n, y, x, i, r, k]),
        name="transformed",
    )
    c, k = te.reduce_axis((0, inner), "c"), te.reduce_axis((0, lanes), "k")
    products = te.compute(
        (size, size, outer, batch, high, wide, channels),
        lambda i, j, o, n, y, x, lane: te.sum(
            transformed[i, j, c, n, y, x, k] * kernel[i, j, o, c, k, lane], axis=[c, k]
        ),
        name="products",
    )
    back = te.compute(
        (batch, outer, high, wide, m, size, channels),
        lambda n, o, y, x, i, j, lane: _dot(
            matrices.result, i, lambda r: products[r, j, o, n, y, x, lane]
        ),
        name="half_back",
    )
    return te.compute(
        (batch, outer, rows, columns, channels),
        lambda n, o, y, x, lane: _dot(
            matrices.result, x % m, lambda r: back[n, o, y // m, x // m, y % m, r, lane]
        ),
        name="winograd",
    )


def _dot(matrix: npt.NDArray[np.float64], row: Any, value: Callable[[int], Any]) -> Any:
    """Return the product of a matrix row and values; unrolled loops drop the zeros."""
    return sum(
        (_choose(column, row) * value(number) for number, column in enumerate(matrix.T)),
        tirx.const(0, "float32"),
    )


def _choose(values: npt.NDArray[np.float64], index: Any) -> Any:
    result = tirx.const(float(values[-1]), "float32")
    for number in range(len(values) - 2, -1, -1):
        result = tirx.Select(index == number, tirx.const(float(values[number]), "float32"), result)
    return result


def product_tiles(function: Any, vector: int) -> list[Tile]:
    """Return the tiles worth measuring for the multiplication, the default first.

    The pixels of a tile of :func:`mlrepo.backends.tvm.schedules.tiles` are tiles here.
    """
    schedule = s_tir.Schedule(function)
    loops = schedule.get_loops(schedule.get_sblock("products"))
    blocks, count = (int(schedule.get(loops[index]).extent) for index in (2, 5))
    found = tiles(count, blocks, vector)
    # It needs as many registers as others, but fewer loads. Targets with 8 lanes lack registers.
    square = Tile(4, 4)
    return sorted(found, key=lambda tile: tile != square) if vector == _LANES else found


def schedule_rows(function: Any, vector: int, tile: Tile | None = None) -> Any:
    """Schedule a fused convolution of :func:`winograd_conv2d`, a row of tiles in each task.

    All of its channels stay in the cache from input to output. Operators fused behind the
    convolution are computed where a tile is transformed back.
    """
    schedule, last = _begin(function)
    tile = tile or product_tiles(function, vector)[0]
    task = _schedule_outputs(schedule, last, by_rows=True)
    _schedule_products(schedule, tile, task)
    _schedule_inputs(schedule, task)
    return schedule.mod["main"]


def schedule_stages(function: Any, vector: int, tile: Tile | None = None) -> Any:
    """Schedule a fused convolution of :func:`winograd_conv2d` in three parallel stages.

    In the second stage, each task has one position and some blocks of output channels, and reads
    its weights once for the whole batch.
    """
    schedule, last = _begin(function)
    _schedule_inputs(schedule, None)
    _schedule_products(schedule, tile or product_tiles(function, vector)[0], None)
    _schedule_outputs(schedule, last, by_rows=False)
    return schedule.mod["main"]


def _begin(function: Any) -> tuple[Any, Any]:
    """Inline the blocks before and after the convolution; return the schedule and last block."""
    schedule = s_tir.Schedule(function)
    names = child_blocks(schedule)
    for name in names[:-1]:
        if name not in _STEPS:
            schedule.compute_inline(schedule.get_sblock(name))
    return schedule, schedule.get_sblock(names[-1])


def _schedule_inputs(schedule: Any, task: Any | None) -> None:
    """Pad and transform in ``task``, or in separate tasks: a row of tiles of some channels each."""
    half, whole = schedule.get_sblock("half_transformed"), schedule.get_sblock("transformed")
    if task is not None:
        schedule.compute_at(whole, task, preserve_unit_loops=True)
    i, j, blocks, batch, rows, columns, lanes = schedule.get_loops(whole)[-7:]
    schedule.reorder(blocks, batch, rows, columns, i, j, lanes)
    if task is None:
        rows = schedule.fuse(blocks, batch, rows)
        schedule.parallel(rows)
    unroll_tile(schedule, i, j, lanes)
    schedule.compute_at(half, columns, preserve_unit_loops=True)
    unroll_tile(schedule, *schedule.get_loops(half)[-3:])
    pad = schedule.get_sblock("data_pad")
    schedule.compute_at(pad, rows, preserve_unit_loops=True)
    schedule.vectorize(schedule.get_loops(pad)[-1])


def _schedule_products(schedule: Any, tile: Tile, task: Any | None) -> None:
    """Multiply in ``task``, or in separate tasks: one position and some blocks of channels each."""
    products = schedule.get_sblock("products")
    kept = schedule.cache_write(products, 0, "global")
    if task is not None:
        schedule.compute_at(kept, task, preserve_unit_loops=True)
    i, j, blocks, batch, rows, columns, lanes = schedule.get_loops(kept)[-7:]
    blocks, blocks_tile = schedule.split(blocks, [None, tile.blocks])
    columns, columns_tile = schedule.split(columns, [None, tile.pixels])
    schedule.reorder(i, j, blocks, batch, rows, columns, blocks_tile, columns_tile, lanes)
    schedule.compute_at(products, columns, preserve_unit_loops=True)
    unroll_tile(schedule, blocks_tile, columns_tile, lanes)
    if task is None:
        schedule.parallel(schedule.fuse(i, j, blocks))
    blocks, batch, rows, columns, lanes, outer, inner = schedule.get_loops(products)[-7:]
    count = int(schedule.get(inner).extent)
    step = tile.unrolled if count % tile.unrolled == 0 else count
    inner, innermost = schedule.split(inner, [None, step])
    schedule.reorder(outer, inner, innermost, batch, rows, blocks, columns, lanes)
    schedule.unroll(innermost)
    unroll_tile(schedule, blocks, columns, lanes)
    begin_with_zeros(schedule, products, outer)


def _schedule_outputs(schedule: Any, last: Any, *, by_rows: bool) -> Any:
    """Transform back and compute what follows; return the loop over tasks, which are tile rows."""
    back = schedule.get_sblock("half_back")
    m = int(schedule.get(schedule.get_loops(back)[4]).extent)
    batch, blocks, rows, columns, lanes = schedule.get_loops(last)
    rows, row = schedule.split(rows, [None, m])
    columns, column = schedule.split(columns, [None, m])
    outer = (batch, rows, blocks) if by_rows else (batch, blocks, rows)
    schedule.reorder(*outer, columns, row, column, lanes)
    task = schedule.fuse(*outer[: 2 if by_rows else 3])
    schedule.parallel(task)
    unroll_tile(schedule, row, column, lanes)
    schedule.compute_at(back, columns, preserve_unit_loops=True)
    unroll_tile(schedule, *schedule.get_loops(back)[-3:])
    return task
