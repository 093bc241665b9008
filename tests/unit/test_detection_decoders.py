"""Decoders of detectors' outputs, each against a slow one written from its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.workloads.detection import detections, retinanet
from mlrepo.workloads.detection.boxes import BoxesDecoder
from mlrepo.workloads.detection.decoders import IDS, POSITIONS, UnreadableError, find_decoder
from mlrepo.workloads.detection.detections import Detections, kept_boxes, without_overlaps
from mlrepo.workloads.detection.retinanet import RetinaNetDecoder
from mlrepo.workloads.detection.yolo import YoloDecoder
from mlrepo.workloads.weights.graph import Tensor

Found = list[tuple[int, list[float], float, int]]


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _slow_nms(found: Found, most_iou: float, most: int) -> Found:
    """Greedy non-maximum suppression by class, as every textbook has it."""
    kept: Found = []
    for one in sorted(found, key=lambda each: (each[0], -each[2])):
        beside = [other for other in kept if other[0] == one[0]]
        if len(beside) < most and not any(
            _iou(one[1], other[1]) > most_iou for other in beside if other[3] == one[3]
        ):
            kept.append(one)
    return kept


def _as_found(decoded: Any) -> Found:
    return [
        (row, box, score, label)
        for row, box, score, label in zip(
            decoded.rows.tolist(),
            decoded.boxes.tolist(),
            decoded.scores.tolist(),
            decoded.labels.tolist(),
            strict=True,
        )
    ]


def _assert_same(mine: Found, slow: Found) -> None:
    assert [(row, label) for row, _, _, label in mine] == [
        (row, label) for row, _, _, label in slow
    ]
    for (_, box, score, _), (_, other, wanted, _) in zip(mine, slow, strict=True):
        assert box == pytest.approx(other, abs=1e-3)
        assert score == pytest.approx(wanted, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 700),
    most=st.sampled_from([5, 300]),
    pairs=st.sampled_from([0, 1 << 19]),
)
def test_suppression_is_greedy_by_class(seed: int, count: int, most: int, pairs: int) -> None:
    """Of one image and of a batch; across the blocks in which boxes are compared, and by pairs."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 40, (count, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32) / (count or 1)
    labels = rng.integers(0, 3, count)
    kept = kept_boxes(boxes, scores, labels, 0.5, most)
    found = [(0, boxes[i].tolist(), float(scores[i]), i) for i in range(count)]
    by_class = {i: int(labels[i]) for i in range(count)}
    slow: list[int] = []
    for _, box, _, at in sorted(found, key=lambda one: -one[2]):
        same = [other for other in slow if by_class[other] == by_class[at]]
        if len(slow) < most and not any(_iou(box, boxes[other].tolist()) > 0.5 for other in same):
            slow.append(at)
    assert kept.tolist() == slow
    # Two images with the same boxes.
    rows = np.repeat([0, 1], count)
    whole = Detections(rows, np.tile(boxes, (2, 1)), np.tile(scores, 2), np.tile(labels, 2))
    with mock.patch.object(detections, "_PAIRS", pairs):
        of_batch = without_overlaps(whole, 0.5, most)
    assert of_batch.rows.tolist() == [0] * len(slow) + [1] * len(slow)
    assert of_batch.boxes.tolist() == boxes[slow].tolist() * 2
    assert of_batch.scores.tolist() == scores[slow].tolist() * 2
    assert of_batch.labels.tolist() == labels[slow].tolist() * 2


