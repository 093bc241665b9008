"""Measure the distance of scores from the expected ones, and bound it by precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mlrepo.backends import Array

# The distance that a type allows for the scores of one sample: the norm of the difference, divided
# by the norm of the expected scores minus their mean. Measured on ResNet-50, EfficientNet-Lite0 and
# digits, all backends: fp32 at most 5e-6 (another order of additions, Winograd); bf16 5e-2, and 0.1
# after a Softmax; int8 3e-2 and 4e-2. The bounds leave room for deeper models. A wrong operator,
# stride, layout or weight changes scores by more than fp32 allows; in 8 bits it differs from
# rounding only if it changes classes.
BOUNDS = {"fp64": 1e-3, "fp32": 1e-3, "fp16": 2.5e-2, "bf16": 0.2, "int8": 0.2}
_LOOSEST = "int8"
# Relative to the norm of the scores: the rounding noise of scores that hardly differ.
_NOISE = 1e-2
# Scores below this count as zero.
_ZERO = 1e-6
_WORDS = {"float64": "fp64", "float32": "fp32", "float16": "fp16"}


@dataclass(frozen=True)
class Farthest:
    """The place where scores are farthest from the expected ones.

    Attributes
    ----------
    distance:
        As in :data:`BOUNDS`; infinite if a number is missing.
    row, output, position:
        The sample's row in the batch, the output, and the flat position in the sample's scores.
    """

    distance: float
    row: int
    output: int
    position: int
    found: float
    wanted: float


def loosest(types: Iterable[str]) -> str:
    """Return the coarsest of the types that a model is stored and computed in."""
    known = [name if name in BOUNDS else _LOOSEST for name in (_WORDS.get(t, t) for t in types)]
    return max(known or ["fp32"], key=lambda name: BOUNDS[name])


def farthest(
    found: Sequence[Array], wanted: Sequence[Array], rows: Sequence[int], kind: str
) -> Farthest:
    """Return where the outputs of a batch differ most from the expected ones.

    Parameters
    ----------
    found:
        Outputs of the batch, shape [len(rows), ...].
    wanted:
        The expected outputs, shape [samples, ...]; one without samples is not compared.
    rows:
        Which sample each row of the batch is.
    kind:
        The type whose rounding is allowed.

    Raises
    ------
    ValueError
        An output has another shape or type; the message names both.
    """
    worst = Farthest(0.0, 0, 0, 0, 0.0, 0.0)
    for number, (mine, right) in enumerate(zip(found, wanted, strict=False)):
        if not len(right) or right.dtype.kind not in "fiub":
            continue
        size = right[0].size
        if len(mine) != len(rows) or mine.dtype.kind not in "fiub" or mine[0].size != size:
            raise ValueError(f"{mine.dtype} {list(mine.shape)} instead of [{len(rows)}, {size}]")
        if size == 1 and right.dtype.kind in "iu":
            places = [_of_classes(mine, right, rows, kind, number)]
        else:
            places = [_of_row(mine[r], right[s], kind, r, number) for r, s in enumerate(rows)]
        worst = max([worst, *places], key=lambda place: place.distance)
    return worst


def _of_classes(
    found: Array, wanted: Array, rows: Sequence[int], kind: str, output: int
) -> Farthest:
    """Compare classes chosen by the model itself; rounding may change some if scores are close.

    If rounding is allowed, the distance is the share beyond half of the samples.
    """
    mine, right = found.reshape(len(rows)), wanted.reshape(len(wanted))[list(rows)]
    wrong = np.flatnonzero(mine != right)
    share = len(wrong) / len(rows)
    if BOUNDS[kind] > BOUNDS["fp32"]:
        share = max(0.0, 2 * share - 1)
    row = int(wrong[0]) if len(wrong) else 0
    return Farthest(share, row, output, 0, float(mine[row]), float(right[row]))


def _of_row(found: Array, wanted: Array, kind: str, row: int, output: int) -> Farthest:
    mine, right = (np.ravel(a).astype(np.float64) for a in (found, wanted))
    # Quantized scores may differ by one step of rounding.
    step = 1.0 if wanted.dtype.kind in "iu" and wanted.dtype.itemsize == 1 else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.maximum(np.abs(mine - right) - step, 0.0)
        difference[mine == right] = 0.0  # two infinities
        difference[np.isnan(mine) & np.isnan(right)] = 0.0
    position = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    at = (row, output, position, float(mine[position]), float(right[position]))
    if not np.isfinite(difference).all():
        return Farthest(float("inf"), *at)
    finite = right[np.isfinite(right)]
    spread = float(np.linalg.norm(finite - finite.mean())) if finite.size > 1 else 0.0
    if spread > _NOISE * float(np.linalg.norm(finite)) and not np.ptp(mine):
        return Farthest(float("inf"), *at)  # small numbers that a framework flushes to zero
    scale = max(spread, _NOISE * float(np.linalg.norm(finite)), _ZERO / BOUNDS[kind])
    if right.size == 1:
        scale = max(scale, float(np.abs(finite).sum()))
    return Farthest(float(np.linalg.norm(difference)) / scale, *at)
