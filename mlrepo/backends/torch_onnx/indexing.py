"""Operators that select by position: slices, indices, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from mlrepo.backends.torch_onnx.registry import Unsupported, axis_of, fixed, operator


@operator("Slice", 1)
def _slice_attributes(
    x: Any, *, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None = None
) -> Any:
    return _slice(x, starts, ends, axes)


@operator("Slice", 10, 11, 13, known=("starts", "ends", "axes", "steps"))
def _slice(
    x: Any,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Any:
    dims = range(len(starts)) if axes is None else [axis_of(x, axis) for axis in axes]
    for start, end, dim, step in zip(starts, ends, dims, steps or [1] * len(starts), strict=True):
        if step > 0:
            x = x[(slice(None),) * dim + (slice(start, end, step),)]
            continue
        (size,) = fixed([x.shape[dim]])
        wanted = range(*slice(start, _end(end, size), step).indices(size))
        x = x.index_select(dim, torch.tensor(list(wanted), dtype=torch.int64, device=x.device))
    return x


def _end(end: int, size: int) -> int | None:
    """Return the end of a backward slice: None to include the first element."""
    return None if end < -size else end


@operator("Gather", 1, 11, 13, known=())
def _gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis_of(x, axis)
    flat = _counted(indices.reshape(-1), x.shape[axis])
    found = x.index_select(axis, flat)
    if indices.dim() == 1:
        return found
    if indices.dim() == 0:
        return found.squeeze(axis)
    return found.unflatten(axis, tuple(indices.shape))


@operator("GatherElements", 11, 13)
def _gather_elements(x: Any, indices: Any, *, axis: int = 0) -> Any:
    return torch.gather(x, axis, _counted(indices, x.shape[axis]))


@operator("GatherND", 11, 12, 13)
def _gather_nd(x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    parts = indices.unbind(-1)
    # Along each batch axis, the index is the position itself.
    rank = indices.dim() - 1
    where: list[Any] = []
    for dim in range(batch_dims):
        count = torch.arange(x.shape[dim], device=x.device)
        where.append(count.reshape([-1 if i == dim else 1 for i in range(rank)]))
    where += [_counted(part, x.shape[batch_dims + i]) for i, part in enumerate(parts)]
    return x[tuple(where)]


@operator("ScatterElements", 11, 13, 16, 18)
def _scatter_elements(
    x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none"
) -> Any:
    if reduction != "none":
        raise Unsupported(f"reduction {reduction}")
    return x.scatter(axis, _counted(indices, x.shape[axis]), updates)


@operator("ScatterND", 11, 13, 16, 18)
def _scatter_nd(x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    if reduction != "none":
        raise Unsupported(f"reduction {reduction}")
    where = tuple(_counted(part, x.shape[i]) for i, part in enumerate(indices.unbind(-1)))
    return x.index_put(where, updates)


def _counted(indices: Any, size: Any) -> Any:
    """Return 64-bit indices, counted from the front."""
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + size, indices)


@operator("OneHot", 9, 11, known=("depth",))
def _one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    count = int(depth[0] if isinstance(depth, list) else depth)
    axis = axis + indices.dim() + 1 if axis < 0 else axis
    numbers = _counted(indices, count).unsqueeze(axis)
    shape = [-1 if i == axis else 1 for i in range(indices.dim() + 1)]
    on = numbers == torch.arange(count, device=indices.device).reshape(shape)
    return torch.where(on, values[1], values[0])


@operator("Pad", 2)
def _pad_attributes(
    x: Any, *, pads: Sequence[int], mode: str = "constant", value: float = 0.0
) -> Any:
    return _pad(x, pads, value, mode=mode)


@operator("Pad", 11, 13, 18, 19, 21, 23, 24, 25, known=("pads", "value", "axes"))
def _pad(
    x: Any,
    pads: Sequence[int],
    value: Any = None,
    axes: Sequence[int] | None = None,
    *,
    mode: str = "constant",
) -> Any:
    dims = list(range(x.dim())) if axes is None else [axis_of(x, axis) for axis in axes]
    sides = dict(zip(dims, zip(pads[: len(dims)], pads[len(dims) :], strict=True), strict=True))
    if mode == "constant":
        value = value[0] if isinstance(value, list) else value
        order = [side for dim in reversed(range(x.dim())) for side in sides.get(dim, (0, 0))]
        while order and order[-2:] == [0, 0]:
            order = order[:-2]
        return functional.pad(x, order, value=value or 0) if order else x
    for dim, (begin, end) in sides.items():
        if (begin, end) != (0, 0):
            (size,) = fixed([x.shape[dim]])
            places = [_source(i, size, mode) for i in range(-begin, size + end)]
            x = x.index_select(dim, torch.tensor(places, dtype=torch.int64, device=x.device))
    return x


def _source(i: int, size: int, mode: str) -> int:
    """Return which element is at position ``i``, counted from the first one before padding."""
    if mode == "edge":
        return min(max(i, 0), size - 1)
    if mode == "wrap":
        return i % size
    if mode != "reflect":
        raise Unsupported(f"mode {mode}")
    if not -size < i < 2 * size - 1:
        raise Unsupported("reflected padding of the whole axis or more")
    return abs(i) if i < size else 2 * (size - 1) - i
