"""Operators that rearrange tensors: shapes, axes, joining, repeating, or build them from shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from mlrepo.backends.torch_onnx.registry import TYPES, Unsupported, axis_of, fixed, operator

_SHAPED = (13, 19, 21, 23, 24, 25)


@operator("Constant", 1, 9, 11, 12, *_SHAPED)
def _constant(
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
) -> Any:
    """Return a constant; refuse strings and sparse tensors."""
    if value is not None:
        return value
    whole = value_int if value_int is not None else value_ints
    if whole is not None:
        return torch.tensor(whole, dtype=torch.int64)
    return torch.tensor(value_float if value_float is not None else value_floats)


@operator("Shape", 1, *_SHAPED, 15)
def _shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


@operator("Size", 1, *_SHAPED)
def _size(x: Any) -> Any:
    return torch.tensor(math.prod(x.shape), dtype=torch.int64)


@operator("Reshape", 5, *_SHAPED, 14, known=("shape",))
def _reshape(x: Any, shape: Sequence[int], *, allowzero: int = 0) -> Any:
    if allowzero:
        if 0 in shape and -1 in shape:
            raise Unsupported("allowzero with both 0 and -1")
        return x.reshape(list(shape))
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


@operator("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def _flatten(x: Any, *, axis: int = 1) -> Any:
    axis = axis + x.dim() if axis < 0 else axis
    if axis == 0:
        return x.reshape(1, -1)
    if axis == x.dim():
        return x.reshape(-1, 1)
    return (x if axis == 1 else x.flatten(0, axis - 1)).flatten(1)


@operator("Squeeze", 1, 11)
def _squeeze_attribute(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    return _squeeze(x, axes)


@operator("Squeeze", 13, 21, 23, 24, 25, known=("axes",))
def _squeeze(x: Any, axes: Sequence[int] | None = None) -> Any:
    if axes is None:
        axes = [i for i, n in enumerate(fixed(x.shape)) if n == 1]
    dims = [axis_of(x, axis) for axis in axes]
    if any(n != 1 for n in fixed([x.shape[dim] for dim in dims])):
        raise Unsupported(f"axes {list(axes)}, not all of size 1")
    return x.squeeze(tuple(dims))


@operator("Unsqueeze", 1, 11)
def _unsqueeze_attribute(x: Any, *, axes: Sequence[int]) -> Any:
    return _unsqueeze(x, axes)


@operator("Unsqueeze", 13, 21, 23, 24, 25, known=("axes",))
def _unsqueeze(x: Any, axes: Sequence[int]) -> Any:
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Transpose", 1, 13, 21, 23, 24, 25)
def _transpose(x: Any, *, perm: Sequence[int] | None = None) -> Any:
    return x.permute(list(perm) if perm is not None else list(range(x.dim()))[::-1])


@operator("Concat", 4, 11, 13)
def _concat(*xs: Any, axis: int) -> Any:
    # PyTorch ignores an empty one-dimensional tensor, whatever shapes the others have.
    if len({x.dim() for x in xs}) > 1:
        raise Unsupported("tensors with different numbers of dimensions")
    return torch.cat(xs, axis)


@operator("Split", 2, 11)
def _split_attribute(
    x: Any, *, axis: int = 0, split: Sequence[int] | None = None, outputs: int
) -> Any:
    return _split(x, split, axis=axis, outputs=outputs)


@operator("Split", 13, known=("split",))
def _split(x: Any, split: Sequence[int] | None = None, *, axis: int = 0, outputs: int) -> Any:
    if split is not None:
        return tuple(x.split(list(split), axis))
    (size,) = fixed([x.shape[axis]])
    if size % outputs:
        raise Unsupported(f"{size} elements in {outputs} equal parts")
    return tuple(x.split([size // outputs] * outputs, axis))


@operator("Split", 18, known=("split",))
def _split_uneven(
    x: Any,
    split: Sequence[int] | None = None,
    *,
    axis: int = 0,
    num_outputs: int = 0,
    outputs: int,
) -> Any:
    """Split; without sizes all parts are equal except the last, which may be smaller."""
    if split is not None:
        return tuple(x.split(list(split), axis))
    (size,) = fixed([x.shape[axis]])
    part = -(-size // (num_outputs or outputs))
    sizes = [part] * ((num_outputs or outputs) - 1)
    if size - sum(sizes) < 0:
        raise Unsupported(f"{size} elements in {num_outputs} parts")
    return tuple(x.split([*sizes, size - sum(sizes)], axis))


@operator("Expand", 8, 13, known=("shape",))
def _expand(x: Any, shape: Sequence[int]) -> Any:
    missing = x.dim() - len(shape)
    sizes = [*[1] * missing, *shape]
    new = len(sizes) - x.dim()
    return x.expand([n if n != 1 or i < new else -1 for i, n in enumerate(sizes)])


@operator("Tile", 6, 13, known=("repeats",))
def _tile(x: Any, repeats: Sequence[int]) -> Any:
    return x.repeat(list(repeats))


@operator("DepthToSpace", 1, 11, 13)
def _depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    c, h, w = fixed(x.shape[1:])
    b, left = blocksize, c // blocksize**2
    if mode == "DCR":
        parts = x.reshape(-1, b, b, left, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(-1, left, b, b, h, w).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(-1, left, h * b, w * b)


@operator("SpaceToDepth", 1, 13)
def _space_to_depth(x: Any, *, blocksize: int) -> Any:
    c, h, w = fixed(x.shape[1:])
    b = blocksize
    parts = x.reshape(-1, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(-1, c * b * b, h // b, w // b)


@operator("ConstantOfShape", 9, 20, 21, 23, 24, 25, known=("shape",))
def _constant_of_shape(shape: Sequence[int], *, value: Any = None) -> Any:
    if value is None:
        return torch.zeros(list(shape))
    return torch.full(list(shape), value.item(), dtype=value.dtype)


@operator("Range", 11)
def _range(start: Any, limit: Any, delta: Any) -> Any:
    if start.is_meta or limit.is_meta or delta.is_meta:
        raise Unsupported("bounds that depend on the image")
    count = max(0, math.ceil((limit - start).item() / delta.item()))
    return start + torch.arange(count, dtype=start.dtype) * delta


@operator("EyeLike", 9, 22)
def _eye_like(x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    if dtype is not None and dtype not in TYPES:
        raise Unsupported(f"the element type number {dtype}")
    ones = torch.ones_like(x, dtype=x.dtype if dtype is None else TYPES[dtype])
    return torch.triu(torch.tril(ones, k), k)


@operator("Trilu", 14, known=("k",))
def _trilu(x: Any, k: int | None = None, *, upper: int = 1) -> Any:
    return (torch.triu if upper else torch.tril)(x, _single(k) or 0)


def _single(value: Any) -> Any:
    """Return a number that may be given as a list of one element."""
    return value[0] if isinstance(value, list) else value
