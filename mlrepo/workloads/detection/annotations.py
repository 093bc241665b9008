"""COCO-shaped annotations: images, their categories and the boxes in them.

The form is that of ``instances_val2017.json`` of COCO, and of MLPerf's ``openimages-mlperf.json``:
``images`` (id, file_name, width, height), ``categories`` (id, name) and ``annotations`` (image_id,
category_id, bbox as x, y, width, height in pixels, area, iscrowd). The order of the images is the
order of the samples.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError

# How far, in pixels, a box may reach beyond its image: annotations are rounded.
_SLACK = 2.0
_SHOWN = 5
_HINT = "Give the annotations that belong to these images."


@dataclass(frozen=True)
class Annotations:
    """The images of a data set, and the objects in them.

    Attributes
    ----------
    files:
        The file name of each image.
    image_ids:
        int64 [n], the ids in the file.
    sizes:
        float64 [n, 2], width and height in pixels.
    categories:
        int64 [c], the category ids, ascending.
    boxes:
        float64 [k, 4]: x, y, width and height in pixels.
    image_of:
        int64 [k], the index of each box's image.
    labels:
        int64 [k], the category id of each box.
    areas:
        float64 [k], the areas of the objects, by which COCO calls them small or large.
    crowds:
        int64 [k], not 0 where a box is around many objects.
    """

    files: tuple[str, ...]
    image_ids: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    categories: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    image_of: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    areas: npt.NDArray[np.float64]
    crowds: npt.NDArray[np.int64]

    @property
    def total(self) -> int:
        """The number of images."""
        return len(self.files)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of everything that a result depends on, except for the images' pixels."""
        arrays = (
            self.image_ids,
            self.sizes,
            self.categories,
            self.boxes,
            self.image_of,
            self.labels,
            self.areas,
            self.crowds,
        )
        names = "".join(f"{name}\n" for name in self.files).encode()
        return sha256_bytes(names + b"".join(array.tobytes() for array in arrays))

    def only(self, which: Sequence[int]) -> Annotations:
        """Return the annotations of some of the images, in the given order."""
        row_of = {image: row for row, image in enumerate(which)}
        kept = [at for at, image in enumerate(self.image_of.tolist()) if image in row_of]
        images = np.asarray(which, np.int64)
        return Annotations(
            tuple(self.files[image] for image in which),
            self.image_ids[images],
            self.sizes[images],
            self.categories,
            self.boxes[kept],
            np.asarray([row_of[image] for image in self.image_of[kept].tolist()], np.int64),
            self.labels[kept],
            self.areas[kept],
            self.crowds[kept],
        )

    def as_coco(self) -> dict[str, Any]:
        """Return them as the content of a COCO-shaped file."""
        return {
            "images": [
                {"id": int(number), "file_name": name, "width": width, "height": height}
                for number, name, (width, height) in zip(
                    self.image_ids, self.files, self.sizes.tolist(), strict=True
                )
            ],
            "categories": [{"id": int(number)} for number in self.categories],
            "annotations": [
                {
                    "id": at + 1,
                    "image_id": int(self.image_ids[image]),
                    "category_id": label,
                    "bbox": box,
                    "area": area,
                    "iscrowd": crowd,
                }
                for at, (image, label, box, area, crowd) in enumerate(
                    zip(
                        self.image_of.tolist(),
                        self.labels.tolist(),
                        self.boxes.tolist(),
                        self.areas.tolist(),
                        self.crowds.tolist(),
                        strict=True,
                    )
                )
            ],
        }


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raise :class:`UserError` if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}.", hint=_HINT) from error


def annotations_of(raw: Any, where: str) -> Annotations:
    """Return the annotations in the content of a COCO-shaped file called ``where``.

    Raises
    ------
    UserError
        It is not of that form, has an id twice, or a box that is outside of its image; the message
        names the place.
    """
    try:
        images: list[Mapping[str, Any]] = raw["images"]
        files = tuple(str(image["file_name"]) for image in images)
        ids = [int(image["id"]) for image in images]
        sizes = [(float(image["width"]), float(image["height"])) for image in images]
        categories = sorted(int(category["id"]) for category in raw["categories"])
        row_of = {number: row for row, number in enumerate(ids)}
        # As the reference does: annotations of images that are not listed do not count.
        kept = [one for one in raw["annotations"] if int(one["image_id"]) in row_of]
        boxes = [tuple(float(value) for value in one["bbox"]) for one in kept]
        labels = [int(one["category_id"]) for one in kept]
        # Some tools leave out what COCO has for its segmentations.
        areas = [
            float(one.get("area", box[2] * box[3])) for one, box in zip(kept, boxes, strict=True)
        ]
        crowds = [int(one.get("iscrowd") or 0) for one in kept]
        owners = [row_of[int(one["image_id"])] for one in kept]
        shape = np.asarray(boxes, np.float64).reshape(-1, 4)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{where} is not a COCO-shaped file of annotations: {error!r}.",
            hint="It needs images (id, file_name, width, height), categories (id) and annotations "
            "(image_id, category_id, bbox).",
        ) from error
    found = Annotations(
        files,
        np.asarray(ids, np.int64),
        np.asarray(sizes, np.float64).reshape(-1, 2),
        np.asarray(categories, np.int64),
        shape,
        np.asarray(owners, np.int64),
        np.asarray(labels, np.int64),
        np.asarray(areas, np.float64),
        np.asarray(crowds, np.int64),
    )
    _refuse_damaged(found, where)
    return found


def _refuse_damaged(found: Annotations, where: str) -> None:
    if not found.total or not len(found.categories):
        raise UserError(f"{where} names no images, or no categories.", hint=_HINT)
    for what, values in (
        ("image id", found.image_ids.tolist()),
        ("file name", list(found.files)),
        ("category id", found.categories.tolist()),
    ):
        value, count = Counter(values).most_common(1)[0]
        if count > 1:
            raise UserError(f"{where} has the {what} {value} {count} times.", hint=_HINT)
    strange = sorted(set(found.labels.tolist()) - set(found.categories.tolist()))
    if strange:
        raise UserError(
            f"{where} has boxes of the category {strange[0]}, which is not among its categories.",
            hint=_HINT,
        )
    sizes = found.sizes[found.image_of]
    low, high = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    with np.errstate(invalid="ignore"):
        fits = np.hstack([low >= -_SLACK, high <= sizes + _SLACK, found.boxes[:, 2:] >= 0])
    outside = np.flatnonzero(~fits.all(axis=1))
    if len(outside):
        shown = "; ".join(_box_text(found, int(at)) for at in outside[:_SHOWN])
        more = "; …" if len(outside) > _SHOWN else ""
        raise UserError(
            f"{where}: {len(outside)} of {len(fits)} boxes are outside of their images: "
            f"{shown}{more}.",
            hint="A bbox is x, y, width, height in pixels of the image. " + _HINT,
        )


def _box_text(found: Annotations, at: int) -> str:
    image = found.image_of[at]
    width, height = found.sizes[image]
    box = ", ".join(f"{value:g}" for value in found.boxes[at])
    return f"{found.files[image]} ({width:g} by {height:g}) has [{box}]"
