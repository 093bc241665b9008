"""The raw heads of RetinaNet: classes and boxes of every anchor, before any selection.

Anchors, box coding and thresholds are those of torchvision's RetinaNet, which MLPerf's reference
model is: five levels with strides 8 to 128, three sizes and three aspect ratios at each place,
scores above 0.05, the best 1000 of each level, IoU 0.5 by class, 300 detections at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mlrepo.workloads.detection.decoders import (
    IDS,
    Array,
    DecoderKind,
    MisfitError,
    UnreadableError,
    is_float,
    may_be,
    refuse_infinite,
)
from mlrepo.workloads.detection.detections import Detections, joined, without_overlaps
from mlrepo.workloads.weights.graph import Tensor

SCORE_THRESHOLD = 0.05
IOU_THRESHOLD = 0.5
CANDIDATES = 1000
MOST = 300
LEVELS = 5
FIRST_STRIDE = 8
SIZES = (32, 64, 128, 256, 512)
RATIOS = (0.5, 1.0, 2.0)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
ANCHORS = len(RATIOS) * len(SCALES)
# The largest logarithm of a size relative to its anchor's (torchvision's BoxCoder).
_LARGEST_LOG = math.log(1000 / 16)


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the height and width of each level for an input size: halved and rounded up."""
    strides = [FIRST_STRIDE << level for level in range(LEVELS)]
    return [(-(-size[0] // stride), -(-size[1] // stride)) for stride in strides]


@cache
def anchors(size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], ...]:
    """Return the anchors of each level, float32 [height * width * 9, 4], corners in pixels."""
    levels = []
    for (rows, columns), length in zip(level_sizes(size), SIZES, strict=True):
        # torchvision: sizes are whole pixels, and ratios change height and width by their roots.
        scales = np.array([int(length * scale) for scale in SCALES], np.float32)
        ratio = np.sqrt(np.array(RATIOS, np.float32))
        heights = (ratio[:, None] * scales).ravel()
        widths = ((1 / ratio)[:, None] * scales).ravel()
        base = np.round(np.stack([-widths, -heights, widths, heights], axis=1) / 2)
        y = np.arange(rows, dtype=np.float32) * (size[0] // rows)
        x = np.arange(columns, dtype=np.float32) * (size[1] // columns)
        shifts = np.stack([*np.meshgrid(x, y)] * 2, axis=-1).reshape(-1, 1, 4)
        levels.append((shifts + base).reshape(-1, 4).astype(np.float32))
    return tuple(levels)


@dataclass(frozen=True)
class RetinaNetDecoder:
    """The decoder of raw heads.

    Attributes
    ----------
    classes, boxes:
        The indices of the outputs with the logits and with the coded boxes, in the order of the
        levels: one each if the levels are joined.
    """

    classes: tuple[int, ...]
    boxes: tuple[int, ...]
    labels: str = IDS

    def decode(self, outputs: Sequence[Array], size: tuple[int, int]) -> Detections:
        """Return the detections after non-maximum suppression, clipped to the input."""
        levels = anchors(size)
        logits = _by_level([outputs[i] for i in self.classes], levels)
        coded = _by_level([outputs[i] for i in self.boxes], levels)
        count = len(logits[0])
        for level in logits:
            unreadable = np.isnan(level).any(axis=(1, 2))
            if unreadable.any():
                raise UnreadableError(int(unreadable.argmax()), "a score is not a number (NaN)")
        parts = []
        for row in range(count):
            parts += [
                _candidates(row, classes[row], boxes[row], anchor, size)
                for classes, boxes, anchor in zip(logits, coded, levels, strict=True)
            ]
        return without_overlaps(joined(parts), IOU_THRESHOLD, MOST)


def _by_level(outputs: Sequence[Array], levels: Sequence[Array]) -> list[Array]:
    """Return each level's numbers as [n, anchors, numbers of an anchor].

    Raises
    ------
    UnreadableError
        There are not as many as there are anchors for this size of input.
    """
    wanted = [len(level) for level in levels]
    if len(outputs) == 1 and outputs[0].ndim == 3:
        whole = outputs[0]
        if whole.shape[1] != sum(wanted):
            raise UnreadableError(
                0, f"its heads have {whole.shape[1]} places; RetinaNet has {sum(wanted)} anchors"
            )
        return np.split(whole, np.cumsum(wanted)[:-1], axis=1)
    found = []
    for one, count in zip(outputs, wanted, strict=True):
        flat = one
        if one.ndim == 4:  # [n, anchors of a place * numbers, height, width]
            flat = one.reshape(len(one), ANCHORS, -1, *one.shape[2:]).transpose(0, 3, 4, 1, 2)
            flat = flat.reshape(len(one), -1, flat.shape[-1])
        if flat.shape[1] != count:
            raise UnreadableError(
                0, f"a level has {flat.shape[1]} places; RetinaNet has {count} anchors there"
            )
        found.append(flat)
    return found


def _candidates(
    row: int, logits: Array, coded: Array, anchor: Array, size: tuple[int, int]
) -> Detections:
    """Return the best detections of a level, decoded and clipped."""
    flat = np.flatnonzero(logits.ravel() > math.log(SCORE_THRESHOLD / (1 - SCORE_THRESHOLD)))
    found = logits.ravel()[flat]
    if len(flat) > CANDIDATES:
        best = np.argsort(-found, kind="stable")[:CANDIDATES]
        flat, found = flat[best], found[best]
    places, labels = np.divmod(flat, logits.shape[1])
    rows = np.full(len(flat), row, np.intp)
    deltas, base = coded[places].astype(np.float32, copy=False), anchor[places]
    refuse_infinite(deltas, rows)
    extent = base[:, 2:] - base[:, :2]
    centre = deltas[:, :2] * extent + base[:, :2] + extent / 2
    half = np.exp(np.minimum(deltas[:, 2:], np.float32(_LARGEST_LOG))) * extent / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    limits = np.array([size[1], size[0]] * 2, np.float32)
    return Detections(
        rows,
        boxes.clip(0, limits),
        (1 / (1 + np.exp(-found.astype(np.float32)))).astype(np.float32),
        labels.astype(np.int64),
    )


def _fitted(outputs: Sequence[Tensor], classes: int) -> RetinaNetDecoder:
    """Return the decoder for heads that are joined, or one for each level."""
    heads = [(i, one) for i, one in enumerate(outputs) if is_float(one)]
    joined_heads = [(i, one) for i, one in heads if len(one.shape) == 3]
    if len(joined_heads) in (2, 2 * LEVELS):
        boxes = [i for i, one in joined_heads if one.shape[2] == 4]
        logits = [i for i, one in joined_heads if i not in boxes]
        if len(boxes) == len(logits) and all(
            may_be(outputs[i].shape[2], classes or outputs[i].shape[2] or 0) for i in logits
        ):
            return RetinaNetDecoder(tuple(logits), tuple(boxes))
    levels = [(i, one) for i, one in heads if len(one.shape) == 4]
    if len(levels) == 2 * LEVELS:
        boxes = [i for i, one in levels if one.shape[1] == 4 * ANCHORS]
        logits = [i for i, one in levels if i not in boxes]
        channels = {outputs[i].shape[1] for i in logits}
        if len(boxes) == LEVELS and len(channels) == 1:
            (number,) = channels
            if number is None or number == ANCHORS * (classes or number // ANCHORS):
                return RetinaNetDecoder(
                    _largest_first(logits, outputs), _largest_first(boxes, outputs)
                )
    wanted = f" of {classes} classes" if classes else ""
    raise MisfitError(f"it has no such pairs of heads{wanted}")


def _largest_first(which: Sequence[int], outputs: Sequence[Tensor]) -> tuple[int, ...]:
    """Return the levels from the finest on; in the model's order if sizes are open."""
    sizes = {i: outputs[i].shape[2] or 0 for i in which}
    return tuple(sorted(which, key=lambda i: -sizes[i]))


KIND = DecoderKind(
    "retinanet",
    "raw class and box heads, [batch, anchors, classes] and [batch, anchors, 4], joined or one "
    "pair for each of five levels",
    _fitted,
)
