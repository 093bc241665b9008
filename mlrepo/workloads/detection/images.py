"""Turn an image file into pixels as a detector takes them, as MLPerf's references do.

``letterbox`` keeps the proportions and fills the rest with grey, as for YOLO; ``stretch`` does not,
as for RetinaNet (vision/classification_and_detection). Resizing is bilinear. The reference for
RetinaNet resizes in float32; here pixels are rounded to 8 bits, so that they differ from its by at
most half a step of 255.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mlrepo.workloads.detection.placement import (
    LETTERBOX,
    STRETCH,
    ImagePlacement,
    bars,
    letterboxed,
    stretched,
)
from mlrepo.workloads.pixels import UndecodableError, decoded, opencv

Pixels = npt.NDArray[np.uint8]
GREY = 114


def made(way: str, size: int, data: bytes, expected: tuple[float, float]) -> Pixels:
    """Return the pixels of an image file, uint8 RGB [size, size, 3].

    Parameters
    ----------
    expected:
        Width and height that the annotations give.

    Raises
    ------
    UndecodableError
        It cannot be decoded completely, or has another size than the annotations say.
    """
    image = decoded(data)
    height, width = image.shape[:2]
    if (width, height) != expected:
        raise UndecodableError(
            f"it is {width} by {height}, and {expected[0]:g} by {expected[1]:g} in the annotations"
        )
    cv2 = opencv()
    if way == STRETCH:
        resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    else:
        ratio = min(size / height, size / width)
        new = (round(width * ratio), round(height * ratio))
        resized = np.full((size, size, 3), GREY, np.uint8)
        left, top = bars(new, (size, size))
        resized[top : top + new[1], left : left + new[0]] = (
            image
            if new == (width, height)
            else cv2.resize(image, new, interpolation=cv2.INTER_LINEAR)
        )
    found: Pixels = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    return found


PLACEMENTS: dict[str, Callable[[npt.NDArray[np.float64], tuple[int, int]], ImagePlacement]] = {
    LETTERBOX: letterboxed,
    STRETCH: stretched,
}
