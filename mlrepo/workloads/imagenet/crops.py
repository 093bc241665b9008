"""The files of a data set prepared with one preprocessing (a "way"), and the check of them.

``<way>.u8`` holds the images, [n, 224, 224, 3]; ``<way>.sha256`` two SHA-256 for each: of the image
file and of its pixels; ``<way>.json`` is written last and identifies the images and labels. Images
of another size are ``<way>-<size>`` (:func:`~mlrepo.workloads.imagenet.preprocess.prepared_name`).
No file's claim that rows are done is trusted: a row is done if its pixels match their digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.images import LabelledImages
from mlrepo.workloads.imagenet.preprocess import SIZE, way_and_size

_SHA256 = 32
_ROW = np.dtype([("image", np.uint8, _SHA256), ("pixels", np.uint8, _SHA256)])


@dataclass(frozen=True)
class Crops:
    """The files of one preparation of a registered set.

    Attributes
    ----------
    note:
        ``<way>.json``; the other files are beside it.
    images:
        The registered images, in the order of the rows.
    writable:
        Whether rows can be written.
    """

    note: Path
    images: LabelledImages
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
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, size = way_and_size(self.note.stem)
        return (size, size, 3)

    @property
    def total(self) -> int:
        """The number of images."""
        return len(self.images.files)

    @property
    def pixel_bytes(self) -> int:
        """The size of the file with the pixels."""
        return self.total * int(np.prod(self.image_shape))

    @cached_property
    def pixels(self) -> np.memmap[Any, np.dtype[np.uint8]]:
        """The images, uint8 [total, size, size, 3]."""
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
        part = self.note.with_name(f"{self.note.name}.{os.getpid()}")
        part.write_text(json.dumps({"way": self.note.stem, **self._identity()}), encoding="utf-8")
        part.replace(self.note)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 over each image file's own SHA-256 and label, in order."""
        labels = np.asarray(self.images.labels, "<i4").reshape(-1, 1).view(np.uint8)
        return sha256_bytes(np.hstack([self.digests["image"], labels]).tobytes())

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

    @property
    def way_out(self) -> str:
        """The hint that says how to make the files complete again."""
        way, size = way_and_size(self.note.stem)
        other = "" if size == SIZE else f" --size {size}"
        return (
            f"`mlrepo dataset prepare {self.note.parent.name} --way {way}{other}` makes what is "
            "missing."
        )

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


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _sha256(data: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
