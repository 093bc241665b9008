"""The raw heads of the YOLO families (v5 to v11): one tensor, before non-maximum suppression.

Anchor-free families (v8 to v11) give [n, 4 + classes, places]: centre x, centre y, width, height in
pixels, then a score of each class. v5 and v7 give [n, places, 5 + classes], where the fifth number
is the score that there is any object. Both are read in either order of the last two dimensions. The
thresholds are those of MLPerf's reference for YOLOv11 (vision/classification_and_detection/yolo):
scores above 0.001, of each place the best class alone, IoU 0.7 by class, 300 detections at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlrepo.workloads.detection.decoders import (
    POSITIONS,
    Array,
    DecoderKind,
    MisfitError,
    UnreadableError,
    is_float,
    refuse_infinite,
)
from mlrepo.workloads.detection.detections import Detections, without_overlaps
from mlrepo.workloads.weights.graph import Tensor

SCORE_THRESHOLD = 0.001
IOU_THRESHOLD = 0.7
MOST = 300
# Numbers of a place before its classes: the box, and in v5 the score of any object.
_BOX, _BOX_AND_OBJECT = 4, 5


@dataclass(frozen=True)
class YoloDecoder:
    """The decoder of one raw head.

    Attributes
    ----------
    output:
        Which of the model's outputs is the head.
    channels_last:
        Whether it is [n, places, channels].
    objectness:
        Whether the fifth number is the score of any object.
    """

    output: int
    channels_last: bool
    objectness: bool
    labels: str = POSITIONS

    def decode(self, outputs: Sequence[Array], size: tuple[int, int]) -> Detections:
        """Return the detections after non-maximum suppression; boxes are in pixels already."""
        head = outputs[self.output]
        if self.channels_last:
            head = head.transpose(0, 2, 1)
        scores = head[:, _BOX:]
        if self.objectness:
            scores = head[:, _BOX_AND_OBJECT:] * head[:, _BOX : _BOX + 1]
        best = scores.max(axis=1)
        unreadable = np.isnan(best).any(axis=1)
        if unreadable.any():
            raise UnreadableError(int(unreadable.argmax()), "a score is not a number (NaN)")
        rows, places = np.nonzero(best > SCORE_THRESHOLD)
        centres = head[rows, :_BOX, places].astype(np.float32, copy=False)
        refuse_infinite(centres, rows)
        halves = centres[:, 2:] / 2
        boxes = np.concatenate([centres[:, :2] - halves, centres[:, :2] + halves], axis=1)
        found = Detections(
            rows,
            boxes,
            best[rows, places].astype(np.float32, copy=False),
            scores[rows, :, places].argmax(axis=1),
        )
        return without_overlaps(found, IOU_THRESHOLD, MOST)


def _fitted(outputs: Sequence[Tensor], classes: int) -> YoloDecoder:
    """Return the decoder for the only output that is a raw head of so many classes."""
    ranked = [i for i, one in enumerate(outputs) if len(one.shape) == 3 and is_float(one)]
    if len(ranked) != 1:
        raise MisfitError(f"it has {len(ranked) or 'no'} outputs of floats with three dimensions")
    output = ranked[0]
    _, middle, last = outputs[output].shape
    if classes:
        fits = [
            (size == wanted, wanted == _BOX_AND_OBJECT + classes, channels_last)
            for channels_last, size in ((False, middle), (True, last))
            for wanted in (_BOX + classes, _BOX_AND_OBJECT + classes)
        ]
        for fit, objectness, channels_last in fits:
            if fit:
                return YoloDecoder(output, channels_last, objectness)
        raise MisfitError(
            f"the data set has {classes} classes, so {_BOX + classes} or "
            f"{_BOX_AND_OBJECT + classes} numbers for each place are needed"
        )
    if middle is None or last is None or min(middle, last) <= _BOX_AND_OBJECT:
        raise MisfitError("the number of classes cannot be seen from its shape")
    # There are more places than classes; only the families with [n, places, …] score any object.
    channels_last = last < middle
    return YoloDecoder(output, channels_last, objectness=channels_last)


KIND = DecoderKind(
    "yolo",
    "one raw head [batch, 4 + classes, places] or [batch, places, 5 + classes]",
    _fitted,
)
