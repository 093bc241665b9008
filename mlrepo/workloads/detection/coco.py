"""COCO-shaped data sets: registered by the user, and prepared as one file of images.

``<home>/datasets/NAME`` holds ``annotations.json`` (what was registered: the directory of the
images and their annotations) and, for each way and size, the files of
:class:`~mlrepo.workloads.pixels.PreparedPixels`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads.detection.annotations import Annotations, annotations_of, read_json
from mlrepo.workloads.detection.images import PLACEMENTS, made
from mlrepo.workloads.detection.placement import ImagePlacement
from mlrepo.workloads.pixels import PreparedPixels, write_whole

REGISTERED = "annotations.json"


@dataclass(frozen=True)
class RegisteredImages:
    """Images with annotations, as the user registered them."""

    directory: Path
    annotations: Annotations


@dataclass(frozen=True)
class CocoStore:
    """The files of a data set below ``<home>/datasets``."""

    directory: Path

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.directory.name

    def add(self, images: RegisteredImages) -> None:
        """Register images; remove what was prepared from other images or annotations."""
        self.directory.mkdir(parents=True, exist_ok=True)
        values = {"directory": str(images.directory), **images.annotations.as_coco()}
        data = json.dumps(values).encode()
        target = self.directory / REGISTERED
        if target.is_file() and target.read_bytes() == data:
            return
        for suffix in (".json", ".u8", ".sha256"):
            for path in self.directory.glob(f"*{suffix}"):
                path.unlink()
        write_whole(target, data)

    def images(self) -> RegisteredImages | None:
        """Return what is registered, None if nothing is."""
        path = self.directory / REGISTERED
        if not path.exists():
            return None
        try:
            raw = read_json(path)
            return RegisteredImages(Path(raw["directory"]), annotations_of(raw, str(path)))
        except (UserError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged: {error}",
                hint=f"`mlrepo dataset add {self.name} --path DIR` writes it.",
            ) from error

    def require_images(self) -> RegisteredImages:
        """Return what is registered; raise :class:`UserError` if nothing is."""
        images = self.images()
        if images is None:
            raise UserError(
                f"The data set {self.name} is not registered.",
                hint=f"`mlrepo dataset add {self.name} --path DIR` registers the images and their "
                "annotations.",
            )
        return images

    def prepared(self, preparation: str, images: RegisteredImages) -> PreparedPixels:
        """Return the files of a preparation, whether it is complete or not."""
        return pixels_of(self.directory / f"{preparation}.json", images)

    def notes(self) -> list[Path]:
        """Return the description files of all preparations."""
        return [path for path in sorted(self.directory.glob("*.json")) if path.name != REGISTERED]

    def require_prepared(self, preparation: str) -> Path:
        """Return the description file of a complete preparation.

        Raises
        ------
        UserError
            There is none; the hint says how to make it.
        """
        prepared = self.prepared(preparation, self.require_images())
        if problem := prepared.problem():
            raise UserError(
                f"The data set {self.name} is not prepared as the model needs it, in the form "
                f"{preparation}: {problem}.",
                hint=prepared.way_out,
            )
        return prepared.note


def preparation_of(way: str, size: int) -> str:
    """Return the name of a preparation."""
    return f"{way}-{size}"


def way_and_size(preparation: str) -> tuple[str, int]:
    """Return the way and the size that the name of a preparation stands for."""
    way, _, size = preparation.rpartition("-")
    return way, int(size)


def pixels_of(note: Path, images: RegisteredImages) -> PreparedPixels:
    """Return the preparation of registered images that is described by ``<way>-<size>.json``."""
    way, size = way_and_size(note.stem)
    # All annotations belong to the fingerprint: a moved box is another data set.
    digest = np.frombuffer(bytes.fromhex(images.annotations.fingerprint), np.uint8)
    return PreparedPixels(
        note,
        images.directory,
        images.annotations.files,
        (size, size, 3),
        np.tile(digest, (images.annotations.total, 1)),
        f"`mlrepo dataset prepare {note.parent.name} --way {way} --size {size}` makes what is "
        "missing.",
    )


def make_pixels(images: RegisteredImages, preparation: str) -> Callable[[int, bytes], Any]:
    """Return what makes the pixels of an image by its index and the content of its file."""
    way, size = way_and_size(preparation)
    sizes = [(width, height) for width, height in images.annotations.sizes.tolist()]
    return lambda row, data: made(way, size, data, sizes[row])


@dataclass(frozen=True)
class PreparedDetection:
    """Prepared images as a data set for LoadGen: float32 [3, size, size] in [0, 1], RGB.

    Attributes
    ----------
    description:
        ``<way>-<size>.json``; the other files are beside it.
    """

    description: Path

    @cached_property
    def _images(self) -> RegisteredImages:
        return CocoStore(self.description.parent).require_images()

    @cached_property
    def _pixels(self) -> PreparedPixels:
        prepared = pixels_of(self.description, self._images)
        prepared.require()
        return prepared

    @property
    def total(self) -> int:
        """The number of images."""
        return self._pixels.total

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Three channels of the prepared size."""
        *size, channels = self._pixels.image_shape
        return (channels, *size)

    @property
    def truth(self) -> Annotations:
        """The boxes of all images."""
        return self._images.annotations

    @cached_property
    def placement(self) -> ImagePlacement:
        """Where the images are in the input."""
        way, size = way_and_size(self.description.stem)
        return PLACEMENTS[way](self.truth.sizes, (size, size))

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the inputs, float32 [n, 3, size, size].

        Raises
        ------
        UserError
            The pixels are no longer those that were prepared.
        """
        out = np.empty((len(indices), *self.sample_shape), np.float32)
        for row, index in enumerate(indices):
            pixels = self._pixels.read(index).transpose(2, 0, 1)
            np.divide(pixels, np.float32(255), out=out[row])
        return out

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count, preprocessing, size and fingerprint."""
        way, size = way_and_size(self.description.stem)
        return {
            "name": self.description.parent.name,
            "samples": self.total,
            "preprocessing": way,
            "size": [size, size],
            "fingerprint": self._pixels.fingerprint,
        }
