"""ImageNet's images and labels in the forms found on people's disks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.images import find_images
from mlrepo.workloads.imagenet.labels import FULL_SET, official_name, read_labels
from mlrepo.workloads.imagenet.preprocess import WAYS
from mlrepo.workloads.pixels import UndecodableError

_NAMES = [f"{official_name(number)}.JPEG" for number in range(1, 4)]
_SYNSETS = [f"n{number:08}" for number in range(1000, 2000)]


def _touch(directory: Path, names: list[str] = _NAMES) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


def _val_map(path: Path, *, classes: tuple[int, ...] = (65, 970, 230)) -> Path:
    lines = [f"{name} {number}\n" for name, number in zip(_NAMES, classes, strict=True)]
    path.write_text("".join(lines))
    return path


def test_folders_and_files_behind_links_are_found(tmp_path: Path) -> None:
    """Of a directory of links to folders, and of a circle, each image once."""
    _touch(tmp_path / "disk" / "a", _NAMES[:2])
    _touch(tmp_path / "disk" / "b", _NAMES[2:])
    root = tmp_path / "val"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).symlink_to(tmp_path / "disk" / name)
    (root / "again").symlink_to(tmp_path / "disk" / "a")
    (root / "up").symlink_to(root.parent)
    (tmp_path / "disk" / "b" / "circle").symlink_to(root)
    _val_map(root / "val_map.txt")
    found = find_images(root)
    assert found.files == tuple(f"{'aab'[i]}/{name}" for i, name in enumerate(_NAMES))
    assert found.labels == (65, 970, 230)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    """Before anything is prepared: the disk behind it may not be mounted."""
    _val_map(_touch(tmp_path / "val") / "val_map.txt")
    (tmp_path / "val" / f"{official_name(4)}.JPEG").symlink_to(tmp_path / "unmounted")
    with pytest.raises(UserError, match=r"1 images .* broken links: ILSVRC2012_val_00000004"):
        find_images(tmp_path / "val")


def test_what_a_mac_and_tools_leave_behind_is_no_image(tmp_path: Path) -> None:
    """Resource forks beside each file, hidden folders, and a folder that is called like one."""
    root = _touch(tmp_path / "val")
    _val_map(root / "val_map.txt")
    _touch(root, [f"._{name}" for name in _NAMES])
    _touch(root / "__MACOSX", [f"._{_NAMES[0]}", _NAMES[0]])
    _touch(root / ".thumbnails", [_NAMES[1]])
    (root / "old.jpeg").mkdir()
    assert len(find_images(root).files) == 3


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace(" ", "\t").encode() + b"\n\n",
        lambda text: text.replace(" ", ",").encode(),
        lambda text: text.replace("ILSVRC", "val/ILSVRC").encode(),
        lambda text: text.replace("ILSVRC", "val\\ILSVRC").encode(),
        lambda text: text.replace(".JPEG", "").encode(),
    ],
    ids=["mark", "CRLF", "CR", "UTF-16", "tabs", "commas", "folders", "backslashes", "stems"],
)
def test_a_label_file_is_read_however_it_was_saved(tmp_path: Path, encode: object) -> None:
    """By editors and spreadsheets of other systems."""
    root = _touch(tmp_path / "val")
    path = _val_map(root / "val_map.txt")
    assert callable(encode)
    path.write_bytes(encode(path.read_text()))
    assert find_images(root).labels == (65, 970, 230)


def test_other_suffixes_than_those_of_the_labels_are_matched(tmp_path: Path) -> None:
    """As in sets that somebody has made smaller."""
    root = _touch(tmp_path / "val", [name.replace(".JPEG", ".jpg") for name in _NAMES])
    _val_map(tmp_path / "val_map.txt")
    assert find_images(root).labels == (65, 970, 230)


def _kaggle(root: Path, *, mapping: bool = True, synsets: list[str] | None = None) -> Path:
    """Write the layout of Kaggle's archive; the lines of its labels have no order."""
    _touch(root / "ILSVRC" / "Data" / "CLS-LOC" / "train" / "n00001000", ["n00001000_1.JPEG"])
    _touch(root / "ILSVRC" / "Data" / "CLS-LOC" / "test", ["ILSVRC2012_test_00000001.JPEG"])
    images = _touch(root / "ILSVRC" / "Data" / "CLS-LOC" / "val")
    rows = [
        f"{official_name(i)},{name} 85 1 499 272 {name} 1 1 2 2 \n"
        for i, name in zip(
            (3, 1, 2), synsets or [_SYNSETS[9], _SYNSETS[0], _SYNSETS[999]], strict=True
        )
    ]
    (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(rows))
    if mapping:
        lines = [f"{name} a name, and another\n" for name in _SYNSETS]
        (root / "LOC_synset_mapping.txt").write_text("".join(lines))
    return images


