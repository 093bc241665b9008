"""ImageNet prepared for runs: a memory-mapped file of cropped uint8 images per preprocessing.

``<home>/datasets/imagenet2012`` holds ``images.json`` (directory, files, labels) and, for each
preprocessing, the files of :class:`Crops`. An interrupted preparation continues where it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.imagenet.crops import Crops
from mlrepo.workloads.imagenet.images import LabelledImages
from mlrepo.workloads.imagenet.labels import FULL_SET
from mlrepo.workloads.imagenet.preprocess import (
    UndecodableError,
    preprocessing,
    short_side,
    way_and_size,
)

NAME = "imagenet2012"
_IMAGES = "images.json"
_CHUNK = 32
_SHOWN = 5
OnProgress = Callable[[int, int], None]


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
        _write(target, data)

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
                f"{path} is damaged: {error!r}.", hint=f"`mlrepo dataset add {NAME}` writes it."
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
        crops = self._crops(way, images)
        return None if crops.problem() else crops.note

    def require_prepared(self, way: str) -> Path:
        """Return :meth:`prepared`; raise :class:`UserError` if there is none."""
        crops = self._crops(way, self.require_images())
        if problem := crops.problem():
            raise UserError(
                f"The data set {NAME} is not prepared as the model needs it, in the way {way!r}: "
                f"{problem}.",
                hint=f"{crops.way_out} It takes about a minute for the full set.",
            )
        return crops.note

    def _crops(self, way: str, images: LabelledImages) -> Crops:
        return Crops(self.directory / f"{way}.json", images)

    def prepare(self, way: str, workers: int, on_progress: OnProgress) -> Path:
        """Prepare the missing images in ``workers`` threads; return the description file.

        ``way`` is the name of a preparation: a preprocessing, with the size if that is not 224.

        Raises
        ------
        UserError
            Images are missing or cannot be decoded (the message names them), or the disk is full.
            Finished images are kept.
        """
        images = self.require_images()
        crops = self._crops(way, images)
        # The description contradicts the files beside it, which may be another preparation's.
        doubted = crops.note.exists() and bool(crops.problem())
        crops = replace(crops, writable=True)
        try:
            crops.make()
        except OSError as error:
            raise UserError(
                f"{crops.pixels_path} cannot be made: {error.strerror}.",
                hint=f"It takes {crops.pixel_bytes / 1e9:.1f} GB; make room.",
            ) from error
        name, size = way_and_size(way)
        crop = preprocessing(name).crop
        bad: list[str] = []

        def work(rows: npt.NDArray[np.int64]) -> list[str]:
            wrong = []
            for row in rows:
                file = images.files[row]
                if crops.has(row) and _is_still_of(crops, row, images.directory / file, doubted):
                    continue
                crops.note.unlink(missing_ok=True)
                try:
                    data = (images.directory / file).read_bytes()
                    crops.write(row, data, crop(data, size))
                except (OSError, UndecodableError) as error:
                    wrong.append(f"{file} ({error})")
            return wrong

        done, total = 0, crops.total
        on_progress(done, total)
        for number, wrong in _in_parallel(work, np.arange(total), workers):
            done += number
            bad += wrong
            on_progress(done, total)
        if bad:
            raise UserError(
                f"{len(bad)} of {total} images cannot be used: {_some(bad)}.",
                hint="Replace them with intact ones and run the same command: the others are done.",
            )
        crops.finish()
        return crops.note

    def verify(self, workers: int, on_progress: OnProgress) -> str:
        """Compare every image, and every pixel, with what was prepared; return the fingerprint.

        Raises
        ------
        UserError
            Nothing is prepared.
        InvalidResult
            Images or pixels have changed or disappeared since; the message names them.
        """
        images = self.require_images()
        finished = [self._crops(path.stem, images) for path in self._notes()]
        if not finished:
            raise UserError(
                f"Nothing of {NAME} is prepared yet.", hint=f"`mlrepo dataset prepare {NAME}`."
            )
        for crops in finished:
            if problem := crops.problem():
                raise InvalidResult(f"{problem}.", hint=crops.way_out)
        wrong: list[str] = []

        def work(rows: npt.NDArray[np.int64]) -> list[str]:
            found = []
            for row in rows:
                file = images.files[row]
                ways = [crops.pixels_path.name for crops in finished if not crops.has(row)]
                found += [f"{file} (its pixels in {name})" for name in ways]
                try:
                    data = (images.directory / file).read_bytes()
                except OSError as error:
                    found.append(f"{file} ({error.strerror})")
                    continue
                if not all(crops.is_of(row, data) for crops in finished):
                    found.append(f"{file} (changed)")
            return found

        done = 0
        for number, found in _in_parallel(work, np.arange(len(images.files)), workers):
            done += number
            wrong += found
            on_progress(done, len(images.files))
        if wrong:
            raise InvalidResult(
                f"{len(wrong)} of {len(images.files)} images are not those that were prepared: "
                f"{_some(wrong)}.",
                hint=f"Damaged pixels are remade by `mlrepo dataset prepare {NAME}`; restore "
                f"changed images, or `mlrepo dataset add {NAME}` and `prepare` again.",
            )
        return finished[0].fingerprint

    def all_prepared(self) -> list[str]:
        """Return the names of all complete preparations."""
        return [path.stem for path in self._notes() if self.prepared(path.stem) is not None]

    def _notes(self) -> list[Path]:
        return [path for path in sorted(self.directory.glob("*.json")) if path.name != _IMAGES]


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
    def _crops(self) -> Crops:
        crops = Crops(self.description, ImageNetStore(self.description.parents[2]).require_images())
        crops.require()
        return crops

    @property
    def total(self) -> int:
        """The number of registered images."""
        return self._crops.total

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Three channels of the prepared size."""
        *size, channels = self._crops.image_shape
        return (channels, *size)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each image, shape [total]."""
        return np.asarray(self._crops.images.labels, np.int64)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the inputs, float32 [n, 3, size, size].

        Raises
        ------
        UserError
            The pixels are no longer those that were prepared.
        """
        crops = self._crops
        way, _ = way_and_size(self.description.stem)
        scale = preprocessing(way).scale
        out = np.empty((len(indices), *self.sample_shape), np.float32)
        for row, index in enumerate(indices):
            if not crops.has(index):
                raise UserError(
                    f"{crops.pixels_path} is damaged: image {index} "
                    f"({crops.images.files[index]}) is not the one that was prepared.",
                    hint=crops.way_out,
                )
            scale(crops.pixels[index], out[row])
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
            "fingerprint": self._crops.fingerprint,
        }


def _is_still_of(crops: Crops, row: int, file: Path, doubted: bool) -> bool:
    """Return whether a finished row is of the image; if the image is gone, unless ``doubted``."""
    try:
        return crops.is_of(row, file.read_bytes())
    except OSError:
        return not doubted


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:_SHOWN]) + ("; …" if len(names) > _SHOWN else "")


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def _in_parallel(
    work: Callable[[npt.NDArray[np.int64]], list[str]], rows: npt.NDArray[np.int64], workers: int
) -> Iterator[tuple[int, list[str]]]:
    """Run ``work`` on chunks in threads (decoding and hashing release the interpreter's lock)."""
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(work, chunk): len(chunk) for chunk in chunks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
