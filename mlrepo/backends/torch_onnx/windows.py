"""Sliding windows over the spatial axes: padding as ONNX specifies it, and pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from mlrepo.backends.torch_onnx.registry import Unsupported, fixed, operator

_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


@dataclass(frozen=True)
class Axis:
    """How a window moves along one axis of ``size`` elements; ``begin`` and ``end`` are padding."""

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int

    @property
    def extent(self) -> int:
        """The number of elements from a window's first to its last."""
        return (self.kernel - 1) * self.dilation + 1

    def overhang(self, ceil_mode: bool) -> int:
        """Return how far the last window extends past the padding; none begins in the padding."""
        room = self.size + self.begin + self.end - self.extent
        if not ceil_mode or room % self.stride == 0:
            return 0
        last = (room // self.stride + 1) * self.stride
        return 0 if last >= self.size + self.begin else last - room


def window_axes(
    x: Any,
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
) -> list[Axis]:
    """Return the spatial axes of ``x`` ([n, channels, …]) with strides and padding filled in.

    Raises
    ------
    Unsupported
        The number of attributes differs from that of axes, a padding is negative, or ``auto_pad``
        is unknown or used with dilations, where runtimes differ.
    """
    n = x.dim() - 2
    strides, dilations = strides or [1] * n, dilations or [1] * n
    pads = (pads or [0] * 2 * n) if auto_pad == "NOTSET" else [0] * 2 * n
    if not len(kernel) == len(strides) == len(dilations) == len(pads) / 2 == n:
        raise Unsupported(f"attributes for another number of axes than {n}")
    if min(pads) < 0 or auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unsupported(f"auto_pad {auto_pad} with pads {list(pads)}")
    if not auto_pad.startswith("SAME"):
        sizes = fixed(x.shape[2:])
        rows = zip(sizes, kernel, strides, dilations, pads[:n], pads[n:], strict=True)
        return [Axis(*row) for row in rows]
    if any(dilation != 1 for dilation in dilations):
        raise Unsupported(f"auto_pad {auto_pad} with dilations, which runtimes read differently")
    axes = []
    for size, k, stride, dilation in zip(
        fixed(x.shape[2:]), kernel, strides, dilations, strict=True
    ):
        reach = (math.ceil(size / stride) - 1) * stride + (k - 1) * dilation + 1
        total = max(0, reach - size)
        begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        axes.append(Axis(size, k, stride, dilation, begin, total - begin))
    return axes


def pad_spatial(x: Any, axes: Sequence[Axis], value: float, ceil_mode: bool = False) -> Any:
    """Return ``x`` with the padding of ``axes``, and as much more as the last windows need."""
    sides = [(axis.begin, axis.end + axis.overhang(ceil_mode)) for axis in reversed(axes)]
    return functional.pad(x, [side for pair in sides for side in pair], value=value)


def _is_torch_s(axes: Sequence[Axis]) -> bool:
    """Return whether PyTorch can do the padding: equal on both sides, at most half a window."""
    return all(a.begin == a.end and 2 * a.begin <= a.kernel for a in axes)


@operator("MaxPool", 1, 8, 10, 11, 12, 22)
def _max_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Any:
    """Ignore ``storage_order``: it is only for the second output, which is refused."""
    axes = _pool_axes(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    step, spread = [a.stride for a in axes], [a.dilation for a in axes]
    run = _MAX[len(axes)]
    if max(spread) > 1:
        # TorchScript's optimization ignores the dilation of the operator without indices.
        x = pad_spatial(x, axes, -math.inf, bool(ceil_mode))
        return run(x, list(kernel_shape), step, 0, spread, return_indices=True)[0]
    if _is_torch_s(axes):
        padding = [a.begin for a in axes]
        return run(x, list(kernel_shape), step, padding, spread, ceil_mode=bool(ceil_mode))
    x = pad_spatial(x, axes, -math.inf, bool(ceil_mode))
    return run(x, list(kernel_shape), step, 0, spread)


@operator("AveragePool", 7, 10, 11, 19, 22)
def _average_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Any:
    axes = _pool_axes(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    if count_include_pad and any(a.overhang(bool(ceil_mode)) for a in axes):
        raise Unsupported("count_include_pad with windows beyond the padding, read differently")
    plain = all(a.dilation == 1 for a in axes)
    if plain and _is_torch_s(axes):
        return _AVERAGE[len(axes)](
            x,
            list(kernel_shape),
            [a.stride for a in axes],
            [a.begin for a in axes],
            bool(ceil_mode),
            bool(count_include_pad),
        )
    # Elements that count: the image, and its padding if requested.
    ones = x.new_ones([1, 1, *[a.size for a in axes]])
    padding = 1.0 if count_include_pad else 0.0
    count = _window_sums(pad_spatial(ones, axes, padding, bool(ceil_mode)), axes)
    return _window_sums(pad_spatial(x, axes, 0.0, bool(ceil_mode)), axes) / count


def _pool_axes(
    x: Any,
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
    ceil_mode: int,
) -> list[Axis]:
    if x.dim() - 2 not in _MAX or not x.is_floating_point():
        raise Unsupported(f"{x.dim()} dimensions of {x.dtype}")
    if ceil_mode and auto_pad != "NOTSET":
        raise Unsupported(f"ceil_mode with auto_pad {auto_pad}")
    return window_axes(x, kernel, strides, dilations, pads, auto_pad)


def _window_sums(x: Any, axes: Sequence[Axis]) -> Any:
    """Return the sum of each window over an input that is already padded."""
    kernel = [a.kernel for a in axes]
    planes = x.flatten(0, 1).unsqueeze(1)
    sums = _CONVOLUTIONS[len(axes)](
        planes,
        x.new_ones([1, 1, *kernel]),
        None,
        [a.stride for a in axes],
        0,
        [a.dilation for a in axes],
    )
    return sums.squeeze(1).unflatten(0, (x.shape[0], x.shape[1]))


@operator("GlobalAveragePool", 1, 22)
def _global_average_pool(x: Any) -> Any:
    return x.mean(dim=list(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool", 1, 22)
def _global_max_pool(x: Any) -> Any:
    return x.amax(dim=list(range(2, x.dim())), keepdim=True)


@operator("LpPool", 11, 18, 22)
def _lp_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    p: int = 2,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Any:
    axes = _pool_axes(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    powers = x.abs().pow(p)
    return _window_sums(pad_spatial(powers, axes, 0.0, bool(ceil_mode)), axes).pow(1 / p)


@operator("GlobalLpPool", 2)
def _global_lp_pool(x: Any, *, p: int = 2) -> Any:
    return torch.linalg.vector_norm(x, p, dim=list(range(2, x.dim())), keepdim=True)
