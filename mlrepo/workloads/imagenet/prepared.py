"""ImageNet prepared for runs: a memory-mapped file of cropped uint8 images per preprocessing.

``<home>/datasets/imagenet2012`` holds ``images.json`` (directory, files, labels) and, for each
preprocessing, the files of :class:`~mlrepo.workloads.pixels.PreparedPixels`. Images of another
size are ``<way>-<size>`` (:func:`~mlrepo.workloads.imagenet.preprocess.prepared_name`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.images import LabelledImages
from mlrepo.workloads.imagenet.labels import FULL_SET
from mlrepo.workloads.imagenet.preprocess import (
    SIZE,
    preprocessing,
    short_side,
    way_and_size,
)
from mlrepo.workloads.pixels import PreparedPixels, verify, write_whole
from mlrepo.workloads.registered import OnSamples

NAME = "imagenet2012"
_IMAGES = "images.json"


@dataclass(frozen=True)
class ImageNetStore:
    """The registered data set below ``<home>/datasets``."""

    home: Path

    @property
    def directory(self) -> Path:
        """Where the files of the set are kept; the images themselves stay where they are."""
        return self.home / "datasets" / NAME

    def add(self, images: LabelledImages) -> None:
        """Register images; remove what was prepared from other images."""
        directory = self.directory
        directory.mkdir(parents=True, exist_ok=True)
        values = asdict(images) | {"directory": str(images.directory.absolute())}
        data = json.dumps(values).encode()
        target = directory / _IMAGES
        if target.is_file() and target.read_bytes() == data:
            return
        for way in (".json", ".u8", ".sha256"):
            for path in directory.glob(f"*{way}"):
                path.unlink()
        write_whole(target, data)

    def images(self) -> LabelledImages | None:
        """Return the registered images, None if there are none."""
        path = self.directory / _IMAGES
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return LabelledImages(Path(raw["directory"]), tuple(raw["files"]), tuple(raw["labels"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged: {error!r}.",
                hint=f"`mlrepo dataset add {NAME} --path DIR` writes it.",
            ) from error

    def require_images(self) -> LabelledImages:
        """Return the registered images; raise :class:`UserError` if there are none."""
        images = self.images()
        if images is None:
            raise UserError(
                f"The data set {NAME} is not registered.",
                hint=f"`mlrepo dataset add {NAME} --path DIR` registers the validation images; "
                "ImageNet's licence does not allow passing them on.",
            )
        return images

    def prepared(self, way: str) -> Path | None:
        """Return the description file of a complete preparation, None if there is none."""
        images = self.images()
        if images is None:
            return None
        prepared = self._pixels(way, images)
        return None if prepared.problem() else prepared.note

    def require_prepared(self, way: str) -> Path:
        """Return :meth:`prepared`; raise :class:`UserError` if there is none."""
        prepared = self._pixels(way, self.require_images())
        if problem := prepared.problem():
            raise UserError(
                f"The data set {NAME} is not prepared as the model needs it, in the way {way!r}: "
                f"{problem}.",
                hint=f"{prepared.way_out} It takes about a minute for the full set.",
            )
        return prepared.note

    def _pixels(self, way: str, images: LabelledImages) -> PreparedPixels:
        return prepared_pixels(self.directory / f"{way}.json", images)

    def prepare(self, way: str, workers: int, on_progress: OnSamples) -> Path:
        """Prepare the missing images in ``workers`` threads; return the description file.

        ``way`` is the name of a preparation: a preprocessing, with the size if that is not 224.

        Raises
        ------
        UserError
            Images are missing or cannot be decoded (the message names them), or the disk is full.
            Finished images are kept.
        """
        name, size = way_and_size(way)
        crop = preprocessing(name).crop
        prepared = self._pixels(way, self.require_images())
        return prepared.prepare(lambda row, data: crop(data, size), workers, on_progress)

    def verify(self, workers: int, on_progress: OnSamples) -> str:
        """Compare every image, and every pixel, with what was prepared; return the fingerprint.

        Raises
        ------
        UserError
            Nothing is prepared.
        InvalidResult
            Images or pixels have changed or disappeared since; the message names them.
        """
        images = self.require_images()
        prepared = [self._pixels(path.stem, images) for path in self._notes()]
        return verify(NAME, prepared, workers, on_progress)

    def all_prepared(self) -> list[str]:
        """Return the names of all complete preparations."""
        return [path.stem for path in self._notes() if self.prepared(path.stem) is not None]

    def _notes(self) -> list[Path]:
        return [path for path in sorted(self.directory.glob("*.json")) if path.name != _IMAGES]


def prepared_pixels(note: Path, images: LabelledImages) -> PreparedPixels:
    """Return the preparation of registered images that is described by ``<way>.json``."""
    way, size = way_and_size(note.stem)
    other = "" if size == SIZE else f" --size {size}"
    return PreparedPixels(
        note,
        images.directory,
        images.files,
        (size, size, 3),
        np.asarray(images.labels, "<i4").reshape(-1, 1).view(np.uint8),
        f"`mlrepo dataset prepare {NAME} --way {way}{other}` makes what is missing.",
    )


@dataclass(frozen=True)
class PreparedImages:
    """The prepared images as a data set for LoadGen: float32 [3, size, size], scaled on load.

    Attributes
    ----------
    description:
        ``<way>.json``; the other files are beside it.
    """

    description: Path

    @cached_property
    def _pixels(self) -> PreparedPixels:
        prepared = prepared_pixels(self.description, self._images)
        prepared.require()
        return prepared

    @cached_property
    def _images(self) -> LabelledImages:
        return ImageNetStore(self.description.parents[2]).require_images()

    @property
    def total(self) -> int:
        """The number of registered images."""
        return self._pixels.total

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Three channels of the prepared size."""
        *size, channels = self._pixels.image_shape
        return (channels, *size)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each image, shape [total]."""
        return np.asarray(self._images.labels, np.int64)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the inputs, float32 [n, 3, size, size].

        Raises
        ------
        UserError
            The pixels are no longer those that were prepared.
        """
        way, _ = way_and_size(self.description.stem)
        scale = preprocessing(way).scale
        out = np.empty((len(indices), *self.sample_shape), np.float32)
        for row, index in enumerate(indices):
            scale(self._pixels.read(index), out[row])
        return out

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count, completeness, preprocessing, size and fingerprint.

        ``resized`` is the short side before the crop to ``size``.
        """
        way, size = way_and_size(self.description.stem)
        return {
            "name": "ImageNet 2012 validation",
            "samples": self.total,
            "complete": self.total == FULL_SET,
            "preprocessing": way,
            "size": size,
            "resized": short_side(size),
            "fingerprint": self._pixels.fingerprint,
        }
