"""Canvases with several handwritten digits, whose boxes are known exactly.

The evaluation set of ``digits-detection`` was made by this, from images that the model never saw;
the training makes its own from the other images. NumPy is imported inside the functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    U8 = npt.NDArray[np.uint8]
    F32 = npt.NDArray[np.float32]

SIDE = 64
"""Height and width of a canvas in pixels."""

WHITE = 16
"""The largest pixel value, as in the images of the digits."""

MOST = 6
"""The largest number of digits on a canvas; the smallest is 1."""

SMALLEST, LARGEST = 14, 28
"""The range of the height of a digit's image on a canvas, in pixels."""

_INK = 3
# A place for a digit is looked for so often; then the canvas has one less.
_TRIES = 30


@dataclass(frozen=True)
class Canvases:
    """Images and what is on them.

    Attributes
    ----------
    images:
        uint8 [n, 64, 64], 0..16.
    boxes:
        float32 [k, 4]: the smallest rectangles (xmin, ymin, xmax, ymax) in pixels around the ink.
    digits:
        uint8 [k], the digit in each box.
    image_of:
        int32 [k], the index of its image, ascending.
    """

    images: U8
    boxes: F32
    digits: U8
    image_of: npt.NDArray[np.int32]


def draw(glyphs: U8, digits: U8, count: int, seed: int) -> Canvases:
    """Return ``count`` canvases with digits from ``glyphs``, uint8 [n, 8, 8].

    Boxes on a canvas do not overlap. The same seed gives the same canvases with every release of
    NumPy, whose stream of ``RandomState`` is frozen; a grey level of few pixels depends on how the
    processor rounds.
    """
    import numpy as np

    random = np.random.RandomState(seed)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    chosen: list[int] = []
    owners: list[int] = []
    for row, image in enumerate(images):
        placed: list[tuple[int, int, int, int]] = []
        for _ in range(random.randint(1, MOST + 1)):
            which = random.randint(len(glyphs))
            height = random.randint(SMALLEST, LARGEST + 1)
            width = max(SMALLEST, round(height * (0.75 + 0.5 * random.random_sample())))
            glyph, (left, top, right, bottom) = _enlarged(glyphs[which], height, width)
            for _ in range(_TRIES):
                x, y = random.randint(SIDE - right + 1), random.randint(SIDE - bottom + 1)
                box = (x + left, y + top, x + right, y + bottom)
                if not any(_overlap(box, other) for other in placed):
                    # Paint the ink alone: the paper around it may cover another digit's box.
                    region = image[box[1] : box[3], box[0] : box[2]]
                    np.maximum(region, glyph[top:bottom, left:right], out=region)
                    placed.append(box)
                    chosen.append(which)
                    owners.append(row)
                    break
        boxes += placed
    return Canvases(
        images,
        np.asarray(boxes, np.float32),
        digits[np.asarray(chosen)],
        np.asarray(owners, np.int32),
    )


def _enlarged(glyph: U8, height: int, width: int) -> tuple[U8, tuple[int, int, int, int]]:
    """Return a digit enlarged bilinearly to [height, width], and the box around its ink."""
    import numpy as np

    rows, columns = _weights(len(glyph), height), _weights(glyph.shape[1], width)
    large = np.rint(rows @ glyph.astype(np.float64) @ columns.T).astype(np.uint8)
    large[large < _INK] = 0
    inked_rows, inked_columns = map(np.unique, large.nonzero())
    box = (inked_columns[0], inked_rows[0], inked_columns[-1] + 1, inked_rows[-1] + 1)
    return large, (int(box[0]), int(box[1]), int(box[2]), int(box[3]))


def _weights(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return the matrix [new, old] of a bilinear resize; pixels are areas, not points."""
    import numpy as np

    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.minimum(at.astype(int), old - 2)
    weights = np.zeros((new, old))
    weights[np.arange(new), below] = 1 - (at - below)
    weights[np.arange(new), below + 1] = at - below
    return weights


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
