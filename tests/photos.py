"""ImageNet-shaped folders of generated photographs: odd sizes, grey, CMYK, rotated by EXIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# Width, height, mode, EXIF orientation.
KINDS = (
    (500, 375, "RGB", 1),
    (333, 500, "RGB", 1),
    (97, 81, "RGB", 1),
    (501, 257, "L", 1),
    (300, 301, "CMYK", 1),
    (400, 250, "RGB", 6),
)


def write_photos(directory: Path, count: int) -> list[Path]:
    """Write ``count`` JPEG files named as in ImageNet, and the ``val_map.txt`` with their classes.

    The class of image ``i`` is ``7 * i``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    paths: list[Path] = []
    for number in range(count):
        width, height, mode, orientation = KINDS[number % len(KINDS)]
        coarse = rng.integers(0, 256, (height // 20 + 2, width // 20 + 2, 3), np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = directory / f"ILSVRC2012_val_{number + 1:08}.JPEG"
        image.convert(mode).save(path, "JPEG", quality=92, exif=exif)
        paths.append(path)
    lines = [f"{path.name} {7 * number}\n" for number, path in enumerate(paths)]
    (directory / "val_map.txt").write_text("".join(lines))
    return paths
