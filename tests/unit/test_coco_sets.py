"""COCO-shaped data sets: registered, prepared as MLPerf's references do, verified."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlrepo.errors import InvalidResult, UserError
from mlrepo.rounds import SHIPPED
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.detection import OBJECT_DETECTION, RETINANET, YOLO_95, YOLO_99
from mlrepo.workloads.detection.annotations import annotations_of
from mlrepo.workloads.detection.coco import PreparedDetection
from mlrepo.workloads.detection.registered import COCO, COCO_SAFE, OPEN_IMAGES
from mlrepo.workloads.digits_detection import DIGITS_DETECTION
from tests.detection_sets import CATEGORIES, SIZES, pixels, write_set

_MODEL = Model("detector", Path("detector.onnx"), "detector.onnx", size=(96, 96))


def _silent(done: int, total: int) -> None:
    assert done <= total


def _prepared(home: Path, way: str, size: int) -> PreparedDetection:
    return PreparedDetection(COCO.prepare(home, way, size, 1, _silent).path)


def test_images_are_registered_in_the_order_of_the_annotations(tmp_path: Path) -> None:
    """With their boxes and category ids."""
    write_set(tmp_path / "set")
    here = COCO.add(tmp_path / "home", tmp_path / "set", {})
    assert (here.samples, here.path, here.warning) == (3, tmp_path / "set" / "images", "")
    assert list(COCO.sample_names(tmp_path / "home")) == [f"image-{row}.png" for row in range(3)]
    commands = COCO.needed(tmp_path / "home", _MODEL)
    assert commands == ("mlrepo dataset prepare coco --way letterbox --size 96",)
    dataset = _prepared(tmp_path / "home", "letterbox", 96)
    assert COCO.needed(tmp_path / "home", _MODEL) == ()
    assert COCO.find(tmp_path / "home", _MODEL) == dataset.description
    assert dataset.truth.categories.tolist() == list(CATEGORIES)
    assert dataset.truth.image_of.tolist() == [0, 1, 1, 2, 2, 2]
    status = COCO.status(tmp_path / "home")
    assert status is not None and status.prepared == ("letterbox-96",)


@pytest.mark.parametrize("row", range(3))
def test_a_letterboxed_image_is_that_of_the_reference(tmp_path: Path, row: int) -> None:
    """Resized bilinearly with its proportions, grey bars of 114 of equal width, RGB, 0 to 1."""
    import cv2

    write_set(tmp_path / "set")
    COCO.add(tmp_path / "home", tmp_path / "set", {})
    dataset = _prepared(tmp_path / "home", "letterbox", 96)
    (loaded,) = dataset.load([row])
    width, height = SIZES[row]
    ratio = 96 / max(width, height)
    resized = cv2.resize(
        pixels(row), (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR
    )
    missing_x, missing_y = 96 - resized.shape[1], 96 - resized.shape[0]
    wanted = cv2.copyMakeBorder(
        resized,
        round(missing_y / 2 - 0.1),
        round(missing_y / 2 + 0.1),
        round(missing_x / 2 - 0.1),
        round(missing_x / 2 + 0.1),
        cv2.BORDER_CONSTANT,
        value=(114, 114, 114),
    )[..., ::-1].transpose(2, 0, 1)
    assert np.array_equal(loaded, wanted.astype(np.float32) / np.float32(255))
    left, top = dataset.placement.offsets[row].astype(int)
    assert (left, top) == (missing_x // 2, missing_y // 2)


def test_a_stretched_image_is_that_of_the_reference(tmp_path: Path) -> None:
    """Which resizes in float32; ours is rounded to 8 bits."""
    import cv2

    write_set(tmp_path / "set")
    COCO.add(tmp_path / "home", tmp_path / "set", {})
    dataset = _prepared(tmp_path / "home", "stretch", 96)
    for row, loaded in enumerate(dataset.load(range(3))):
        image = pixels(row).astype(np.float32)[..., ::-1]
        wanted = cv2.resize(image, (96, 96), interpolation=cv2.INTER_LINEAR) / 255
        assert np.abs(loaded - wanted.transpose(2, 0, 1)).max() <= 1 / 255


def test_moved_boxes_are_another_data_set(tmp_path: Path) -> None:
    """What was prepared before is removed, and the fingerprint changes."""
    content = write_set(tmp_path / "set")
    home = tmp_path / "home"
    COCO.add(home, tmp_path / "set", {})
    first = _prepared(home, "letterbox", 96).describe()["fingerprint"]
    assert COCO.verify(home, 1, _silent) == first
    content["annotations"][0]["bbox"][0] += 1
    (tmp_path / "set" / "instances.json").write_text(json.dumps(content))
    COCO.add(home, tmp_path / "set", {})
    with pytest.raises(UserError, match=r"letterbox-96\.json is missing"):
        COCO.find(home, _MODEL)
    assert _prepared(home, "letterbox", 96).describe()["fingerprint"] != first


def test_an_image_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """One that does not decode, one of another size than the annotations say."""
    write_set(tmp_path / "set")
    home, images = tmp_path / "home", tmp_path / "set" / "images"
    COCO.add(home, tmp_path / "set", {})
    (images / "image-0.png").write_bytes(b"no image")
    (images / "image-2.png").write_bytes((images / "image-1.png").read_bytes())
    with pytest.raises(UserError) as raised:
        COCO.prepare(home, "letterbox", 96, 2, _silent)
    message = raised.value.message
    assert "2 of 3 images cannot be used" in message
    assert "image-0.png (it cannot be decoded completely)" in message
    assert "image-2.png (it is 48 by 64, and 40 by 40 in the annotations)" in message


def test_an_image_that_is_gone_is_named_by_verify(tmp_path: Path) -> None:
    """Also one that changed."""
    write_set(tmp_path / "set")
    home, images = tmp_path / "home", tmp_path / "set" / "images"
    COCO.add(home, tmp_path / "set", {})
    COCO.prepare(home, "letterbox", 96, 1, _silent)
    (images / "image-0.png").unlink()
    with (images / "image-1.png").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InvalidResult, match=r"image-0.png \(No such file.*image-1.png \(changed"):
        COCO.verify(home, 1, _silent)


def test_missing_images_are_named(tmp_path: Path) -> None:
    """Those that are here are registered, with their boxes alone."""
    write_set(tmp_path / "set")
    (tmp_path / "set" / "images" / "image-1.png").unlink()
    here = COCO.add(tmp_path / "home", tmp_path / "set", {})
    assert here.samples == 2
    assert here.warning.startswith("A partial set: 1 images are missing (image-1.png).")
    dataset = _prepared(tmp_path / "home", "letterbox", 96)
    assert dataset.truth.image_of.tolist() == [0, 1, 1, 1]
    assert dataset.truth.image_ids.tolist() == [100, 102]


def test_the_images_of_mlperf_are_chosen_by_their_licences(tmp_path: Path) -> None:
    """As its script does with COCO's annotations; non-commercial ones are left out."""
    content = write_set(tmp_path / "set")
    here = COCO_SAFE.add(tmp_path / "home", tmp_path / "set", {})
    assert here.samples == 2
    assert "1523 images are missing" in here.warning
    assert list(COCO_SAFE.sample_names(tmp_path / "home")) == ["image-0.png", "image-2.png"]
    del content["licenses"]
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="does not say the licences"):
        COCO_SAFE.add(tmp_path / "home", tmp_path / "set", {"annotations": file})