def test_of_equal_scores_the_first_stays() -> None:
    """As in torchvision, whose sorting is stable."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    kept = kept_boxes(boxes, np.full(3, 0.5, np.float32), np.zeros(3, np.int64), 0.5, 10)
    assert kept.tolist() == [0, 2]


@pytest.mark.parametrize("objectness", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_raw_head_of_yolo(objectness: bool, channels_last: bool, seed: int) -> None:
    """Centre and size become corners; the best class of a place counts, times objectness."""
    rng = np.random.default_rng(seed)
    places, classes = 60, 4
    boxes = np.concatenate(
        [rng.uniform(0, 64, (2, 2, places)), rng.uniform(1, 30, (2, 2, places))], 1
    )
    scores = rng.uniform(0, 1, (2, classes, places)) ** 8
    present = rng.uniform(0, 1, (2, 1, places)) if objectness else np.empty((2, 0, places))
    head = np.concatenate([boxes, present, scores], axis=1).astype(np.float32)
    slow: Found = []
    for row in range(2):
        for at in range(places):
            x, y, width, height = (float(value) for value in head[row, :4, at])
            values = [float(value) for value in head[row, -classes:, at]]
            if objectness:
                values = [value * float(head[row, 4, at]) for value in values]
            best = max(range(classes), key=lambda label: values[label])
            if values[best] > 0.001:
                corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
                slow.append((row, corners, values[best], best))
    given_head = np.ascontiguousarray(head.transpose(0, 2, 1)) if channels_last else head
    shape = (None, *given_head.shape[1:])
    decoder = find_decoder([Tensor("output0", "fp32", shape)], classes)
    assert decoder == YoloDecoder(0, channels_last, objectness)
    mine = decoder.decode([given_head], (64, 64))
    _assert_same(_as_found(mine), _slow_nms(slow, 0.7, 300))


def test_the_anchors_are_those_of_torchvision() -> None:
    """Of the finest level at 800 by 800: its first place, and the stride to the next ones."""
    levels = retinanet.anchors((800, 800))
    assert [len(level) for level in levels] == [90000, 22500, 5625, 1521, 441]
    assert levels[0][:9].tolist() == [
        [-23, -11, 23, 11],
        [-28, -14, 28, 14],
        [-35, -18, 35, 18],
        [-16, -16, 16, 16],
        [-20, -20, 20, 20],
        [-25, -25, 25, 25],
        [-11, -23, 11, 23],
        [-14, -28, 14, 28],
        [-18, -35, 18, 35],
    ]
    assert (levels[0][9] - levels[0][0]).tolist() == [8, 0, 8, 0]
    assert (levels[0][900] - levels[0][0]).tolist() == [0, 8, 0, 8]
    assert (levels[3][9] - levels[3][0]).tolist() == [61, 0, 61, 0]  # 800 // 13


def _slow_retinanet(logits: list[Any], coded: list[Any], size: int) -> Found:
    found: Found = []
    for row in range(len(logits[0])):
        for level in range(5):
            cells = math.ceil(size / 8 / 2**level)
            stride = size // cells
            candidates: Found = []
            for place in range(cells * cells * 9):
                cell, anchor = divmod(place, 9)
                ratio = math.sqrt((0.5, 1.0, 2.0)[anchor // 3])
                length = int(32 * 2**level * 2 ** (anchor % 3 / 3))
                # Rounding to whole pixels is that of Python: halves to even.
                half_width, half_height = round(length / ratio / 2), round(length * ratio / 2)
                left, top = cell % cells * stride - half_width, cell // cells * stride - half_height
                dx, dy, dw, dh = (float(value) for value in coded[level][row, place])
                width, height = 2 * half_width, 2 * half_height
                x, y = left + width / 2 + dx * width, top + height / 2 + dy * height
                wide = math.exp(min(dw, math.log(62.5))) * width / 2
                high = math.exp(min(dh, math.log(62.5))) * height / 2
                corners = [x - wide, y - high, x + wide, y + high]
                box = [min(max(value, 0.0), float(size)) for value in corners]
                for label, logit in enumerate(logits[level][row, place]):
                    score = 1 / (1 + math.exp(-float(logit)))
                    if score > 0.05:
                        candidates.append((row, box, score, label))
            found += sorted(candidates, key=lambda one: -one[2])[:1000]
    return _slow_nms(found, 0.5, 300)


@pytest.mark.parametrize("form", ["joined", "levels", "maps"])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_raw_heads_of_retinanet(form: str, seed: int) -> None:
    """In the three forms in which they are exported."""
    rng = np.random.default_rng(seed)
    size, classes = 64, 3
    cells = [8, 4, 2, 1, 1]
    logits = [rng.normal(-4, 1.5, (2, n * n * 9, classes)).astype(np.float32) for n in cells]
    coded = [rng.normal(0, 0.3, (2, n * n * 9, 4)).astype(np.float32) for n in cells]
    slow = _slow_retinanet(logits, coded, size)
    outputs = [*logits, *coded]
    if form == "joined":
        outputs = [np.concatenate(logits, axis=1), np.concatenate(coded, axis=1)]
    if form == "maps":
        outputs = [
            level.reshape(2, n, n, 9, -1).transpose(0, 3, 4, 1, 2).reshape(2, -1, n, n)
            for level, n in zip(outputs, cells * 2, strict=True)
        ]
    described = [Tensor(f"o{i}", "fp32", (None, *one.shape[1:])) for i, one in enumerate(outputs)]
    decoder = find_decoder(described, classes)
    assert isinstance(decoder, RetinaNetDecoder)
    _assert_same(_as_found(decoder.decode(outputs, (size, size))), slow)


def test_heads_for_another_size_are_refused() -> None:
    """The number of places is that of the anchors, or the boxes would be elsewhere."""
    outputs = [np.zeros((1, 100, 3), np.float32), np.zeros((1, 100, 4), np.float32)]
    with pytest.raises(UnreadableError, match="100 places; RetinaNet has 774 anchors"):
        RetinaNetDecoder((0,), (1,)).decode(outputs, (64, 64))


_CORNERS = np.array([[[4, 8, 20, 24], [1, 2, 3, 4], [0, 0, 0, 0]]], np.float32)
_SCORES = np.array([[0.5, 0.9, 0]], np.float32)
_LABELS = np.array([[7, 3, 0]], np.int64)
# Name, type and value of each output; the decoder that is expected.
_FORMS = {
    "torchvision": (
        {"boxes": _CORNERS, "labels": _LABELS, "scores": _SCORES},
        BoxesDecoder(0, 2, 1, None, IDS),
    ),
    "one sample": (
        {"boxes": _CORNERS[0], "scores": _SCORES[0], "labels": _LABELS[0]},
        BoxesDecoder(0, 1, 2, None, IDS),
    ),
    "tensorflow": (
        {
            "num_detections": np.array([2], np.float32),
            "detection_boxes": _CORNERS[..., [1, 0, 3, 2]] / 64,
            "detection_scores": np.array([[0.5, 0.9, 0.3]], np.float32),
            "detection_classes": _LABELS.astype(np.float32),
        },
        BoxesDecoder(1, 2, 3, 0, IDS, rows_first=True, relative=True),
    ),
    "scored": (
        {"dets": np.concatenate([_CORNERS, _SCORES[..., None]], 2), "labels": _LABELS},
        BoxesDecoder(0, None, 1, None, POSITIONS),
    ),
    "one tensor": (
        {"output0": np.concatenate([_CORNERS, _SCORES[..., None], _LABELS[..., None]], 2)},
        BoxesDecoder(0, None, None, None, POSITIONS),
    ),
}


def _described(outputs: dict[str, Any]) -> list[Tensor]:
    kinds = {"float32": "fp32", "float64": "fp64"}
    return [
        Tensor(name, kinds.get(str(one.dtype), str(one.dtype)), one.shape)
        for name, one in outputs.items()
    ]


@pytest.mark.parametrize("form", _FORMS)
def test_boxes_that_the_model_selects(form: str) -> None:
    """The best first, without those that fill up, in pixels."""
    outputs, wanted = _FORMS[form]
    decoder = find_decoder(_described(outputs), 80)
    assert decoder == wanted
    found = _as_found(decoder.decode(list(outputs.values()), (64, 64)))
    _assert_same(found, [(0, [1, 2, 3, 4], 0.9, 3), (0, [4, 8, 20, 24], 0.5, 7)])


def test_selected_boxes_are_compared_by_their_scores() -> None:
    """Two boxes with nearly equal scores may change places from one framework to another."""
    decoder = BoxesDecoder(0, 2, 1, None, IDS)
    (scores,) = decoder.sorted_scores([_CORNERS, _LABELS, _SCORES])
    assert scores.tolist() == [[np.float32(0.9), 0.5, 0]]
    assert decoder.sorted_scores([_CORNERS[0], _LABELS[0], _SCORES[0]]) == []
    nothing = np.empty(0)
    assert decoder.sorted_scores([nothing, nothing, nothing]) == []
    whole = np.concatenate([_CORNERS, _SCORES[..., None], _LABELS[..., None]], 2)
    (scores,) = BoxesDecoder(0, None, None, None, POSITIONS).sorted_scores([whole])
    assert scores.tolist() == [[np.float32(0.9), 0.5, 0]]


def test_a_score_that_is_not_a_number_is_found() -> None:
    """With the row of its sample, in every form of outputs."""
    head = np.zeros((3, 6, 10), np.float32)
    head[1, 4, 7] = np.nan
    with pytest.raises(UnreadableError, match="not a number") as raised:
        YoloDecoder(0, channels_last=False, objectness=False).decode([head], (64, 64))
    assert raised.value.row == 1
    scores = np.array([[0.5, 0.1], [np.nan, 0.2]], np.float32)
    boxes = np.ones((2, 2, 4), np.float32)
    with pytest.raises(UnreadableError) as raised:
        BoxesDecoder(0, 1, 2, None, IDS).decode([boxes, scores, scores], (64, 64))
    assert raised.value.row == 1
    logits = np.full((2, 774, 3), -9.0, np.float32)
    logits[1, 5, 0] = np.nan
    with pytest.raises(UnreadableError) as raised:
        RetinaNetDecoder((0,), (1,)).decode([logits, np.zeros((2, 774, 4), np.float32)], (64, 64))
    assert raised.value.row == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_box_that_is_not_finite_is_found(bad: float) -> None:
    """Only where it counts: its score must be above the threshold."""
    head = np.zeros((2, 6, 3), np.float32)
    head[1, 0, 2] = bad
    decoder = YoloDecoder(0, channels_last=False, objectness=False)
    assert len(decoder.decode([head], (64, 64)).rows) == 0
    head[1, 4, 2] = 0.9
    with pytest.raises(UnreadableError, match="finite") as raised:
        decoder.decode([head], (64, 64))
    assert raised.value.row == 1


@pytest.mark.parametrize(
    ("outputs", "classes", "said"),
    [
        ([Tensor("scores", "fp32", (None, 1000))], 80, "yolo reads one raw head"),
        ([Tensor("output0", "fp32", (None, 84, 8400))], 10, "the data set has 10 classes"),
        ([], 80, "It gives nothing"),
        (
            [Tensor("boxes", "fp32", (None, 100, 4)), Tensor("a", "fp32", (None, 100))] * 2,
            80,
            "boxes reads boxes",
        ),
    ],
)
def test_outputs_that_no_decoder_reads_are_refused(
    outputs: list[Tensor], classes: int, said: str
) -> None:
    """The message says what each decoder reads."""
    with pytest.raises(UserError) as raised:
        find_decoder(outputs, classes)
    assert said in raised.value.message


def test_a_named_decoder_is_the_only_one_tried() -> None:
    """An unknown name is refused with the names that there are."""
    outputs = [Tensor("output0", "fp32", (None, 300, 6))]
    assert find_decoder(outputs, 80) == BoxesDecoder(0, None, None, None, POSITIONS)
    with pytest.raises(UserError, match="yolo reads"):
        find_decoder(outputs, 80, "yolo")
    with pytest.raises(UserError, match="There is no decoder 'ssd'"):
        find_decoder(outputs, 80, "ssd")
