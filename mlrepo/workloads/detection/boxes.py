"""Detectors that select boxes themselves: their outputs are boxes, scores and labels.

Four forms are known: ``boxes`` [n, k, 4], ``scores`` [n, k] and ``labels`` [n, k], as torchvision
and MLPerf's RetinaNet export them, without the batch for models of one sample; TensorFlow's
``detection_boxes`` with rows first, relative to the image, and ``num_detections``; boxes with their
scores [n, k, 5] and labels; one tensor [n, k, 6] of corners, score and label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlrepo.workloads.detection.decoders import (
    IDS,
    POSITIONS,
    Array,
    DecoderKind,
    MisfitError,
    UnreadableError,
    is_float,
    is_whole,
    refuse_infinite,
)
from mlrepo.workloads.detection.detections import Detections
from mlrepo.workloads.weights.graph import Tensor

_BOX, _SCORED, _LABELLED = 4, 5, 6
_LABEL_WORDS = ("label", "class", "cls")
_SCORE_WORDS = ("score", "conf", "prob")
_COUNT_WORDS = ("num", "count", "valid")
# TensorFlow's object detection API; its boxes are ymin, xmin, ymax, xmax, relative.
_TENSORFLOW = "detection_boxes"


@dataclass(frozen=True)
class BoxesDecoder:
    """The decoder of boxes that the model has selected.

    Attributes
    ----------
    boxes, scores, label, count:
        Which output holds them; None if the boxes' output holds them, or if there is none.
    rows_first:
        Whether a box is ymin, xmin, ymax, xmax.
    relative:
        Whether boxes are relative to the input's height and width, not in pixels.
    """

    boxes: int
    scores: int | None
    label: int | None
    count: int | None
    labels: str
    rows_first: bool = False
    relative: bool = False

    def decode(self, outputs: Sequence[Array], size: tuple[int, int]) -> Detections:
        """Return the detections with a score above zero: models fill up with zeros."""
        boxes = outputs[self.boxes]
        alone = boxes.ndim == 2  # a model of one sample, without the batch
        if alone:
            boxes = boxes[None]
        n, k = boxes.shape[:2]

        def numbers(which: int | None, column: int) -> Array:
            found = boxes[..., column] if which is None else outputs[which]
            return found.reshape(n, k)

        scores = numbers(self.scores, _BOX)
        labels = numbers(self.label, _SCORED)
        unreadable = np.isnan(scores).any(axis=1)
        if unreadable.any():
            raise UnreadableError(int(unreadable.argmax()), "a score is not a number (NaN)")
        used = scores > 0
        if self.count is not None:
            counts = outputs[self.count].reshape(-1)[:n]
            used &= np.arange(k) < counts[:, None]
        rows, places = np.nonzero(used)
        chosen = boxes[rows, places, :_BOX].astype(np.float32, copy=False)
        refuse_infinite(chosen, rows)
        if self.rows_first:
            chosen = chosen[:, [1, 0, 3, 2]]
        if self.relative:
            chosen = chosen * np.array([size[1], size[0]] * 2, np.float32)
        found = scores[rows, places].astype(np.float32, copy=False)
        order = np.lexsort((-found, rows))
        return Detections(
            rows[order],
            chosen[order],
            found[order],
            labels[rows, places][order].astype(np.int64),
        )

    def sorted_scores(self, outputs: Sequence[Array]) -> list[Array]:
        """Return the scores [n, k] of each sample, the best first; none if they are not by sample.

        Equal frameworks differ in the order of boxes with nearly equal scores, so that boxes at
        one place cannot be compared.
        """
        if self.boxes >= len(outputs):
            return []
        boxes = outputs[self.boxes]
        scores = outputs[self.scores] if self.scores is not None else boxes[..., _BOX : _BOX + 1]
        if boxes.ndim != 3 or not len(scores):
            return []
        return [-np.sort(-scores.reshape(len(scores), -1), axis=1)]


def _fitted(outputs: Sequence[Tensor], classes: int) -> BoxesDecoder:
    """Return the decoder, by the last dimension of the boxes and the names of the others."""
    floats = [i for i, one in enumerate(outputs) if is_float(one) and len(one.shape) in (2, 3)]
    last = {i: outputs[i].shape[-1] for i in floats}
    whole = [i for i in floats if last[i] == _LABELLED and len(outputs[i].shape) == 3]
    if len(outputs) == 1 and whole and classes not in (1, 2):
        # With one or two classes, [n, k, 6] may be a raw head of YOLO.
        return BoxesDecoder(whole[0], None, None, None, POSITIONS)
    for size, labels in ((_BOX, IDS), (_SCORED, POSITIONS)):
        boxes = [i for i in floats if last[i] == size and not _is_named(outputs[i], _SCORE_WORDS)]
        if len(boxes) != 1 or len(outputs) < 2:
            continue
        at = boxes[0]
        rank = len(outputs[at].shape) - 1
        beside = [i for i, one in enumerate(outputs) if i != at and len(one.shape) == rank]
        counts = [
            i
            for i, one in enumerate(outputs)
            if i != at and len(one.shape) <= 1 and (rank != 1 or _is_named(one, _COUNT_WORDS))
        ]
        label, score = _label_and_score(outputs, beside, scored=size == _SCORED)
        tensorflow = _TENSORFLOW in outputs[at].name.lower()
        return BoxesDecoder(
            at,
            score,
            label,
            counts[0] if counts else None,
            labels,
            rows_first=tensorflow,
            relative=tensorflow,
        )
    raise MisfitError("it has not exactly one output of boxes, with 4, 5 or 6 numbers each")


def _label_and_score(
    outputs: Sequence[Tensor], beside: Sequence[int], *, scored: bool
) -> tuple[int, int | None]:
    """Return which outputs are the labels and the scores: by type, else by name."""
    labels = [i for i in beside if is_whole(outputs[i])] or [
        i for i in beside if _is_named(outputs[i], _LABEL_WORDS)
    ]
    rest = [i for i in beside if i not in labels and is_float(outputs[i])]
    scores = [i for i in rest if _is_named(outputs[i], _SCORE_WORDS)] or rest
    if len(labels) != 1 or (not scored and len(scores) != 1):
        raise MisfitError(
            "beside its boxes there is not exactly one output of labels and one of scores"
        )
    return labels[0], None if scored else scores[0]


def _is_named(tensor: Tensor, words: Sequence[str]) -> bool:
    return any(word in tensor.name.lower() for word in words)


KIND = DecoderKind(
    "boxes",
    "boxes [batch, k, 4] with scores and labels [batch, k], boxes with scores [batch, k, 5] and "
    "labels, or one output [batch, k, 6]",
    _fitted,
)
