"""Images prepared with one preprocessing (a "way") in one file, how it is filled and checked.

``<way>.u8`` holds the images, [n, height, width, channels]; ``<way>.sha256`` two SHA-256 for each:
of the image file and of its pixels; ``<way>.json`` is written last and identifies the images and
labels. No file's claim that rows are done is trusted: a row is done if its pixels match their
digest. An interrupted preparation continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.registered import OnSamples

_CHUNK = 32
_SHOWN = 5
_SHA256 = 32
_ROW = np.dtype([("image", np.uint8, _SHA256), ("pixels", np.uint8, _SHA256)])

# Makes the pixels of a row, uint8 [height, width, channels], from the content of its image file.
MakePixels = Callable[[int, bytes], npt.NDArray[np.uint8]]


class UndecodableError(ValueError):
    """The bytes are not an image that can be decoded completely, or not the expected one."""


@dataclass(frozen=True)
class PreparedPixels:
    """The files of one preparation of a registered set.

    Attributes
    ----------
    note:
        ``<way>.json``; the other files are beside it.
    directory, files:
        The registered images, in the order of the rows; names are relative to the directory.
    image_shape:
        Height, width and channels of a prepared image.
    labels:
        uint8 [n, any]: what is known about each image and belongs to the fingerprint.
    way_out:
        The hint that says how to make the files complete again.
    writable:
        Whether rows can be written.
    """

    note: Path
    directory: Path
    files: Sequence[str]
    image_shape: tuple[int, int, int]
    labels: npt.NDArray[np.uint8]
    way_out: str
    writable: bool = False

    @property
    def pixels_path(self) -> Path:
        """The file with the pixels."""
        return self.note.with_suffix(".u8")

    @property
    def digests_path(self) -> Path:
        """The file with the digests of images and pixels."""
        return self.note.with_suffix(".sha256")

    @property
    def total(self) -> int:
        """The number of images."""
        return len(self.files)

    @property
    def pixel_bytes(self) -> int:
        """The size of the file with the pixels."""
        return self.total * int(np.prod(self.image_shape))

    @cached_property
    def pixels(self) -> np.memmap[Any, np.dtype[np.uint8]]:
        """The images, uint8 [total, height, width, channels]."""
        return self._map(self.pixels_path, np.uint8, (self.total, *self.image_shape))

    @cached_property
    def digests(self) -> np.memmap[Any, Any]:
        """The digests of each row, [total], fields ``image`` and ``pixels``."""
        return self._map(self.digests_path, _ROW, (self.total,))

    def make(self) -> None:
        """Create both files unless both exist; one without the other is useless.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        paths = (self.pixels_path, self.digests_path)
        if all(_size(path) == self._size_of(path) for path in paths):
            return
        for path in (self.note, *paths):
            path.unlink(missing_ok=True)
        for path in paths:
            with path.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, self._size_of(path))

    def write(self, row: int, data: bytes, pixels: npt.NDArray[np.uint8]) -> None:
        """Store the pixels made from the image file ``data``."""
        self.pixels[row] = pixels
        self.digests[row] = (_sha256(data), _sha256(self.pixels[row].data))

    def has(self, row: int) -> bool:
        """Return whether the row holds the pixels that were prepared."""
        known = bytes(self.digests["pixels"][row])
        # Do not spend a tenth of a millisecond on hashing a row that was never written.
        return any(known) and known == hashlib.sha256(self.pixels[row].data).digest()

    def is_of(self, row: int, data: bytes) -> bool:
        """Return whether the row was made from the image file ``data``."""
        return bytes(self.digests["image"][row]) == hashlib.sha256(data).digest()

    def finish(self) -> None:
        """Write the file that marks every row as done."""
        self.pixels.flush()
        self.digests.flush()
        values = {"way": self.note.stem, **self._identity()}
        write_whole(self.note, json.dumps(values).encode())

    @property
    def fingerprint(self) -> str:
        """The SHA-256 over each image file's own SHA-256 and label, in order."""
        return sha256_bytes(np.hstack([self.digests["image"], self.labels]).tobytes())

    def problem(self) -> str:
        """Return why this is not a complete preparation of the images; empty if it is one.

        The content of the rows is not checked: see :meth:`has`.
        """
        try:
            about = json.loads(self.note.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return f"{self.note} is missing"
        except (OSError, ValueError, RecursionError) as error:
            return f"{self.note} is damaged: {error}"
        for path in (self.pixels_path, self.digests_path):
            size, wanted = _size(path), self._size_of(path)
            if size is None:
                return f"{path} is missing"
            if size != wanted:
                return f"{path} has {size} bytes instead of {wanted}"
        if about != {"way": self.note.stem, **self._identity()}:
            return f"{self.note} describes other images or pixels than those in the files beside it"
        return ""

    def require(self) -> None:
        """Raise :class:`UserError` unless this is a complete preparation."""
        if problem := self.problem():
            raise UserError(f"{problem}.", hint=self.way_out)

    def read(self, row: int) -> npt.NDArray[np.uint8]:
        """Return the pixels of a row.

        Raises
        ------
        UserError
            They are no longer those that were prepared.
        """
        if not self.has(row):
            raise UserError(
                f"{self.pixels_path} is damaged: image {row} ({self.files[row]}) is not the one "
                "that was prepared.",
                hint=self.way_out,
            )
        pixels: npt.NDArray[np.uint8] = self.pixels[row]
        return pixels

    def prepare(self, make: MakePixels, workers: int, on_progress: OnSamples) -> Path:
        """Prepare the missing images in ``workers`` threads; return the description file.

        Raises
        ------
        UserError
            Images are missing or cannot be used (the message names them), or the disk is full.
            Finished images are kept.
        """
        # The description contradicts the files beside it, which may be another preparation's.
        doubted = self.note.exists() and bool(self.problem())
        target = replace(self, writable=True)
        try:
            target.make()
        except OSError as error:
            raise UserError(
                f"{self.pixels_path} cannot be made: {error.strerror}.",
                hint=f"It takes {self.pixel_bytes / 1e9:.1f} GB; make room.",
            ) from error

        def work(rows: npt.NDArray[np.int64]) -> list[str]:
            wrong = []
            for row in map(int, rows):
                file = self.directory / self.files[row]
                if target.has(row) and target.is_still_of(row, file, doubted=doubted):
                    continue
                self.note.unlink(missing_ok=True)
                try:
                    data = file.read_bytes()
                    target.write(row, data, make(row, data))
                except (OSError, UndecodableError) as error:
                    wrong.append(f"{self.files[row]} ({error})")
            return wrong

        bad = _all_rows(work, self.total, workers, on_progress)
        if bad:
            raise UserError(
                f"{len(bad)} of {self.total} images cannot be used: {some(bad)}.",
                hint="Replace them with intact ones and run the same command: the others are done.",
            )
        target.finish()
        return self.note

    def is_still_of(self, row: int, file: Path, *, doubted: bool) -> bool:
        """Return whether a finished row is of the image; if it is gone, unless ``doubted``."""
        try:
            return self.is_of(row, file.read_bytes())
        except OSError:
            return not doubted

    def _map(self, path: Path, kind: Any, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
        return np.memmap(path, kind, "r+" if self.writable else "r", shape=shape)

    def _identity(self) -> Mapping[str, object]:
        return {
            "samples": self.total,
            "fingerprint": self.fingerprint,
            "pixels": sha256_bytes(self.digests["pixels"].tobytes()),
        }

    def _size_of(self, path: Path) -> int:
        return self.total * _ROW.itemsize if path == self.digests_path else self.pixel_bytes


def verify(
    name: str, preparations: Sequence[PreparedPixels], workers: int, on_progress: OnSamples
) -> str:
    """Compare every image, and every pixel, of a data set with what was prepared.

    Returns
    -------
    The fingerprint of the images.

    Raises
    ------
    UserError
        Nothing is prepared.
    InvalidResult
        Images or pixels have changed or disappeared since; the message names them.
    """
    if not preparations:
        raise UserError(
            f"Nothing of {name} is prepared yet.", hint=f"`mlrepo dataset prepare {name}`."
        )
    for one in preparations:
        if problem := one.problem():
            raise InvalidResult(f"{problem}.", hint=one.way_out)
    first = preparations[0]

    def work(rows: npt.NDArray[np.int64]) -> list[str]:
        found = []
        for row in map(int, rows):
            file = first.files[row]
            ways = [one.pixels_path.name for one in preparations if not one.has(row)]
            found += [f"{file} (its pixels in {way})" for way in ways]
            try:
                data = (first.directory / file).read_bytes()
            except OSError as error:
                found.append(f"{file} ({error.strerror})")
                continue
            if not all(one.is_of(row, data) for one in preparations):
                found.append(f"{file} (changed)")
        return found

    wrong = _all_rows(work, first.total, workers, on_progress)
    if wrong:
        raise InvalidResult(
            f"{len(wrong)} of {first.total} images are not those that were prepared: "
            f"{some(wrong)}.",
            hint=f"Damaged pixels are remade by `mlrepo dataset prepare {name}`; restore "
            f"changed images, or `mlrepo dataset add {name} --path DIR` and `prepare` again.",
        )
    return first.fingerprint


def decoded(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image file as OpenCV decodes them, uint8 BGR [height, width, 3].

    Raises
    ------
    UndecodableError
        It cannot be decoded completely.
    """
    cv2 = opencv()
    encoded = np.frombuffer(data, np.uint8)
    image: npt.NDArray[np.uint8] | None = (
        cv2.imdecode(encoded, cv2.IMREAD_COLOR) if len(encoded) else None
    )
    # OpenCV silently fills what is missing of a JPEG with grey.
    cut_off = data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]
    if image is None or cut_off:
        raise UndecodableError("it cannot be decoded completely")
    return image


def opencv() -> Any:
    """Return the module cv2; raise :class:`UserError` if it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise not_installed("opencv-python-headless", error) from error
    return cv2


def not_installed(package: str, error: ImportError) -> UserError:
    """Return that preparing images needs a package."""
    return UserError(
        f"Preparing images needs the package {package}: {error}.",
        hint="`mlrepo bench prereq --dataset NAME` installs what a data set needs.",
    )


def some(names: Sequence[str]) -> str:
    """Return the first of many names for a message."""
    return "; ".join(names[:_SHOWN]) + ("; …" if len(names) > _SHOWN else "")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


def _all_rows(
    work: Callable[[npt.NDArray[np.int64]], list[str]],
    total: int,
    workers: int,
    on_progress: OnSamples,
) -> list[str]:
    """Return what ``work`` says of all rows; threads, as decoding and hashing release the lock."""
    said: list[str] = []
    done = 0
    on_progress(done, total)
    for number, found in _in_parallel(work, np.arange(total), workers):
        done += number
        said += found
        on_progress(done, total)
    return said


def _in_parallel(
    work: Callable[[npt.NDArray[np.int64]], list[str]], rows: npt.NDArray[np.int64], workers: int
) -> Iterator[tuple[int, list[str]]]:
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(work, chunk): len(chunk) for chunk in chunks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _sha256(data: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
