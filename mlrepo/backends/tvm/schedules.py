"""One fixed schedule per kind of function: no search, the same result every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import s_tir

# Pixels of a row that stay in registers, best first. With two blocks of channels, 8 pixels take
# 16 accumulators; 14 pixels already leave the stack that LLVM turns into registers (half the
# speed).
_PIXELS = (7, 8, 6, 5, 4, 10, 9, 3, 2, 1)
_UNROLLED_CHANNELS = 4
# AVX2 has 16 registers, where AVX-512 and Arm have 32: of the tiles that fit beside inputs and
# weights, these reuse most of what they load (measured 1.5 to 1.8 times as fast as 7 by 2).
_AVX2_LANES = 8
_FEW_REGISTERS = ((4, 2), (2, 4), (7, 1), (8, 1))

# Loads in an expression that may still be written down more than once.
_LARGEST_INLINED = 32


@dataclass(frozen=True)
class Tile:
    """What a blocked convolution keeps in registers.

    Attributes
    ----------
    pixels, blocks:
        Pixels of a row, times blocks of output channels: so many accumulators.
    unrolled:
        The number of input channels over which the sum is unrolled.
    """

    pixels: int
    blocks: int
    unrolled: int = _UNROLLED_CHANNELS


def default_tile(width: int, blocks: int, vector: int) -> Tile:
    """Return the tile of an output with so many pixels in a row and blocks of channels."""
    if vector == _AVX2_LANES:
        for pixels, tile in _FEW_REGISTERS:
            if width % pixels == 0 and blocks % tile == 0:
                return Tile(pixels, tile)
    pixels = next(size for size in _PIXELS if width % size == 0)
    return Tile(pixels, 2 if blocks % 2 == 0 else 1)


def tiles(width: int, blocks: int, vector: int) -> list[Tile]:
    """Return the tiles that are worth measuring, the default first.

    More than 28 accumulators leave no register for inputs and weights; few do not hide the time
    of a multiplication.
    """
    default = default_tile(width, blocks, vector)
    found = [
        Tile(pixels, tile, unrolled)
        for pixels in range(2, 29)
        if width % pixels == 0
        for tile in (1, 2, 4)
        if blocks % tile == 0 and 6 <= pixels * tile <= 28
        for unrolled in (_UNROLLED_CHANNELS, 2 * _UNROLLED_CHANNELS)
    ]
    return [default, *(tile for tile in found if tile != default)]


def output_tiles(function: Any, vector: int) -> list[Tile]:
    """Return the tiles worth measuring for a fused convolution in blocked layout, default first."""
    schedule = s_tir.Schedule(function)
    last = schedule.get_sblock(child_blocks(schedule)[-1])
    _, blocks, _, columns = (
        int(schedule.get(loop).extent) for loop in schedule.get_loops(last)[:4]
    )
    return tiles(columns, blocks, vector)


def schedule_blocked_conv(function: Any, vector: int, tile: Tile | None = None) -> Any:
    """Schedule a fused convolution in blocked layout [n, c/v, h, w, v].

    A tile of pixels times one or two blocks of channels is accumulated in registers over all input
    channels and kernel positions; what was fused after the convolution is done on the tile.
    """
    schedule, conv, tile = tile_output(function, vector, tile)
    _schedule_accumulation(schedule, conv, vector, tile.unrolled)
    return schedule.mod["main"]


def tile_output(function: Any, vector: int, tile: Tile | None) -> tuple[Any, Any, Tile]:
    """Cut the output of a fused convolution into tiles, with all that belongs to one at its tile.

    Returns the schedule, the block of the convolution, whose own loops are still to be ordered, and
    the tile: the default one where none is given.
    """
    schedule, names, sum_ = begin_one_sum(function)
    if sum_ == names[-1]:
        raise ValueError(f"something must follow the convolution, not {names}")
    conv, last = schedule.get_sblock(sum_), schedule.get_sblock(names[-1])
    if "data_pad" in names:
        *outer, row, _, inner = schedule.get_loops(schedule.get_sblock("data_pad"))
        schedule.parallel(schedule.fuse(*outer, row))
        schedule.vectorize(inner)
    batch, blocks, rows, columns, lanes = schedule.get_loops(last)
    width, channels = (int(schedule.get(loop).extent) for loop in (columns, blocks))
    tile = tile or default_tile(width, channels, vector)
    blocks_outer, blocks_tile = schedule.split(blocks, [None, tile.blocks])
    columns_outer, columns_tile = schedule.split(columns, [None, tile.pixels])
    schedule.reorder(batch, blocks_outer, rows, columns_outer, blocks_tile, columns_tile, lanes)
    schedule.parallel(schedule.fuse(batch, blocks_outer, rows))
    schedule.vectorize(lanes)
    schedule.unroll(blocks_tile)
    schedule.unroll(columns_tile)
    schedule.compute_at(conv, columns_outer, preserve_unit_loops=True)
    return schedule, conv, tile


def begin_one_sum(function: Any) -> tuple[Any, list[str], str]:
    """Return a schedule, the names of its blocks and that of the one block that sums.

    What follows the sum is inlined, and what prepares another operand, such as a dequantized one.
    The last block stays, and the padding of a convolution's input.
    """
    schedule = s_tir.Schedule(function)
    names = child_blocks(schedule)
    sums = [name for name in names if is_reduction(schedule, name)]
    if len(sums) != 1:
        raise ValueError(f"one convolution or product is expected, not {names}")
    for name in names[:-1]:
        if name not in (*sums, "data_pad"):
            schedule.compute_inline(schedule.get_sblock(name))
    return schedule, names, sums[0]


def _schedule_accumulation(schedule: Any, conv: Any, vector: int, unrolled: int) -> None:
    batch, blocks, rows, columns, lanes, channels, high, wide = schedule.get_loops(conv)[2:]
    count = int(schedule.get(channels).extent)
    block = next((size for size in (vector, vector // 2) if count % size == 0), count)
    outer, inner = schedule.split(channels, [None, block])
    inner, innermost = schedule.split(inner, [None, unrolled if block % unrolled == 0 else block])
    schedule.reorder(batch, rows, outer, high, wide, inner, innermost, blocks, columns, lanes)
    for loop in (innermost, columns, blocks):
        schedule.unroll(loop)
    schedule.vectorize(lanes)
    begin_with_zeros(schedule, conv, outer)


def begin_with_zeros(schedule: Any, conv: Any, loop: Any) -> None:
    """Set the accumulators of a tile to zero before the outermost loop of the sum."""
    zeros = schedule.get_loops(schedule.decompose_reduction(conv, loop))
    schedule.vectorize(zeros[-1])
    for one in zeros[2:-1]:
        schedule.unroll(one)


def schedule_matmul(function: Any, vector: int) -> Any:
    """Schedule a fused product of [n, k] and [k, m], the classifier: memory decides.

    A task reads some neighbouring columns of the weights, once for up to four rows of the input.
    """
    schedule, names, sum_ = begin_one_sum(function)
    product, last = schedule.get_sblock(sum_), schedule.get_sblock(names[-1])
    if len(schedule.get_loops(product)) != 3:
        raise ValueError("this is not a product of two matrices, but of many, or of a vector")
    rows, columns = schedule.get_loops(last)[:2]
    count, width = (int(schedule.get(loop).extent) for loop in (rows, columns))
    lanes = next(size for size in (vector, vector // 2, 1) if width % size == 0)
    vectors = next(size for size in (6, 5, 4, 3, 2, 1) if width // lanes % size == 0)
    outer, vectors_tile, lane = schedule.split(columns, [None, vectors, lanes])
    rows, rows_tile = schedule.split(rows, [None, next(s for s in (4, 3, 2, 1) if count % s == 0)])
    schedule.reorder(outer, rows, rows_tile, vectors_tile, lane)
    task = schedule.fuse(outer, rows)
    schedule.parallel(task)
    if sum_ != names[-1]:
        schedule.compute_at(product, task, preserve_unit_loops=True)
        unroll_tile(schedule, rows_tile, vectors_tile, lane)
        rows_tile, columns, summed = schedule.get_loops(product)[-3:]
        vectors_tile, lane = schedule.split(columns, [None, lanes])
    else:
        summed = schedule.get_loops(product)[-1]
    summed, unrolled = schedule.split(summed, [None, _UNROLLED_CHANNELS])
    schedule.reorder(summed, unrolled, rows_tile, vectors_tile, lane)
    schedule.unroll(unrolled)
    unroll_tile(schedule, rows_tile, vectors_tile, lane)
    zeros = schedule.get_loops(schedule.decompose_reduction(product, summed))
    unroll_tile(schedule, *zeros[-3:])
    return schedule.mod["main"]


def unroll_tile(schedule: Any, first: Any, second: Any, lanes: Any) -> None:
    """Keep two loops and a vector in registers."""
    schedule.unroll(first)
    schedule.unroll(second)
    schedule.vectorize(lanes)


def schedule_spatial(function: Any, vector: int) -> Any:
    """Schedule anything else (pooling, transposes, a convolution that fills no blocks).

    What can be inlined is; the outer loops are parallel, the last one a vector where its length
    allows.
    """
    schedule = s_tir.Schedule(function)
    _inline_all(schedule)
    for name in child_blocks(schedule):
        _schedule_block(schedule, name, vector)
    return schedule.mod["main"]


def _schedule_block(schedule: Any, name: str, vector: int) -> None:
    block = schedule.get_sblock(name)
    loops = list(schedule.get_loops(block))
    spatial = sum(_is_spatial(variable) for variable in schedule.get(block).iter_vars)
    outer, reduced = loops[:spatial], loops[spatial:]
    if not outer:
        return
    step = vector // 2 if reduced else vector
    extent = int(schedule.get(outer[-1]).extent)
    last = None
    if extent in (vector // 2, vector, 2 * vector):
        last = outer.pop()
    elif extent % step == 0:
        rest, last = schedule.split(outer.pop(), [None, step])
        outer.append(rest)
    if reduced and last is not None:
        schedule.reorder(*outer, *reduced, last)
    if last is not None:
        schedule.vectorize(last)
    if outer:
        schedule.parallel(schedule.fuse(*outer))
    if reduced:
        schedule.decompose_reduction(block, reduced[0])


def _inline_all(schedule: Any) -> None:
    """Inline what computes each element by itself, as long as the expressions stay small.

    What is read twice is written twice: a chain of such, as of Swish, would grow without bound.
    """
    names = child_blocks(schedule)
    bodies = {name: schedule.get(schedule.get_sblock(name)).body for name in names}
    loads = {name: list(_loads(body)) for name, body in bodies.items()}
    read = Counter(buffer for found in loads.values() for buffer in found)
    sizes: dict[str, int] = {}
    for name in names[:-1]:
        size = 1 + sum(sizes.get(buffer, 1) for buffer in loads[name])
        buffer = getattr(getattr(bodies[name], "buffer", None), "name", "")
        small = size <= _LARGEST_INLINED or read[buffer] <= 1
        if small and not is_reduction(schedule, name) and _try_inline(schedule, name):
            sizes[buffer] = size


def _loads(node: Any) -> Iterator[str]:
    """Yield the names of the buffers that an expression or a store reads, each time it does."""
    if hasattr(node, "indices") and hasattr(node, "source"):
        yield node.source.name
        return
    for field in ("value", "a", "b", "condition", "true_value", "false_value"):
        if isinstance(part := getattr(node, field, None), tvm.ir.Expr):
            yield from _loads(part)
    for part in getattr(node, "args", ()):
        yield from _loads(part)


def _try_inline(schedule: Any, name: str) -> bool:
    try:
        schedule.compute_inline(schedule.get_sblock(name))
    except s_tir.ScheduleError:
        return False  # read by a block that must see it whole: it keeps loops of its own
    return True


def child_blocks(schedule: Any) -> list[str]:
    """Return the names of the blocks of a function, in order."""
    root = schedule.get_sblock("root")
    return [schedule.get(block).name_hint for block in schedule.get_child_blocks(root)]


def is_reduction(schedule: Any, name: str) -> bool:
    """Return whether a block sums over something."""
    variables = schedule.get(schedule.get_sblock(name)).iter_vars
    return not all(_is_spatial(variable) for variable in variables)


def _is_spatial(variable: Any) -> bool:
    return int(variable.iter_type) == 0
