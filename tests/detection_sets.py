"""COCO-shaped data sets for tests: a few small images, and boxes in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES = ((64, 48), (48, 64), (40, 40))
CATEGORIES = (3, 7, 90)


def pixels(row: int) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image, uint8 BGR [height, width, 3]."""
    width, height = SIZES[row % len(SIZES)]
    rng = np.random.default_rng(row)
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def write_set(directory: Path, count: int = 3) -> dict[str, Any]:
    """Write images and ``instances.json``; return its content."""
    import cv2

    (directory / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row in range(count):
        width, height = SIZES[row % len(SIZES)]
        name = f"image-{row}.png"
        cv2.imwrite(str(directory / "images" / name), pixels(row))
        images.append(
            {"id": 100 + row, "file_name": name, "width": width, "height": height, "license": row}
        )
        for number, category in enumerate(CATEGORIES[: 1 + row % 3]):
            box = [4.0 + number, 6.0, 20.0, 12.0 + row % 3]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 100 + row,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    content = {
        "licenses": [
            {"id": 0, "url": "http://creativecommons.org/licenses/by/2.0/"},
            {"id": 1, "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"},
            {"id": 2, "url": "http://flickr.com/commons/usage/"},
        ],
        "images": images,
        "categories": [{"id": number, "name": f"thing {number}"} for number in CATEGORIES],
        "annotations": annotations,
    }
    (directory / "instances.json").write_text(json.dumps(content))
    return content