@pytest.mark.parametrize("given", [".", "ILSVRC/Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC"])
def test_the_archive_of_kaggle_is_found_as_it_is(tmp_path: Path, given: str) -> None:
    """From its top or its images; training and test images beside them are left alone."""
    images = _kaggle(tmp_path)
    found = find_images(tmp_path / given)
    assert (found.directory, found.files) == (images, tuple(_NAMES))
    assert found.labels == (0, 999, 9)
    assert found.missing == FULL_SET - 3


def test_synsets_of_a_part_need_the_list_of_all(tmp_path: Path) -> None:
    """Which class a synset is depends on the thousand; none is guessed."""
    _kaggle(tmp_path, mapping=False)
    with pytest.raises(UserError, match="names 3 of 1000 synsets") as caught:
        find_images(tmp_path)
    assert "LOC_synset_mapping.txt" in caught.value.hint


def test_folders_of_a_part_are_labelled_by_the_list_of_all(tmp_path: Path) -> None:
    """Three folders, and Kaggle's list beside them; labels that contradict them are refused."""
    _kaggle(tmp_path)
    for place, name in zip((9, 0, 999), _NAMES, strict=True):
        _touch(tmp_path / "mine" / _SYNSETS[place], [name])
    with pytest.raises(UserError, match=r"says class 0 of ILSVRC2012_val_00000001, .* class 9"):
        find_images(tmp_path / "mine")
    (tmp_path / "LOC_val_solution.csv").unlink()
    assert find_images(tmp_path / "mine").labels == (9, 0, 999)


def test_names_with_synsets_and_a_list_of_synsets_are_labels(tmp_path: Path) -> None:
    """Lines NAME SYNSET of all classes; the list of TensorFlow, in the order of the images."""
    named = tmp_path / "named"
    named.write_text("".join(f"{official_name(i + 1)} {s}\n" for i, s in enumerate(_SYNSETS)))
    assert read_labels(named)[official_name(8)] == 7
    listed = tmp_path / "listed"
    listed.write_text("".join(f"{_SYNSETS[i * 7 % 1000]}\n" for i in range(FULL_SET)))
    labels = read_labels(listed)
    assert (len(labels), labels[official_name(2)]) == (FULL_SET, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("".join(f"{official_name(i)} {i}\n" for i in range(1, 40)), "its own number"),
        ("490\n361\n171\n", "numbers without names"),
        ("ImageId,PredictionString\nILSVRC2012_val_00000001,\n", ":2: .* is not IMAGE,SYNSET"),
        ("a.JPEG 1\nb.JPEG n00001000\n", "both classes and synsets"),
    ],
    ids=["numbers of images", "development kit", "empty prediction", "mixed"],
)
def test_what_only_looks_like_labels_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """By what it is: each would give a false accuracy."""
    (tmp_path / "labels").write_text(text)
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "labels")


def test_training_images_and_archives_are_named(tmp_path: Path) -> None:
    """An accuracy on what a model was trained on is none."""
    for number, synset in enumerate(_SYNSETS):
        _touch(tmp_path / "train" / synset, [f"{synset}_{number}.JPEG"])
    with pytest.raises(UserError, match="training images"):
        find_images(tmp_path / "train")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "ILSVRC2012_img_val.tar").touch()
    with pytest.raises(UserError, match="no images") as caught:
        find_images(tmp_path / "packed")
    assert caught.value.hint == "Unpack ILSVRC2012_img_val.tar first."


def test_missing_images_are_named(tmp_path: Path) -> None:
    """The first of them, where the names are those of the set."""
    root = _touch(tmp_path / "val", [_NAMES[0], _NAMES[2]])
    _val_map(tmp_path / "val_map.txt")
    names = find_images(root).missing_names()
    assert names.startswith("ILSVRC2012_val_00000002, ILSVRC2012_val_00000004, ")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"<html>", "not an image that Pillow knows"), (None, "mode I;16, not of 8 bits")],
    ids=["no image", "16 bits"],
)
def test_an_image_that_cannot_be_used_says_why(data: bytes | None, reason: str) -> None:
    """Sixteen bits would become white in silence, and an address is no reason."""
    if data is None:
        buffer = io.BytesIO()
        Image.fromarray(np.full((300, 300), 40_000, np.uint16)).save(buffer, "PNG")
        data = buffer.getvalue()
    with pytest.raises(UndecodableError, match=reason):
        WAYS["pytorch"].crop(data)
