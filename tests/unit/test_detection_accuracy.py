"""The answers of object detection, and their mean average precision."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlrepo.errors import InvalidResult, UserError
from mlrepo.harness.probe import Probe, ProbeSpec
from mlrepo.record import AccuracyEntry
from mlrepo.workloads.detection.annotations import Annotations, annotations_of
from mlrepo.workloads.detection.placement import ImagePlacement, letterboxed, stretched
from mlrepo.workloads.detection.task import ObjectDetection, judge_detections
from mlrepo.workloads.digits import DigitsDataset
from mlrepo.workloads.digits_detection import DIGITS_DETECTION, DigitCanvases, train
from mlrepo.workloads.digits_detection.canvases import draw
from mlrepo.workloads.weights.graph import Tensor


class _Images:
    """A data set of given annotations; the images fill an input of 32 by 32."""

    def __init__(self, truth: Annotations) -> None:
        self.truth = truth
        self.placement: ImagePlacement = stretched(truth.sizes, (32, 32))


def _content(seed: int, count: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    images = [
        {"id": 1000 + 7 * i, "file_name": f"{i}.png", "width": 100 + i, "height": 60 + 3 * i}
        for i in range(count)
    ]
    annotations = []
    for number in range(4 * count):
        image = images[int(rng.integers(count))]
        x, y = rng.uniform(0, 50), rng.uniform(0, 30)
        annotations.append(
            {
                "id": number + 1,
                "image_id": image["id"],
                "category_id": int(rng.choice([1, 2, 90])),
                "bbox": [x, y, rng.uniform(3, 50), rng.uniform(3, 30)],
                "area": float(rng.uniform(9, 1500)),
                "iscrowd": int(rng.uniform() < 0.1),
            }
        )
    categories = [{"id": 1}, {"id": 2}, {"id": 90}]
    return {"images": images, "annotations": annotations, "categories": categories}


def _answers(content: dict[str, Any], seed: int) -> list[AccuracyEntry]:
    """Return detections near the right boxes, some of them wrong; one sample has none."""
    rng = np.random.default_rng(seed)
    row_of = {image["id"]: row for row, image in enumerate(content["images"])}
    tables: list[list[list[float]]] = [[] for _ in content["images"]]
    for one in content["annotations"]:
        row = row_of[one["image_id"]]
        if row == 3 or rng.uniform() < 0.1:
            continue
        image = content["images"][row]
        x, y, width, height = np.array(one["bbox"]) + rng.normal(0, 1.5, 4)
        label = one["category_id"] if rng.uniform() < 0.9 else 2
        corners = [
            y / image["height"],
            x / image["width"],
            (y + height) / image["height"],
            (x + width) / image["width"],
        ]
        tables[row].append([row, *corners, rng.uniform(0.1, 1), label])
    return [
        AccuracyEntry(row, np.array(table, "<f4").tobytes()) for row, table in enumerate(tables)
    ]


def _called_directly(
    content: dict[str, Any], entries: Sequence[AccuracyEntry], file: Path
) -> tuple[list[float], str]:
    """Return pycocotools' numbers as tools/accuracy-coco.py asks for them, and what it prints."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    file.write_text(json.dumps(content))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        right = COCO(str(file))
        found = []
        for entry in entries:
            image = content["images"][entry.sample_index]
            for _, top, left, bottom, right_side, score, label in np.frombuffer(
                entry.data, np.float32
            ).reshape(-1, 7):
                height, width = np.float32(image["height"]), np.float32(image["width"])
                x, y = left * width, top * height
                box = [x, y, right_side * width - x, bottom * height - y]
                found.append(
                    {
                        "image_id": image["id"],
                        "category_id": int(label),
                        "bbox": [float(value) for value in box],
                        "score": float(score),
                    }
                )
        evaluation = COCOeval(right, right.loadRes(found), iouType="bbox")
        evaluation.params.imgIds = [content["images"][e.sample_index]["id"] for e in entries]
        evaluation.evaluate()
        evaluation.accumulate()
        printed.truncate(0)
        printed.seek(0)
        evaluation.summarize()
    return list(evaluation.stats), printed.getvalue()


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_average_precision_is_that_of_pycocotools(seed: int, tmp_path: Path) -> None:
    """Every number, the lines that it prints, and MLPerf's last line; also for some samples."""
    content = _content(seed)
    entries = _answers(content, seed)
    for part in (entries, entries[2:7]):
        stats, printed = _called_directly(content, part, tmp_path / "instances.json")
        judged = judge_detections(iter(part), _Images(annotations_of(content, "x")))
        assert 0.2 < stats[0] < 0.95
        assert judged.text == f"{printed}mAP={100 * stats[0]:.3f}%\n"
        assert judged.value == round(100 * stats[0], 3)
        assert judged.judged == len(part)
        names = ("mAP", "mAP@50", "mAP@75", "mAP small", "mAP medium", "mAP large")
        for name, value in zip(names, stats, strict=False):
            if value >= 0:
                assert judged.metrics[name].value == round(100 * value, 3)
        assert judged.metrics["AR@100"].value == round(100 * stats[8], 3)
        without = sum(not entry.data for entry in part)
        assert judged.details["samples_without_detections"] == without >= 1