def test_each_benchmark_has_the_preparation_of_its_reference(tmp_path: Path) -> None:
    """YOLO is letterboxed to 640, RetinaNet stretched to 800."""
    model = replace(_MODEL, size=())
    assert COCO_SAFE.needed(tmp_path, model)[1].endswith("--way letterbox --size 640")
    assert OPEN_IMAGES.needed(tmp_path, model)[1].endswith("--way stretch --size 800")
    with pytest.raises(UserError, match="96 by 64, and those of coco are prepared as squares"):
        COCO.find(tmp_path, replace(_MODEL, size=(96, 64)))


@pytest.mark.parametrize(
    ("workload", "round_", "name"),
    [
        (YOLO_95, "v6.1", "yolo-95"),
        (YOLO_99, "v6.0", "yolo-99"),
        (RETINANET, "v5.1", "retinanet"),
        (OBJECT_DETECTION, "v6.1", "yolo-95"),
        (DIGITS_DETECTION, "v6.1", "yolo-95"),
    ],
)
def test_each_benchmark_is_judged_by_what_the_round_asks(
    workload: Workload, round_: str, name: str
) -> None:
    """A round knows what it follows: its mAP, its performance samples, its compliance test."""
    tables = SHIPPED[round_].tables
    assert workload.follows == name
    assert tables["accuracy_target"][name]["*"][0]["metric"] == "mAP"
    assert tables["performance_sample_count_min"][name] <= workload.performance_samples
    assert tables["compliance_tests"][name] == ["TEST01"]


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """The directory, the annotations, all images."""
    with pytest.raises(UserError, match="is not a directory"):
        COCO.add(tmp_path / "home", tmp_path / "set", {})
    (tmp_path / "set").mkdir()
    with pytest.raises(UserError, match="There are no annotations below"):
        COCO.add(tmp_path / "home", tmp_path / "set", {})
    write_set(tmp_path / "other")
    (tmp_path / "set" / "instances.json").write_bytes(
        (tmp_path / "other" / "instances.json").read_bytes()
    )
    with pytest.raises(UserError, match="None of the 3 images"):
        COCO.add(tmp_path / "home", tmp_path / "set", {})


def _outside(content: dict[str, Any]) -> None:
    content["annotations"][1]["bbox"] = [40, 6, 20, 12]


def _without_size(content: dict[str, Any]) -> None:
    del content["images"][1]["width"]


def _twice(content: dict[str, Any]) -> None:
    content["images"][1]["id"] = 100


def _of_no_category(content: dict[str, Any]) -> None:
    content["annotations"][0]["category_id"] = 4


def _not_a_number(content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"] = [float("nan"), 0, 1, 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_outside, r"1 of 6 boxes are outside .* image-1.png \(48 by 64\) has \[40, 6, 20, 12\]"),
        (_not_a_number, r"image-0.png \(64 by 48\) has \[nan, 0, 1, 1\]"),
        (_without_size, "not a COCO-shaped file of annotations: KeyError"),
        (_twice, "has the image id 100 2 times"),
        (_of_no_category, "boxes of the category 4"),
    ],
)
def test_damaged_annotations_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    """The message names the place."""
    content = copy.deepcopy(write_set(tmp_path / "set"))
    change(content)
    with pytest.raises(UserError, match=said):
        annotations_of(content, "instances.json")


@pytest.mark.parametrize("content", [[], {}, {"images": 3}, None, "x", {"images": [1]}])
def test_other_content_is_refused(content: Any) -> None:
    """Whatever the JSON is."""
    with pytest.raises(UserError, match="not a COCO-shaped file"):
        annotations_of(content, "instances.json")
