"""How images are placed in a model's input: stretched, or letterboxed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LETTERBOX, STRETCH = "letterbox", "stretch"


@dataclass(frozen=True)
class ImagePlacement:
    """Where each image is in the model's input.

    Attributes
    ----------
    size:
        Height and width of the input in pixels.
    offsets, extents:
        float32 [n, 2], in pixels of the input (x, y): where the image begins, and how large it is.
    """

    size: tuple[int, int]
    offsets: npt.NDArray[np.float32]
    extents: npt.NDArray[np.float32]

    def relative(
        self, boxes: npt.NDArray[np.float32], images: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float32]:
        """Return boxes relative to their images, clipped to them.

        Parameters
        ----------
        boxes:
            float32 [k, 4]: xmin, ymin, xmax, ymax in pixels of the input.
        images:
            int [k], the index of each box's image.

        Returns
        -------
        float32 [k, 4], 0 to 1.
        """
        offsets = np.tile(self.offsets[images], 2)
        extents = np.tile(self.extents[images], 2)
        found: npt.NDArray[np.float32] = ((boxes - offsets) / extents).clip(0, 1)
        return found


def stretched(sizes: npt.NDArray[np.float64], size: tuple[int, int]) -> ImagePlacement:
    """Return the placement of images [n, 2] (width, height) that fill the input."""
    extents = np.empty((len(sizes), 2), np.float32)
    extents[:] = size[1], size[0]
    return ImagePlacement(size, np.zeros_like(extents), extents)


def letterboxed(sizes: npt.NDArray[np.float64], size: tuple[int, int]) -> ImagePlacement:
    """Return the placement of images that keep their proportions, in the middle of the input.

    The offsets are whole pixels, as :func:`bars` has them; the extents are not rounded, as in
    MLPerf's reference for YOLO.
    """
    ratios = np.minimum(size[0] / sizes[:, 1], size[1] / sizes[:, 0])
    offsets = np.array(
        [
            bars((round(width * ratio), round(height * ratio)), size)
            for (width, height), ratio in zip(sizes.tolist(), ratios.tolist(), strict=True)
        ],
        np.float32,
    ).reshape(-1, 2)
    extents = (sizes * ratios[:, None]).astype(np.float32)
    return ImagePlacement(size, offsets, extents)


def bars(resized: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the widths of the bars at the left and at the top of a resized (width, height).

    If they cannot be equal, those at the right and at the bottom are one pixel wider.
    """
    return (size[1] - resized[0]) // 2, (size[0] - resized[1]) // 2