def test_of_several_answers_to_a_sample_the_first_counts() -> None:
    """As in MLPerf's script: LoadGen may send a sample twice."""
    content = _content(0)
    entries, dataset = _answers(content, 0), _Images(annotations_of(content, "x"))
    again = [AccuracyEntry(entry.sample_index, b"") for entry in entries]
    assert judge_detections([*entries, *again], dataset) == judge_detections(entries, dataset)


def test_no_detections_at_all_are_a_score_of_zero() -> None:
    """It is said in the text, in which MLPerf's line is as always."""
    dataset = _Images(annotations_of(_content(0), "x"))
    judged = judge_detections([AccuracyEntry(row, b"") for row in range(12)], dataset)
    assert (judged.value, judged.unit, judged.judged) == (0.0, "mAP", 12)
    assert judged.text.endswith("No detections in any of 12 samples.\nmAP=0.000%\n")


_ONE = np.array([2, 0.1, 0.1, 0.5, 0.5, 0.9, 1], "<f4")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (AccuracyEntry(2, b"12345678"), "has 8 bytes; each detection has 28"),
        (AccuracyEntry(12, b""), "has sample 12, but the data set has 12"),
        (AccuracyEntry(1, _ONE.tobytes()), "sample 1 has detections in sample 2"),
        (AccuracyEntry(2, (_ONE * np.float32(np.nan)).tobytes()), "not finite"),
    ],
)
def test_an_answer_that_is_none_is_refused(entry: AccuracyEntry, said: str) -> None:
    """The sample is named."""
    with pytest.raises(InvalidResult, match=said):
        judge_detections([entry], _Images(annotations_of(_content(0), "x")))


def test_a_log_without_answers_is_refused() -> None:
    """There is nothing to judge."""
    with pytest.raises(InvalidResult, match="contains no response"):
        judge_detections([], _Images(annotations_of(_content(0), "x")))


def test_samples_without_objects_have_no_score() -> None:
    """pycocotools would say -1."""
    content = _content(0)
    content["annotations"] = [
        one for one in content["annotations"] if one["image_id"] != content["images"][0]["id"]
    ]
    with pytest.raises(UserError, match="no boxes in the annotations"):
        judge_detections([AccuracyEntry(0, b"")], _Images(annotations_of(content, "x")))


def _raw_head(*places: tuple[float, ...]) -> Any:
    return np.array(places, np.float32).T[None]


def test_an_answer_is_seven_numbers_for_each_detection() -> None:
    """Index, ymin, xmin, ymax, xmax relative to the image and clipped to it, score, category."""
    dataset = _Images(annotations_of(_content(0), "x"))
    # The third class of the data set has the id 90.
    task = ObjectDetection().of_run(dataset, [Tensor("output0", "fp32", (None, 7, 3))])
    first = _raw_head((16, 8, 16, 8, 0, 0, 0.75), (30, 30, 8, 8, 0.5, 0, 0), (1, 1, 1, 1, 0, 0, 0))
    answers = task.postprocess([np.concatenate([first, np.zeros_like(first)])], [5, 4])
    table = np.frombuffer(answers[0], "<f4").reshape(-1, 7)
    assert table.tolist() == [
        [5, 0.125, 0.25, 0.375, 0.75, 0.75, 90],
        [5, 0.8125, 0.8125, 1, 1, 0.5, 1],
    ]
    assert answers[1] == b""


def test_a_letterboxed_box_is_relative_to_its_image() -> None:
    """The bars are taken off: an image of 100 by 50 in the middle of 32 by 32."""
    placement = letterboxed(np.array([[100.0, 50.0], [30.0, 40.0]]), (32, 32))
    assert placement.offsets.tolist() == [[0, 8], [4, 0]]
    boxes = np.array([[0, 8, 32, 24], [16, 0, 40, 16], [4, 0, 16, 32]], np.float32)
    relative = placement.relative(boxes, np.array([0, 0, 1]))
    assert relative.tolist() == [[0, 0, 1, 1], [0.5, 0, 1, 0.5], [0, 0, 0.5, 1]]


