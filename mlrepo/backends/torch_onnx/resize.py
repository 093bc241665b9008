"""Resizing, axis by axis: with a matrix of weights, or by the nearest element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlrepo.backends.torch_onnx.registry import Unsupported, axis_of, fixed, operator

Places = npt.NDArray[np.float32]


@operator("Upsample", 7)
def _upsample_attribute(x: Any, *, scales: Sequence[float], mode: str = "nearest") -> Any:
    return _upsample(x, scales, mode=mode)


@operator("Upsample", 9, known=("scales",))
def _upsample(x: Any, scales: Sequence[float], *, mode: str = "nearest") -> Any:
    return _resize(
        x,
        None,
        scales,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@operator("Resize", 10, known=("scales",))
def _resize_by_scales(x: Any, scales: Sequence[float], *, mode: str = "nearest") -> Any:
    if mode == "nearest" and min(scales) < 1:
        raise Unsupported("a smaller result in mode nearest: version 10 leaves its rounding open")
    return _upsample(x, scales, mode=mode)


@operator("Resize", 11, 13, 18, 19, known=("roi", "scales", "sizes"))
def _resize(
    x: Any,
    roi: Any = None,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:
    """Ignore ``roi`` and ``extrapolation_value``: only tf_crop_and_resize uses them (refused)."""
    if antialias or keep_aspect_ratio_policy != "stretch":
        raise Unsupported("antialias or keep_aspect_ratio_policy")
    dims = list(range(x.dim())) if axes is None else [axis_of(x, axis) for axis in axes]
    sources = fixed([x.shape[dim] for dim in dims])
    if sizes:
        targets, factors = list(sizes), [n / m for n, m in zip(sizes, sources, strict=True)]
    else:
        factors = list(scales or [])
        exact = [np.float32(n) * np.float32(f) for n, f in zip(sources, factors, strict=True)]
        targets = [math.floor(size) for size in exact]
        if coordinate_transformation_mode == "align_corners" and targets != exact:
            raise Unsupported("align_corners with sizes that are not whole numbers")
    for dim, source, target, factor in zip(dims, sources, targets, factors, strict=True):
        if source == target and factor == 1:
            continue
        places = _places(coordinate_transformation_mode, source, target, factor)
        if mode == "nearest":
            nearest = torch.from_numpy(_nearest(places, nearest_mode, source)).to(x.device)
            x = x.index_select(dim, nearest)
        elif mode in ("linear", "cubic"):
            a = cubic_coeff_a if mode == "cubic" else None
            weights = torch.from_numpy(_weights(places, source, a, bool(exclude_outside)))
            moved = x.movedim(dim, -1) @ weights.to(device=x.device, dtype=x.dtype)
            x = moved.movedim(-1, dim)
        else:
            raise Unsupported(f"mode {mode}")
    return x


def _places(way: str, source: int, target: int, factor: float) -> Places:
    """Return the source coordinate of each element of the result, as runtimes compute it."""
    f32 = np.float32
    at = np.arange(target, dtype=f32)
    scale = f32(factor)
    half = f32(0.5)
    if way == "asymmetric":
        return at / scale
    if way == "align_corners":
        return at * f32(0) if target == 1 else at * f32(source - 1) / f32(target - 1)
    if way == "pytorch_half_pixel" and target == 1:
        return at * f32(0)
    if way in ("half_pixel", "pytorch_half_pixel"):
        return (at + half) / scale - half
    if way == "tf_half_pixel_for_nn":
        return (at + half) / scale
    if way == "half_pixel_symmetric":
        adjusted = f32(target) / (scale * f32(source))
        return f32(source / 2) * (f32(1) - adjusted) + (at + half) / scale - half
    raise Unsupported(f"coordinate_transformation_mode {way}")


def _nearest(places: Places, way: str, source: int) -> npt.NDArray[np.int64]:
    if way == "floor":
        chosen = np.floor(places)
    elif way == "ceil":
        chosen = np.ceil(places)
    elif way == "round_prefer_floor":
        chosen = np.ceil(places - np.float32(0.5))
    elif way == "round_prefer_ceil":
        chosen = np.floor(places + np.float32(0.5))
    else:
        raise Unsupported(f"nearest_mode {way}")
    return np.clip(chosen, 0, source - 1).astype(np.int64)


def _weights(
    places: Places, source: int, a: float | None, exclude_outside: bool
) -> npt.NDArray[np.float32]:
    """Return a matrix [source, target] of weights: linear, or cubic with the coefficient ``a``."""
    matrix = np.zeros((source, len(places)), np.float64)
    if a is None:
        places = np.clip(places, 0, source - 1)
    for column, place in enumerate(places.astype(np.float64)):
        base = math.floor(place)
        t = place - base
        taps = [(0, 1 - t), (1, t)] if a is None else _cubic(t, a)
        if a is not None and exclude_outside:
            taps = [(i, w) for i, w in taps if 0 <= base + i < source]
            total = sum(w for _, w in taps)
            taps = [(i, w / total) for i, w in taps]
        for offset, weight in taps:
            matrix[min(max(base + offset, 0), source - 1), column] += weight
    return matrix.astype(np.float32)


def _cubic(t: float, a: float) -> list[tuple[int, float]]:
    def far(d: float) -> float:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    def near(d: float) -> float:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    return [(-1, far(t + 1)), (0, near(t)), (1, near(1 - t)), (2, far(2 - t))]
