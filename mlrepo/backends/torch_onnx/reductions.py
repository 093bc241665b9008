"""Operators that reduce or order along axes: sums, extremes, softmax, sorting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from mlrepo.backends.torch_onnx.registry import Unsupported, axis_of, operator


def _total(x: Any, dims: list[int], keep: bool) -> Any:
    return x.sum(dims, keepdim=keep, dtype=x.dtype)


def _product(x: Any, dims: list[int], keep: bool) -> Any:
    for dim in sorted(dims, reverse=True):
        x = x.prod(dim, keepdim=keep, dtype=x.dtype)
    return x


def _average(x: Any, dims: list[int], keep: bool) -> Any:
    if not x.is_floating_point():
        raise Unsupported("the mean of integers")
    return x.mean(dims, keepdim=keep)


# Each function takes a tensor, the axes counted from the front, and whether to keep them.
_REDUCTIONS: dict[str, Callable[[Any, list[int], bool], Any]] = {
    "ReduceSum": _total,
    "ReduceMean": _average,
    "ReduceProd": _product,
    "ReduceMax": lambda x, dims, keep: x.amax(dims, keepdim=keep),
    "ReduceMin": lambda x, dims, keep: x.amin(dims, keepdim=keep),
    "ReduceL1": lambda x, dims, keep: _total(x.abs(), dims, keep),
    "ReduceL2": lambda x, dims, keep: _total(x * x, dims, keep).sqrt().to(x.dtype),
    "ReduceSumSquare": lambda x, dims, keep: _total(x * x, dims, keep),
    "ReduceLogSum": lambda x, dims, keep: _total(x, dims, keep).log(),
    "ReduceLogSumExp": lambda x, dims, keep: torch.logsumexp(x, dims, keepdim=keep),
}
# With noop_with_empty_axes and no axes these return their input; for the others runtimes differ.
_IDENTITIES = {"ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin"}


def _register(name: str, reduce: Callable[[Any, list[int], bool], Any]) -> None:
    def run(x: Any, axes: Sequence[int] | None, keepdims: int, noop: int) -> Any:
        if not axes and noop:
            if name not in _IDENTITIES:
                raise Unsupported("noop_with_empty_axes")
            return x
        dims = [axis_of(x, axis) for axis in axes] if axes else list(range(x.dim()))
        return reduce(x, dims, bool(keepdims)) if dims else reduce(x.reshape(1), [0], False)

    def attribute(x: Any, *, axes: Sequence[int] | None = None, keepdims: int = 1) -> Any:
        return run(x, axes, keepdims, 0)

    def given(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        return run(x, axes, keepdims, noop_with_empty_axes)

    old: tuple[int, ...] = (1, 11, 13)
    new: tuple[int, ...] = (18,)
    if name == "ReduceSum":
        old, new = (1, 11), (13,)
    elif name in ("ReduceMax", "ReduceMin"):
        old, new = (1, 11, 12, 13), (18, 20)
    operator(name, *old)(attribute)
    operator(name, *new, known=("axes",))(given)


for _name, _function in _REDUCTIONS.items():
    _register(_name, _function)


def _softmax(x: Any, axis: int) -> Any:
    return torch.softmax(x, axis)


def _log_softmax(x: Any, axis: int) -> Any:
    return torch.log_softmax(x, axis)


def _hardmax(x: Any, axis: int) -> Any:
    """Return one at the first maximum, zero elsewhere."""
    largest = x == x.amax(axis, keepdim=True)
    return (largest & (largest.cumsum(axis) == 1)).to(x.dtype)


for _name, _along in {
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "Hardmax": _hardmax,
}.items():

    @operator(_name, 1, 11)
    def _over_the_rest(x: Any, *, axis: int = 1, _along: Any = _along) -> Any:
        """Normalize over all axes from ``axis`` on, as if they were one (before version 13)."""
        axis = axis_of(x, axis)
        if axis == x.dim() - 1:
            return _along(x, axis)
        return _along(x.flatten(axis), -1).reshape(x.shape)

    @operator(_name, 13)
    def _over_one(x: Any, *, axis: int = -1, _along: Any = _along) -> Any:
        return _along(x, axis)


@operator("ArgMax", 1, 11, 12, 13)
def _arg_max(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    return _arg(torch.argmax, x, axis, keepdims, select_last_index)


@operator("ArgMin", 1, 11, 12, 13)
def _arg_min(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    return _arg(torch.argmin, x, axis, keepdims, select_last_index)


def _arg(find: Any, x: Any, axis: int, keepdims: int, last: int) -> Any:
    if not last:
        return find(x, axis, keepdim=bool(keepdims))
    return x.shape[axis] - 1 - find(x.flip(axis_of(x, axis)), axis, keepdim=bool(keepdims))


@operator("TopK", 1)
def _top_k_attribute(x: Any, *, k: int, axis: int = -1) -> Any:
    return _top_k(x, k, axis=axis)


@operator("TopK", 10, 11, 24, known=("k",))
def _top_k(x: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    """Return the top k, equal values in order of their index, unlike PyTorch's own topk."""
    count = int(k[0] if isinstance(k, list) else k)
    values, indices = torch.sort(x, dim=axis, descending=bool(largest), stable=True)
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)


@operator("CumSum", 11, 14, known=("axis",))
def _cum_sum(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    dim = axis_of(x, int(axis[0] if isinstance(axis, list) else axis))
    x = x.flip(dim) if reverse else x
    total = x.cumsum(dim, dtype=x.dtype)
    if exclusive:
        first = torch.zeros_like(total.narrow(dim, 0, 1))
        total = torch.cat([first, total.narrow(dim, 0, total.shape[dim] - 1)], dim)
    return total.flip(dim) if reverse else total
