"""Detected objects of a batch, and the removal of those that overlap a better one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Boxes compared with each other at once: a matrix of this size fits the processor's cache.
_BLOCK = 256
# The largest number of pairs of boxes of a whole batch that are compared at once.
_PAIRS = 1 << 19
# The largest number of pairs of boxes that are compared at once in a whole batch.
_PAIRS = 1 << 19


@dataclass(frozen=True)
class Detections:
    """What a decoder found in a batch of n samples.

    Attributes
    ----------
    rows:
        int [k], ascending: the row in the batch of each detection.
    boxes:
        float32 [k, 4]: xmin, ymin, xmax, ymax in pixels of the model's input.
    scores:
        float32 [k], within a row from the best to the worst.
    labels:
        int64 [k], numbered as the model does.
    """

    rows: npt.NDArray[np.intp]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def joined(parts: list[Detections]) -> Detections:
    """Return the detections of several rows in one; the parts are in the order of their rows."""
    if not parts:
        empty = np.empty(0, np.float32)
        nothing = np.empty(0, np.int64)
        return Detections(nothing.astype(np.intp), empty.reshape(0, 4), empty, nothing)
    return Detections(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def without_overlaps(found: Detections, most_iou: float, most: int) -> Detections:
    """Return the detections of each row that overlap no better one of the same class.

    This is greedy non-maximum suppression by class: from the best score down, a box stays if its
    IoU (intersection over union) with each box of its class that stayed is at most ``most_iou``.
    Of equal scores the first comes first. At most ``most`` detections of a row stay.
    """
    # Sorted by row, class and score, only a box before it in its run of one class may hide a box.
    order = np.lexsort((-found.scores, found.labels, found.rows))
    rows, labels = found.rows[order], found.labels[order]
    begins = np.flatnonzero((np.diff(rows, prepend=-1) != 0) | (np.diff(labels, prepend=-1) != 0))
    lengths = np.diff(begins, append=len(order))
    later = np.repeat(begins + lengths, lengths) - np.arange(len(order)) - 1
    if later.sum() <= _PAIRS:
        kept = np.sort(order[_stay(found.boxes[order], later, most_iou)])
    else:
        kept = _of_each_image(found, most_iou, most)
    kept = kept[np.lexsort((-found.scores[kept], found.rows[kept]))]
    rank = np.arange(len(kept)) - np.searchsorted(found.rows[kept], found.rows[kept])
    kept = kept[rank < most]
    return Detections(found.rows[kept], found.boxes[kept], found.scores[kept], found.labels[kept])


def _stay(boxes: Array, later: npt.NDArray[np.intp], most_iou: float) -> npt.NDArray[np.bool_]:
    """Return which boxes stay, [k]; ``later`` of a box says how many of its run follow it.

    Pairs within a run are compared, of all runs of a batch at once: they are few where there are
    many classes.
    """
    first = np.repeat(np.arange(len(later)), later)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(later) - later, later)
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    width = np.minimum(right[first], right[second]) - np.maximum(left[first], left[second])
    height = np.minimum(bottom[first], bottom[second]) - np.maximum(top[first], top[second])
    shared = width.clip(min=0) * height.clip(min=0)
    areas = (right - left) * (bottom - top)
    with np.errstate(invalid="ignore", divide="ignore"):
        hides = shared / (areas[first] + areas[second] - shared) > most_iou
    first, second = first[hides], second[hides]
    stays = np.ones(len(later), bool)
    while True:
        settled = np.ones(len(later), bool)
        settled[second[stays[first]]] = False
        if np.array_equal(settled, stays):
            return stays
        stays = settled


def _of_each_image(found: Detections, most_iou: float, most: int) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes that stay, image by image."""
    edges = [*np.unique(found.rows, return_index=True)[1].tolist(), len(found.rows)]
    kept = [
        begin
        + np.sort(
            kept_boxes(
                found.boxes[begin:end],
                found.scores[begin:end],
                found.labels[begin:end],
                most_iou,
                most,
            )
        )
        for begin, end in itertools.pairwise(edges)
    ]
    return np.concatenate(kept)


def kept_boxes(
    boxes: Array, scores: Array, labels: Array, most_iou: float, most: int
) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes of one image that stay, the best score first.

    The boxes are taken in blocks from the best score down. Within a block, which boxes stay is the
    fixed point of "no better box that stays hides it": whether a box stays depends on better ones
    alone, so each round settles at least one more, and a few settle all. Once ``most`` stay, worse
    ones are not compared.
    """
    order = np.argsort(-scores, kind="stable")
    sides = np.ascontiguousarray(boxes.T)
    kept = order[:0]
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if len(kept):
            hidden = _overlapping(sides, labels, kept, block, most_iou).any(axis=0)
            block = block[~hidden]
        hides = np.triu(_overlapping(sides, labels, block, block, most_iou), 1)
        stays = np.ones(len(block), bool)
        while True:
            settled: npt.NDArray[np.bool_] = ~np.logical_or.reduce(hides[stays], axis=0)
            if np.array_equal(settled, stays):
                break
            stays = settled
        kept = np.concatenate([kept, block[stays]])
        if len(kept) >= most:
            break
    return kept[:most]


def _overlapping(sides: Array, labels: Array, one: Array, other: Array, most_iou: float) -> Array:
    """Return for each pair of boxes, [len(one), len(other)], whether one may hide the other."""
    left, top, right, bottom = sides[:, one][..., None]
    x0, y0, x1, y1 = sides[:, other][:, None]
    width = np.minimum(right, x1)
    width -= np.maximum(left, x0)
    shared = np.minimum(bottom, y1)
    shared -= np.maximum(top, y0)
    shared *= width.clip(min=0, out=width)
    union = (right - left) * (bottom - top) + (x1 - x0) * (y1 - y0) - shared
    with np.errstate(invalid="ignore", divide="ignore"):
        shared /= union
    found: Array = shared > most_iou
    found &= labels[one][:, None] == labels[other]
    return found
