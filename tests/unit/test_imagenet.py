"""ImageNet: images and labels are found or refused by name; pixels equal the reference."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.classification import top1
from mlrepo.workloads.forms import form_of, in_form
from mlrepo.workloads.imagenet import RandomImages, imagenet_top1
from mlrepo.workloads.imagenet.images import find_images
from mlrepo.workloads.imagenet.labels import FULL_SET
from mlrepo.workloads.imagenet.prepared import ImageNetStore, PreparedImages
from mlrepo.workloads.imagenet.preprocess import WAYS, prepared_name
from mlrepo.workloads.tensors import tensors_of
from mlrepo.workloads.ways import IMAGENET_WAYS
from mlrepo.workloads.weights.graph import Tensor
from tests.photos import KINDS, write_photos


def _nothing(done: int, total: int) -> None:
    """Show no progress."""


def _as_the_reference_does(path: Path, way: str) -> np.ndarray:
    """Follow the published recipe step by step, in its own order and types."""
    if way in ("pytorch", "efficientnet-lite"):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        short = min(image.size)
        size = tuple(256 if s == short else int(256 * s / short) for s in image.size)
        lite = way == "efficientnet-lite"
        image = image.resize(size, Image.Resampling.BICUBIC if lite else Image.Resampling.BILINEAR)
        left, top = round((size[0] - 224) / 2.0), round((size[1] - 224) / 2.0)
        pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
        if lite:
            return (pixels.transpose(2, 0, 1) - np.float32(127)) / np.float32(128)
        pixels = pixels.transpose(2, 0, 1) / np.float32(255)
        mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
        return (pixels - mean) / np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    height, width, _ = image.shape
    side = int(100.0 * 224 / 87.5)
    size = (
        (side, int(side * height / width)) if height > width else (int(side * width / height), side)
    )
    interpolation = cv2.INTER_AREA if way == "vgg" else cv2.INTER_LINEAR
    image = cv2.resize(image, size, interpolation=interpolation)
    left, top = int((image.shape[1] - 224) / 2), int((image.shape[0] - 224) / 2)
    image = np.asarray(image[top : top + 224, left : left + 224], dtype="float32")
    if way == "vgg":
        image -= np.array([123.68, 116.78, 103.94], dtype=np.float32)
    else:
        image /= 255.0
        image -= 0.5
        image *= 2
    return image.transpose(2, 0, 1)


@pytest.mark.parametrize("way", ["vgg", "mobilenet", "pytorch", "efficientnet-lite"])
def test_inputs_are_those_of_the_reference_to_the_bit(tmp_path: Path, way: str) -> None:
    """Whatever the size, the colours and the rotation of the photograph."""
    paths = write_photos(tmp_path / "val", len(KINDS))
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    data = PreparedImages(store.prepare(way, 2, _nothing))
    inputs = data.load(range(len(paths)))
    assert inputs.flags.c_contiguous
    assert inputs.dtype == np.float32
    for path, found in zip(paths, inputs, strict=True):
        np.testing.assert_array_equal(found, _as_the_reference_does(path, way))


def test_a_flat_directory_is_labelled_by_its_val_map(tmp_path: Path) -> None:
    """Samples stand in the order of the label file; a part of the set is said to be one."""
    write_photos(tmp_path / "val", 3)
    (tmp_path / "val" / "notes.txt").write_text("no image")
    found = find_images(tmp_path / "val")
    assert found.labels == (0, 7, 14)
    assert found.missing == FULL_SET - 3


def test_synset_folders_are_the_classes(tmp_path: Path) -> None:
    """All thousand must be there: a folder less would shift every label."""
    for number in range(1000):
        folder = tmp_path / f"n{number:08}"
        folder.mkdir()
        (folder / f"ILSVRC2012_val_{1000 - number:08}.JPEG").write_bytes(b"")
    found = find_images(tmp_path)
    assert found.labels == tuple(range(999, -1, -1))
    (tmp_path / "n00000500" / "ILSVRC2012_val_00000500.JPEG").unlink()
    assert find_images(tmp_path).labels[500] == 498
    (tmp_path / "n00000500").rmdir()
    with pytest.raises(UserError, match="999 of 1000 synset folders"):
        find_images(tmp_path)


@pytest.mark.long
def test_a_full_set_is_complete(tmp_path: Path) -> None:
    """Fifty thousand names are matched with fifty thousand labels."""
    (tmp_path / "val").mkdir()
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, FULL_SET + 1)]
    for name in names:
        (tmp_path / "val" / name).touch()
    (tmp_path / "labels").write_text("".join(f"{n} {i % 1000}\n" for i, n in enumerate(names)))
    found = find_images(tmp_path / "val", tmp_path / "labels")
    assert (len(found.files), found.missing, found.labels[1001]) == (FULL_SET, 0, 1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ILSVRC2012_val_00000001.JPEG 1\n", "no line for 1 of 2 images"),
        ("ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000001.JPEG 1\n", ":2: .* twice"),
        ("ILSVRC2012_val_00000001.JPEG 1000\n", ":1: .* class below 1000"),
        ("ILSVRC2012_val_00000001.JPEG\n", ":1: .* is not NAME CLASS"),
        ("", "contains no labels"),
    ],
)
def test_bad_labels_are_named(tmp_path: Path, labels: str, message: str) -> None:
    """With file and line."""
    write_photos(tmp_path / "val", 2)
    (tmp_path / "labels").write_text(labels)
    with pytest.raises(UserError, match=message):
        find_images(tmp_path / "val", tmp_path / "labels")


def test_an_image_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """Which of the two is meant cannot be told."""
    write_photos(tmp_path / "val" / "a", 1)
    write_photos(tmp_path / "val" / "b", 1)
    with pytest.raises(UserError, match="twice"):
        find_images(tmp_path / "val")


def test_damaged_images_are_named_and_the_others_stay_done(tmp_path: Path) -> None:
    """A truncated file and one that is no image; afterwards only these are done again."""
    paths = write_photos(tmp_path / "val", 8)
    intact = paths[2].read_bytes(), paths[5].read_bytes()
    paths[2].write_bytes(intact[0][: len(intact[0]) // 2])
    paths[5].write_bytes(b"no image")
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    with pytest.raises(UserError) as caught:
        store.prepare("vgg", 2, _nothing)
    assert paths[2].name in caught.value.message
    assert paths[5].name in caught.value.message
    with pytest.raises(UserError, match="not prepared"):
        store.require_prepared("vgg")
    paths[2].write_bytes(intact[0])
    paths[5].write_bytes(intact[1])
    paths[0].unlink()  # done before: not read again
    seen: list[tuple[int, int]] = []
    data = PreparedImages(store.prepare("vgg", 2, lambda *done: seen.append(done)))
    assert (seen[0], seen[-1]) == ((0, 8), (8, 8))
    np.testing.assert_array_equal(data.load([2])[0], _as_the_reference_does(paths[2], "vgg"))


def test_verify_names_what_changed(tmp_path: Path) -> None:
    """The fingerprint stays the same as long as nothing does."""
    paths = write_photos(tmp_path / "val", 4)
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    with pytest.raises(UserError, match="Nothing of"):
        store.verify(2, _nothing)
    data = PreparedImages(store.prepare("vgg", 2, _nothing))
    assert store.verify(2, _nothing) == data.describe()["fingerprint"]
    paths[1].write_bytes(paths[0].read_bytes())
    paths[3].unlink()
    with pytest.raises(InvalidResult) as caught:
        store.verify(2, _nothing)
    assert f"{paths[1].name} (changed)" in caught.value.message
    assert paths[3].name in caught.value.message
    assert paths[0].name not in caught.value.message


def _prepared(tmp_path: Path, count: int = 4) -> tuple[ImageNetStore, Path]:
    write_photos(tmp_path / "val", count)
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    return store, store.prepare("vgg", 2, _nothing)


@pytest.mark.parametrize("lost", [".u8", ".sha256", ".json"])
@pytest.mark.parametrize("how", ["removed", "emptied", "cut"])
def test_a_preparation_is_whole_or_absent(tmp_path: Path, lost: str, how: str) -> None:
    """Pixels that are gone are never zeros: they are prepared again, to the same bytes."""
    store, note = _prepared(tmp_path)
    before = PreparedImages(note).load(range(4))
    path = note.with_suffix(lost)
    data = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "emptied" else data[:-1])
    assert store.prepared("vgg") is None
    with pytest.raises(UserError, match=path.name):
        store.require_prepared("vgg")
    with pytest.raises(UserError, match=path.name):
        PreparedImages(note).load([0])
    with pytest.raises((InvalidResult, UserError), match=r"missing|bytes instead|damaged|Nothing"):
        store.verify(2, _nothing)
    again = store.prepare("vgg", 2, _nothing)
    np.testing.assert_array_equal(PreparedImages(again).load(range(4)), before)
    assert store.verify(2, _nothing) == PreparedImages(again).describe()["fingerprint"]


def test_damaged_pixels_are_found_by_runs_and_by_verify(tmp_path: Path) -> None:
    """Zeros of the right size, as a disk or a copy leaves them: the image is named."""
    store, note = _prepared(tmp_path)
    intact = PreparedImages(note).load(range(4))
    with note.with_suffix(".u8").open("r+b") as stream:
        stream.seek(2 * 224 * 224 * 3)
        stream.write(bytes(224 * 224 * 3))
    np.testing.assert_array_equal(PreparedImages(note).load([0, 1, 3]), intact[[0, 1, 3]])
    with pytest.raises(UserError, match=r"vgg.u8 is damaged: image 2 \(.*00000003.JPEG\)"):
        PreparedImages(note).load([2])
    with pytest.raises(InvalidResult, match=r"1 of 4 .*00000003.JPEG \(its pixels in vgg.u8\)"):
        store.verify(2, _nothing)
    store.prepare("vgg", 2, _nothing)
    np.testing.assert_array_equal(PreparedImages(note).load(range(4)), intact)


def test_pixels_and_digests_of_another_preparation_are_noticed(tmp_path: Path) -> None:
    """Files that fit each other but not the note, as a restored backup may leave them."""
    store, note = _prepared(tmp_path)
    intact = PreparedImages(note).load(range(4))
    fingerprint = PreparedImages(note).describe()["fingerprint"]
    other, theirs = _prepared(tmp_path / "other")
    (tmp_path / "other" / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(
        (tmp_path / "other" / "val" / "ILSVRC2012_val_00000002.JPEG").read_bytes()
    )
    theirs.with_suffix(".u8").unlink()
    other.prepare("vgg", 2, _nothing)
    for end in (".u8", ".sha256"):
        note.with_suffix(end).write_bytes(theirs.with_suffix(end).read_bytes())
    with pytest.raises(UserError, match="other images or pixels"):
        PreparedImages(note).load([0])
    with pytest.raises(InvalidResult, match="other images or pixels"):
        store.verify(2, _nothing)
    again = PreparedImages(store.prepare("vgg", 2, _nothing))
    np.testing.assert_array_equal(again.load(range(4)), intact)
    assert store.verify(2, _nothing) == fingerprint


def test_an_image_that_changed_is_prepared_again(tmp_path: Path) -> None:
    """As the message of `verify` says; one that is gone stays as it was prepared."""
    store, note = _prepared(tmp_path)
    before = PreparedImages(note).load([3])
    images = sorted((tmp_path / "val").glob("*.JPEG"))
    images[1].write_bytes(images[0].read_bytes())
    images[3].unlink()
    data = PreparedImages(store.prepare("vgg", 2, _nothing))
    np.testing.assert_array_equal(data.load([1]), data.load([0]))
    np.testing.assert_array_equal(data.load([3]), before)


def test_other_labels_make_another_fingerprint(tmp_path: Path) -> None:
    """Registering the same images again keeps what was prepared; other labels remove it."""
    write_photos(tmp_path / "val", 2)
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    first = PreparedImages(store.prepare("vgg", 2, _nothing)).describe()["fingerprint"]
    store.add(find_images(tmp_path / "val"))
    assert store.prepared("vgg")
    (tmp_path / "labels").write_text(
        "ILSVRC2012_val_00000001.JPEG 5\nILSVRC2012_val_00000002.JPEG 7\n"
    )
    store.add(find_images(tmp_path / "val", tmp_path / "labels"))
    assert store.prepared("vgg") is None
    again = PreparedImages(store.prepare("vgg", 2, _nothing)).describe()["fingerprint"]
    assert again != first


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_a_class_is_counted_from_the_first_that_is_no_background(classes: int, dtype: type) -> None:
    """With an ArgMax inside of the model and without one."""
    scores = np.random.default_rng(0).standard_normal((5, classes)).astype(np.float32)
    scores[:, 0] = -9  # never the background
    wanted = scores.argmax(axis=1) - (classes - 1000)
    inside = scores.argmax(axis=1).astype(dtype)
    for outputs in ([scores], [inside, scores], [inside.reshape(-1, 1), scores]):
        found = imagenet_top1(outputs)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shape", [(4,), (4, 10, 8, 8), (4, 1, 7, 10), (4, 1), (4, 1, 1, 1)])
def test_outputs_without_scores_are_refused(shape: tuple[int, ...]) -> None:
    """The shapes are named. The largest of one number would be class 0 for every sample."""
    for judge in (imagenet_top1, top1):
        with pytest.raises(UserError, match=re.escape(str(list(shape)))):
            judge([np.zeros(shape, np.float32)])


@pytest.mark.parametrize("shape", [(4, 1000), (4, 1000, 1, 1), (4, 1, 1, 1000), (4, 1, 1000)])
def test_dimensions_of_one_beside_the_scores_are_left_out(shape: tuple[int, ...]) -> None:
    """Models of convolutions alone keep them; a batch of one is no dimension of one."""
    scores = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    wanted = scores.reshape(4, 1000).argmax(axis=1)
    np.testing.assert_array_equal(imagenet_top1([scores]), wanted)
    np.testing.assert_array_equal(top1([scores]), wanted)
    np.testing.assert_array_equal(imagenet_top1([scores[:1]]), wanted[:1])


@pytest.mark.parametrize("size", [64, 192, 299])
@pytest.mark.parametrize("way", list(WAYS))
def test_another_size_is_prepared_with_the_same_ratio(tmp_path: Path, way: str, size: int) -> None:
    """The crop is 87.5 percent of the short side, and both are in the record."""
    write_photos(tmp_path / "val", 2)
    store = ImageNetStore(tmp_path / "home")
    store.add(find_images(tmp_path / "val"))
    name = prepared_name(way, size)
    images = PreparedImages(store.prepare(name, 2, _nothing))
    assert images.load([1, 0]).shape == (2, 3, size, size)
    about = images.describe()
    assert (about["preprocessing"], about["size"]) == (way, size)
    resized = about["resized"]
    assert isinstance(resized, int)
    assert abs(size / resized - 0.875) < 0.005
    assert store.all_prepared() == [name]
    with pytest.raises(UserError, match="not prepared") as refused:
        store.require_prepared(prepared_name("vgg", 77))
    assert "--way vgg --size 77" in refused.value.hint


def test_the_names_of_ways_are_those_that_there_are() -> None:
    """The command line knows them without numpy."""
    assert tuple(WAYS) == IMAGENET_WAYS


def test_channels_last_are_the_same_numbers() -> None:
    """In another order, contiguous."""
    images = RandomImages(4).resized((32, 48))
    last = in_form(RandomImages(4), "NHWC", (32, 48))
    assert tensors_of(last)[0].shape == (32, 48, 3)
    found = last.load([2, 1])
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found.transpose(0, 3, 1, 2), images.load([2, 1]))
    assert last.describe()["layout"] == "NHWC"
    assert last.describe()["fingerprint"] != RandomImages(4).describe()["fingerprint"]


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [
        ((None, 3, 224, 224), "", (224, 224)),
        ((None, 224, 224, 3), "NHWC", (224, 224)),
        ((8, 299, 192, 3), "NHWC", (299, 192)),
        ((None, None, None, 3), "NHWC", ()),
        ((None, None, None, None), "", ()),
        ((None, 1, 8, 8), "", (8, 8)),
        ((None, 8, 8, 1), "NHWC", (8, 8)),
        # Nobody can tell: the channels are first unless the user says otherwise.
        ((None, 3, 3, 3), "", (3, 3)),
    ],
)
def test_the_layout_is_taken_from_a_shape_that_leaves_no_doubt(
    shape: tuple[int | None, ...], layout: str, size: tuple[int, ...]
) -> None:
    """Where the channels are, and the size."""
    assert form_of(Tensor("x", "fp32", shape)) == (layout, size)


def test_generated_images_depend_on_their_index_alone() -> None:
    """Whatever else is loaded with them."""
    data = RandomImages()
    np.testing.assert_array_equal(data.load([3, 9])[1], data.load([9])[0])
    assert not np.array_equal(data.load([3]), data.load([9]))