def test_a_score_that_is_not_a_number_is_refused_with_its_sample() -> None:
    """Before LoadGen starts, and in a run."""
    dataset = _Images(annotations_of(_content(0), "x"))
    task = ObjectDetection().of_run(dataset, [Tensor("output0", "fp32", (None, 7, 1))])
    head = np.concatenate([_raw_head((1, 1, 1, 1, 0, 0, 0))] * 2)
    head[1, 5] = np.nan
    with pytest.raises(UserError, match=r"sample 4: a score is not a number"):
        task.postprocess([head], [5, 4])
    assert "sample 4" in task.unreadable([head], [5, 4])
    assert task.unreadable([head[:1]], [5]) == ""


def test_answers_of_two_backends_agree_if_they_have_the_same_objects() -> None:
    """Rounding changes numbers and what is hardly there, not the objects."""
    task = ObjectDetection()
    first = [0, 0.1, 0.1, 0.5, 0.5, 0.9, 1]
    second = [0, 0.6, 0.6, 0.9, 0.9, 0.51, 2]

    def answer(*rows: list[float]) -> bytes:
        return np.array(rows, "<f4").tobytes()

    both = answer(first, second)
    moved = answer([0, 0.12, 0.1, 0.5, 0.51, 0.88, 1], [0, 0.6, 0.6, 0.9, 0.9, 0.49, 2])
    assert task.agrees(both, moved) and task.agrees(moved, both)
    assert task.agrees(both, answer(second, first, [0, 0, 0, 1, 1, 0.1, 1]))
    assert task.agrees(b"", b"") and task.agrees(b"", answer([0, 0, 0, 1, 1, 0.3, 1]))
    assert not task.agrees(both, answer(first)) and not task.agrees(answer(first), both)
    assert not task.agrees(answer(first), answer([*first[:6], 2]))
    assert not task.agrees(answer(first), answer([0, 0.1, 0.5, 0.5, 0.9, 0.9, 1]))


@pytest.mark.long
def test_a_probe_answers_as_a_run_does() -> None:
    """For `bench tune` and `bench peak`: the answers of the model, and its agreement."""
    assert DIGITS_DETECTION.model is not None
    model = str(DIGITS_DETECTION.model.path)
    probe = Probe(ProbeSpec("digits-detection", "onnx", model, 1, 8))
    answers = probe.answers()["answers"]
    assert isinstance(answers, list)
    entries = [AccuracyEntry(row, bytes.fromhex(text)) for row, text in enumerate(answers[:24])]
    assert judge_detections(entries, DigitCanvases()).value > 90
    assert probe.check()["agreement"]


def test_a_model_that_does_not_fit_is_refused_by_its_file() -> None:
    """What depends on open sizes waits until the model is loaded."""
    task = ObjectDetection(classes=80)
    assert "[?, 1000]" in task.misfit([Tensor("logits", "fp32", (None, 1000))])
    assert task.misfit([Tensor("output0", "fp32", (None, 84, 8400))]) == ""
    assert task.misfit([Tensor("output0", "fp32", (None, None, None))]) == ""
    assert "80 classes" in task.misfit([Tensor("output0", "fp32", (None, 14, 256))])


@pytest.mark.long
def test_the_detector_of_digits_reads_nearly_all() -> None:
    """A broken decoder shows; it is judged as a run would be."""
    import onnxruntime

    dataset = DigitCanvases()
    assert DIGITS_DETECTION.model is not None
    session = onnxruntime.InferenceSession(str(DIGITS_DETECTION.model.path))
    count = 32
    outputs = session.run(None, {"images": dataset.load(range(count))})
    named = [Tensor(one.name, "fp32", outputs[0].shape) for one in session.get_outputs()]
    task = ObjectDetection(classes=10).of_run(dataset, named)
    answers = task.postprocess(outputs, range(count))
    judged = task.judge(map(AccuracyEntry, range(count), answers), dataset)
    assert judged.value > 90
    assert len(answers) == judged.judged == count


def test_the_canvases_are_those_that_the_script_draws() -> None:
    """The same with every release of NumPy, but for halves, which processors round differently."""
    with np.load(DigitsDataset().path, allow_pickle=False) as data:
        held_out = data["held_out"]
        drawn = draw(
            data["images"][held_out],
            data["labels"][held_out],
            train.EVALUATION,
            train.EVALUATION_SEED,
        )
    with np.load(DigitCanvases().path, allow_pickle=False) as kept:
        differences = np.abs(kept["images"].astype(int) - drawn.images)
        assert differences.max() <= 1
        assert np.count_nonzero(differences) <= 1e-4 * differences.size
        assert np.array_equal(kept["boxes"], drawn.boxes)
        assert np.array_equal(kept["digits"], drawn.digits)
        assert np.array_equal(kept["image_of"], drawn.image_of)
    truth = DigitCanvases().truth
    x, y, width, height = truth.boxes[0].astype(int)
    ink = drawn.images[0] > 0
    assert ink[y : y + height, x].any() and ink[y, x : x + width].any()
