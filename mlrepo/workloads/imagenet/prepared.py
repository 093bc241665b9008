"""ImageNet prepared for runs: one memory-mapped file of cropped uint8 images for each way.

Layout of ``<home>/datasets/imagenet2012``: ``images.json`` (directory, files, labels); for each
way ``<way>.u8`` (the images, [n, 224, 224, 3]), ``<way>.sha256`` (the SHA-256 of each image file,
32 bytes each; zeros where the image is still to be done), and ``<way>.json`` once all are done.
An interrupted preparation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.imagenet.images import FULL_SET, LabelledImages
from mlrepo.workloads.imagenet.preprocess import SIZE, UndecodableError, preprocessing

NAME = "imagenet2012"
_IMAGES = "images.json"
_CHUNK = 32
_SHOWN = 5
_IMAGE_SHAPE = (SIZE, SIZE, 3)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageNetStore:
    """The registered set below ``<home>/datasets``."""

    home: Path

    @property
    def directory(self) -> Path:
        """Where everything of the set is kept; the images themselves stay where they are."""
        return self.home / "datasets" / NAME

    def add(self, images: LabelledImages) -> None:
        """Register images; what was prepared of another set is removed."""
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
                "ImageNet's licence does not let anyone hand them on.",
            )
        return images

    def prepared(self, way: str) -> Path | None:
        """Return the description of a finished preparation, None if it is not finished."""
        path = self.directory / f"{way}.json"
        return path if path.is_file() else None

    def require_prepared(self, way: str) -> Path:
        """Return :meth:`prepared`; raise :class:`UserError` if there is none."""
        self.require_images()
        path = self.prepared(way)
        if path is None:
            raise UserError(
                f"The data set {NAME} is not prepared in the way {way!r} that the model needs.",
                hint=f"`mlrepo dataset prepare {NAME} --way {way}` does it, in about a minute for "
                "the full set.",
            )
        return path

    def prepare(self, way: str, workers: int, on_progress: OnProgress) -> Path:
        """Prepare what is not yet prepared, with ``workers`` threads; return the description.

        Raises
        ------
        UserError
            Images are missing or cannot be decoded (they are named), or the disk is full. What
            was done is kept.
        """
        images = self.require_images()
        total = len(images.files)
        pixels_path, digests_path = (self.directory / f"{way}{end}" for end in (".u8", ".sha256"))
        try:
            pixels = _map(pixels_path, (total, *_IMAGE_SHAPE))
            digests = _map(digests_path, (total, 32))
        except OSError as error:
            raise UserError(
                f"{pixels_path} cannot be made: {error.strerror}.",
                hint=f"It takes {total * SIZE * SIZE * 3 / 1e9:.1f} GB; make room.",
            ) from error
        todo = np.flatnonzero(~digests.any(axis=1))
        crop = preprocessing(way).crop
        bad: list[str] = []

        def work(rows: npt.NDArray[np.int64]) -> list[str]:
            wrong = []
            for row in rows:
                file = images.files[row]
                try:
                    data = (images.directory / file).read_bytes()
                    pixels[row] = crop(data)
                except (OSError, UndecodableError) as error:
                    wrong.append(f"{file} ({error})")
                    continue
                # Last: a row with a digest is a row that is done.
                digests[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
            return wrong

        done = total - len(todo)
        on_progress(done, total)
        for number, wrong in _in_parallel(work, todo, workers):
            done += number
            bad += wrong
            on_progress(done, total)
        pixels.flush()
        digests.flush()
        if bad:
            raise UserError(
                f"{len(bad)} of {total} images cannot be used: {'; '.join(bad[:_SHOWN])}"
                f"{'; …' if len(bad) > _SHOWN else ''}.",
                hint="Replace them by intact ones and run the same command: the others are done.",
            )
        target = self.directory / f"{way}.json"
        values = {"way": way, "samples": total, "fingerprint": _fingerprint(images, digests)}
        _write(target, json.dumps(values).encode())
        return target

    def verify(self, workers: int, on_progress: OnProgress) -> str:
        """Compare every image with what was prepared; return the fingerprint.

        Raises
        ------
        UserError
            Nothing is prepared.
        InvalidResult
            Images changed or are gone since; they are named.
        """
        images = self.require_images()
        finished = sorted(self.directory.glob("*.sha256"))
        ways = [path.stem for path in finished if self.prepared(path.stem)]
        if not ways:
            raise UserError(
                f"Nothing of {NAME} is prepared yet.", hint=f"`mlrepo dataset prepare {NAME}`."
            )
        shape = (len(images.files), 32)
        digests = [_map(self.directory / f"{way}.sha256", shape) for way in ways]
        wrong: list[str] = []

        def work(rows: npt.NDArray[np.int64]) -> list[str]:
            found = []
            for row in rows:
                try:
                    data = (images.directory / images.files[row]).read_bytes()
                except OSError as error:
                    found.append(f"{images.files[row]} ({error.strerror})")
                    continue
                if any(bytes(d[row]) != hashlib.sha256(data).digest() for d in digests):
                    found.append(f"{images.files[row]} (changed)")
            return found

        done = 0
        for number, found in _in_parallel(work, np.arange(len(images.files)), workers):
            done += number
            wrong += found
            on_progress(done, len(images.files))
        if wrong:
            raise InvalidResult(
                f"{len(wrong)} of {len(images.files)} images are not those that were prepared: "
                f"{'; '.join(wrong[:_SHOWN])}{'; …' if len(wrong) > _SHOWN else ''}.",
                hint=f"Restore them, or `mlrepo dataset add {NAME}` and `prepare` again.",
            )
        return _fingerprint(images, digests[0])


@dataclass(frozen=True)
class PreparedImages:
    """The prepared images as LoadGen's data set: float32 [3, 224, 224] made when loaded.

    Attributes
    ----------
    description:
        ``<way>.json``; the other files lie beside it.
    """

    description: Path

    @cached_property
    def _about(self) -> Mapping[str, Any]:
        about: Mapping[str, Any] = json.loads(self.description.read_text(encoding="utf-8"))
        return about

    @cached_property
    def _images(self) -> LabelledImages:
        return ImageNetStore(self.description.parents[2]).require_images()

    @cached_property
    def _pixels(self) -> npt.NDArray[np.uint8]:
        path = self.description.with_suffix(".u8")
        try:
            return np.memmap(path, np.uint8, "r", shape=(self.total, *_IMAGE_SHAPE))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} is missing or damaged: {error}.",
                hint=f"`mlrepo dataset prepare {NAME}` makes it again.",
            ) from error

    @property
    def total(self) -> int:
        """The number of images that are registered."""
        return int(self._about["samples"])

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Three channels of 224 by 224."""
        return (3, SIZE, SIZE)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each image, shape [total]."""
        return np.asarray(self._images.labels, np.int64)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the inputs, float32 [n, 3, 224, 224]."""
        scale = preprocessing(self._about["way"]).scale
        out = np.empty((len(indices), *self.sample_shape), np.float32)
        for row, index in enumerate(indices):
            scale(self._pixels[index], out[row])
        return out

    def describe(self) -> Mapping[str, Any]:
        """Return name, sample count, completeness and fingerprint."""
        return {
            "name": "ImageNet 2012 validation",
            "samples": self.total,
            "complete": self.total == FULL_SET,
            "preprocessing": self._about["way"],
            "fingerprint": self._about["fingerprint"],
        }


def _fingerprint(images: LabelledImages, digests: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 over each image's own SHA-256 and label, in order."""
    labels = np.asarray(images.labels, "<i4").reshape(-1, 1).view(np.uint8)
    return sha256_bytes(np.hstack([np.asarray(digests), labels]).tobytes())


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Map a file for writing; one of another size is made anew, with its blocks reserved."""
    size = int(np.prod(shape))
    if not path.is_file() or path.stat().st_size != size:
        path.unlink(missing_ok=True)
        with path.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def _in_parallel(
    work: Callable[[npt.NDArray[np.int64]], list[str]], rows: npt.NDArray[np.int64], workers: int
) -> Iterator[tuple[int, list[str]]]:
    """Run ``work`` on chunks in threads (decoding and hashing leave the interpreter's lock)."""
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(work, chunk): len(chunk) for chunk in chunks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
