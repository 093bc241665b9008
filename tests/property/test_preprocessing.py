"""Resizing only the cropped part gives the same pixels as resizing the whole image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlrepo.workloads.imagenet.preprocess import SIZE, preprocessing

_SIDES = st.integers(1, 900) | st.sampled_from([224, 225, 255, 256, 257, 341, 375, 500, 512, 768])


@pytest.mark.parametrize(
    ("way", "interpolation"), [("vgg", cv2.INTER_AREA), ("mobilenet", cv2.INTER_LINEAR)]
)
@given(width=_SIDES, height=_SIDES, seed=st.integers(0, 2**32 - 1))
@example(width=512, height=512, seed=0)
@example(width=500, height=375, seed=0)
@example(width=256, height=256, seed=0)
@example(width=40, height=900, seed=0)
@settings(max_examples=300, deadline=None)
def test_a_crop_is_that_of_the_whole_image(
    way: str, interpolation: int, width: int, height: int, seed: int
) -> None:
    """As the reference resizes: the short side to 256, the other rounded down, then the middle."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    size = (256, 256 * height // width) if height > width else (256 * width // height, 256)
    whole = cv2.cvtColor(cv2.resize(image, size, interpolation=interpolation), cv2.COLOR_BGR2RGB)
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    encoded = cv2.imencode(".bmp", image)[1].tobytes()
    np.testing.assert_array_equal(
        preprocessing(way).crop(encoded), whole[top : top + SIZE, left : left + SIZE]
    )
