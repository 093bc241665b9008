"""COCO-shaped data sets on the command line: any, MLPerf's part of COCO, and OpenImages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlrepo.errors import UserError
from mlrepo.workloads import Model
from mlrepo.workloads.detection.task import PYCOCOTOOLS
from mlrepo.workloads.registered import (
    DatasetPart,
    OnSamples,
    Prepared,
    Registered,
    RegisteredDataset,
    refuse_oblong,
)
from mlrepo.workloads.ways import DETECTION_WAYS

if TYPE_CHECKING:
    from mlrepo.workloads.detection.coco import CocoStore

ANNOTATIONS = "annotations"
# Where annotations and images usually are, below the directory of a data set.
_FILES = (
    "instances.json",
    "annotations/instances.json",
    "annotations/instances_val2017.json",
    "annotations/openimages-mlperf.json",
)
_FOLDERS = ("", "images", "val2017", "val2017_safe", "validation/data")
_SHOWN = 5
# The licences of the images that MLPerf uses of COCO's (yolo/create_safe_annotations.py).
SAFE_LICENCES = (
    "creativecommons.org/licenses/by/",
    "creativecommons.org/licenses/by-sa/",
    "creativecommons.org/licenses/by-nd",
    "flickr.com/commons/usage",
    "www.usa.gov",
)


@dataclass(frozen=True)
class CocoShaped(RegisteredDataset):
    """Images with COCO-shaped annotations.

    Attributes
    ----------
    licences:
        Parts of the addresses of the licences that an image may have; empty for any.
    """

    name: str
    about: str
    requirements: tuple[str, ...] = ("opencv-python-headless>=4.8", PYCOCOTOOLS)
    unit: str = "images"
    full_set: int | None = None
    parts: tuple[DatasetPart, ...] = (
        DatasetPart(
            ANNOTATIONS,
            f"COCO-shaped annotations (default: {_FILES[0]} or {_FILES[2]} in the directory)",
            optional=True,
        ),
    )
    ways: tuple[str, ...] = DETECTION_WAYS
    sizes: range = range(32, 4097)
    size: int = 640
    licences: tuple[str, ...] = ()

    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Read the annotations and find their images; nothing is copied.

        An image that is not here is left out, and the warning names it.
        """
        from mlrepo.workloads.detection.annotations import annotations_of, read_json
        from mlrepo.workloads.detection.coco import RegisteredImages

        if not path.is_dir():
            raise UserError(f"{path} is not a directory.", hint="Check --path.")
        file = self.find_parts(path, files).get(ANNOTATIONS) or self._annotations_in(path)
        raw = self._allowed(read_json(file), file)
        annotations = annotations_of(raw, str(file))
        folder, here = _where(path, annotations.files)
        if not here:
            raise UserError(
                f"None of the {annotations.total} images of {file} is below {path}: looked for "
                f"{annotations.files[0]} there and in {', '.join(filter(None, _FOLDERS))}.",
                hint="Give the directory that the images are in.",
            )
        absent = sorted(set(annotations.files) - {annotations.files[row] for row in here})
        images = RegisteredImages(folder.absolute(), annotations.only(here))
        self._store(home).add(images)
        return Registered(len(here), images.directory, warning=self._missing(len(here), absent))

    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Decode and resize every image once into one file; ``size`` is height and width."""
        from mlrepo.workloads.detection.coco import make_pixels, preparation_of

        store = self._store(home)
        images, preparation = store.require_images(), preparation_of(way, size)
        make = make_pixels(images, preparation)
        done = store.prepared(preparation, images).prepare(make, threads, progress)
        return Prepared(done, done.with_suffix(".u8"), f"for {way}, {size} by {size}", way, size)

    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare every image, and every pixel, with what was prepared."""
        from mlrepo.workloads.pixels import verify

        store = self._store(home)
        images = store.require_images()
        prepared = [store.prepared(note.stem, images) for note in store.notes()]
        return verify(self.name, prepared, threads, progress)

    def status(self, home: Path) -> Registered | None:
        """Return how many images are registered, and how they are prepared."""
        store = self._store(home)
        images = store.images()
        if images is None:
            return None
        notes = [note.stem for note in store.notes()]
        done = tuple(note for note in notes if not store.prepared(note, images).problem())
        total = images.annotations.total
        return Registered(total, images.directory, done, self._missing(total, ()))

    def find(self, home: Path, model: Model) -> Path:
        """Return the description file of the preparation that a model needs.

        Raises
        ------
        UserError
            It has to be registered or prepared first, or the model's input is not square.
        """
        refuse_oblong(model, self.name)
        return self._store(home).require_prepared(self._preparation(model))

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the commands that register and prepare what a model still needs."""
        store, preparation = self._store(home), self._preparation(model)
        images = store.images()
        needed = [] if images else [f"mlrepo dataset add {self.name} --path DIR"]
        if images is None or store.prepared(preparation, images).problem():
            way, _, size = preparation.rpartition("-")
            needed.append(f"mlrepo dataset prepare {self.name} --way {way} --size {size}")
        return tuple(needed)

    def sample_names(self, home: Path) -> Sequence[str]:
        """Return the names of the image files; raise :class:`UserError` if there are none."""
        return self._store(home).require_images().annotations.files

    def _preparation(self, model: Model) -> str:
        way = model.preprocessing or self.ways[0]
        return f"{way}-{model.size[0] if model.size else self.size}"

    def _store(self, home: Path) -> CocoStore:
        from mlrepo.workloads.detection.coco import CocoStore

        return CocoStore(home / "datasets" / self.name)

    def _annotations_in(self, path: Path) -> Path:
        for name in _FILES:
            if (path / name).is_file():
                return path / name
        raise UserError(
            f"There are no annotations below {path}: looked for {', '.join(_FILES)}.",
            hint=f"Say where they are: --file {ANNOTATIONS}=PATH",
        )

    def _allowed(self, raw: Any, file: Path) -> Any:
        """Return the annotations with the images of the licences that MLPerf allows."""
        if not self.licences:
            return raw
        try:
            allowed = {
                one["id"]
                for one in raw["licenses"]
                if any(part in str(one.get("url", "")).lower() for part in self.licences)
            }
            images = [one for one in raw["images"] if one.get("license") in allowed]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{file} does not say the licences of its images, by which {self.name} is chosen: "
                f"{error!r}.",
                hint="Give COCO's instances_val2017.json, or MLPerf's part of it.",
            ) from error
        return {**raw, "images": images}

    def _missing(self, here: int, absent: Sequence[str]) -> str:
        number = max(len(absent), (self.full_set or 0) - here)
        if not number:
            return ""
        names = f" ({', '.join(absent[:_SHOWN])}{', …' if len(absent) > _SHOWN else ''})"
        return (
            f"A partial set: {number} images are missing{names if absent else ''}. Runs on it are "
            "for trying things out; a submission needs all."
        )


def _where(path: Path, files: Sequence[str]) -> tuple[Path, list[int]]:
    """Return the folder with most of the images, and the indices of those that are there."""
    found = [
        (folder, [row for row, name in enumerate(files) if (folder / name).is_file()])
        for folder in (path / name for name in _FOLDERS)
        if folder.is_dir()
    ]
    return max(found, key=lambda one: len(one[1]))


COCO = CocoShaped("coco", "any images with COCO-shaped annotations")
COCO_SAFE = CocoShaped(
    "coco-safe",
    "MLPerf's part of COCO 2017 validation, by the licences of its images",
    full_set=1525,
    licences=SAFE_LICENCES,
)
OPEN_IMAGES = CocoShaped(
    "openimages",
    "MLPerf's part of OpenImages v6 validation",
    full_set=24781,
    ways=(DETECTION_WAYS[1], DETECTION_WAYS[0]),
    size=800,
)
