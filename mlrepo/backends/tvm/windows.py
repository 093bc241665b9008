"""Blocked layout: the number of channels per block, and the input windows of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import topi


def channel_block(channels: int, vector: int) -> int:
    """Return the channels per block: as many as a vector holds, or half of them; 0 if neither."""
    return next((size for size in (vector, vector // 2) if channels % size == 0), 0)


def windows(
    data: Any,
    kernel: tuple[Any, Any],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    more: int = 0,
) -> tuple[Any, Any, Any]:
    """Return [n, c/v, h, w, v] padded with zeros, and the rows and columns of the output.

    ``kernel`` is height and width; ``padding`` is top, left, bottom, right; ``more`` is the number
    of channels added to each block.
    """
    top, left, bottom, right = padding
    _, _, height, width, _ = data.shape
    high, wide = kernel
    padded = data
    if any(padding) or more:
        end = (0, 0, bottom, right, more)
        padded = topi.nn.pad(data, (0, 0, top, left, 0), end, name="data_pad")
    rows = (height + top + bottom - (high - 1) * dilation[0] - 1) // strides[0] + 1
    columns = (width + left + right - (wide - 1) * dilation[1] - 1) // strides[1] + 1
    return padded, rows, columns
