"""ImageNet as the user registers and prepares it, and as its benchmarks find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.workloads import Model
from mlrepo.workloads.imagenet.calibration import calibration_list
from mlrepo.workloads.imagenet.images import LabelledImages, find_images
from mlrepo.workloads.imagenet.labels import FULL_SET, KAGGLE_LABELS, VAL_MAP
from mlrepo.workloads.imagenet.prepared import NAME, ImageNetStore
from mlrepo.workloads.imagenet.preprocess import SIZE, prepared_name
from mlrepo.workloads.registered import (
    CalibrationList,
    DatasetPart,
    OnSamples,
    Prepared,
    Registered,
    RegisteredDataset,
    refuse_oblong,
)
from mlrepo.workloads.ways import IMAGENET_WAYS

LABELS = "labels"


@dataclass(frozen=True)
class ImageNet(RegisteredDataset):
    """The validation images of ImageNet 2012."""

    name: str = NAME
    about: str = "ImageNet 2012 validation images"
    requirements: tuple[str, ...] = ("opencv-python-headless>=4.8", "pillow>=10")
    unit: str = "images"
    full_set: int | None = FULL_SET
    parts: tuple[DatasetPart, ...] = (
        DatasetPart(
            LABELS,
            f"lines NAME CLASS, or Kaggle's {KAGGLE_LABELS} (default: {VAL_MAP} in or beside the "
            "directory, Kaggle's file, or the folders)",
            optional=True,
        ),
    )
    ways: tuple[str, ...] = IMAGENET_WAYS
    sizes: range = range(16, 2049)
    size: int = SIZE

    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Find the images and their labels; see :func:`find_images`. Nothing is copied."""
        images = find_images(path, files.get(LABELS))
        ImageNetStore(home).add(images)
        return _registered(images)

    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Decode, resize and crop every image once into one file.

        ``way`` is a preprocessing, ``size`` height and width: 87.5 % of the resized short side.
        """
        done = ImageNetStore(home).prepare(prepared_name(way, size), threads, progress)
        return Prepared(done, done.with_suffix(".u8"), f"for {way}, {size} by {size}", way, size)

    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare every image, and every pixel, with what was prepared."""
        return ImageNetStore(home).verify(threads, progress)

    def status(self, home: Path) -> Registered | None:
        """Return how many images are registered, and how they are prepared."""
        store = ImageNetStore(home)
        images = store.images()
        return _registered(images, tuple(store.all_prepared())) if images else None

    def find(self, home: Path, model: Model) -> Path:
        """Return the description file of the preparation that a model needs.

        Raises
        ------
        UserError
            It has to be registered or prepared first, or the model's input is not square.
        """
        refuse_oblong(model, self.name)
        return ImageNetStore(home).require_prepared(self._preparation(model))

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the commands that register and prepare what a model still needs."""
        store, needed = ImageNetStore(home), []
        if store.images() is None:
            needed.append(f"mlrepo dataset add {NAME} --path DIR")
        if store.prepared(self._preparation(model)) is None:
            size = f" --size {model.size[0]}" if model.size else ""
            needed.append(f"mlrepo dataset prepare {NAME} --way {model.preprocessing}{size}")
        return tuple(needed)

    def sample_names(self, home: Path) -> Sequence[str]:
        """Return the names of the image files; raise :class:`UserError` if there are none."""
        return ImageNetStore(home).require_images().files

    def calibration(self, text: str) -> CalibrationList:
        """Return one of MLPerf's two lists, or the one in a file: :func:`calibration_list`."""
        return calibration_list(text)

    @staticmethod
    def _preparation(model: Model) -> str:
        return prepared_name(model.preprocessing, *model.size[:1])


def _registered(images: LabelledImages, prepared: tuple[str, ...] = ()) -> Registered:
    warning = ""
    if images.missing:
        names = images.missing_names()
        warning = (
            f"A partial set: {images.missing} images are missing{f' ({names})' if names else ''}. "
            "Runs on it are for trying things out; a submission needs all."
        )
    return Registered(len(images.files), images.directory, prepared, warning)
