"""The form in which a model takes images: the position of the channels, and the size.

Data sets provide images with the channels first (NCHW). A model with the channels last, as in
TensorFlow, gets the same numbers in another order; one with another size gets other images, which
only the data set can make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mlrepo.errors import UserError
from mlrepo.workloads import Dataset
from mlrepo.workloads.tensors import tensors_of
from mlrepo.workloads.weights.graph import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NCHW, NHWC = "NCHW", "NHWC"
LAYOUTS = (NCHW, NHWC)
# Possible numbers of channels, which distinguish their dimension from height and width.
_CHANNELS = (1, 3, 4)


@runtime_checkable
class Resizable(Protocol):
    """A data set that can provide its images in any size."""

    def resized(self, size: tuple[int, int]) -> Dataset:
        """Return the images with another height and width."""


@dataclass(frozen=True)
class ChannelsLast:
    """A data set of images [c, h, w] as one of [h, w, c]."""

    images: Dataset

    @property
    def total(self) -> int:
        """The number of samples."""
        return self.images.total

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Height, width, channels."""
        channels, *size = _shape(self.images)
        return (*size, channels)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The expected class of each sample, if the images have classes."""
        labels: npt.NDArray[np.int64] = self.images.labels  # type: ignore[attr-defined]
        return labels

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the samples, contiguous, float32 [n, h, w, c]."""
        import numpy as np

        return np.ascontiguousarray(self.images.load(indices).transpose(0, 2, 3, 1))

    def describe(self) -> Mapping[str, object]:
        """Return the description of the images, and the layout."""
        return {**self.images.describe(), "layout": NHWC}


def _shape(dataset: Dataset) -> tuple[int, ...]:
    """Return the shape of samples that are one tensor; () for others."""
    tensors = tensors_of(dataset)
    return tensors[0].shape if len(tensors) == 1 else ()


def images_of(dataset: Any) -> Any:
    """Return the data set of images that one in another layout is made from."""
    return dataset.images if isinstance(dataset, ChannelsLast) else dataset


def in_form(dataset: Dataset, layout: str, size: Sequence[int]) -> Dataset:
    """Return a data set's samples in the form that a model takes; '' and () mean its own form.

    Raises
    ------
    UserError
        Its samples are not images, or it cannot provide them in that size.
    """
    if not layout and not size:
        return dataset
    shape = _shape(dataset)
    if len(shape) != 3:
        if layout == NHWC:
            raise UserError(
                f"The layout {layout} is for images, but the samples have {len(shape)} dimensions.",
                hint="Leave out --layout.",
            )
        return dataset
    if size and tuple(size) != shape[1:]:
        if not isinstance(dataset, Resizable):
            raise UserError(
                f"The model takes images of {size[0]} by {size[1]}, and the data set has "
                f"{shape[1]} by {shape[2]}.",
                hint="Export the model for the data set's size.",
            )
        dataset = dataset.resized((size[0], size[1]))
    return ChannelsLast(dataset) if layout == NHWC else dataset


def form_of(given: Tensor, layout: str = "") -> tuple[str, tuple[int, ...]]:
    """Return layout and size of the images that a model's input takes.

    The layout is the requested one, else NHWC if only the last dimension can be the channels: there
    are 1, 3 or 4 of them. The size is () if the model leaves it open.
    """
    if len(given.shape) != 4:
        return layout, ()
    _, first, _, last = given.shape
    if not layout:
        layout = NHWC if last in _CHANNELS and first not in (*_CHANNELS, None) else ""
        if last in _CHANNELS and first is None:
            # [n, ?, ?, 3]: sizes are open, the channels are not.
            layout = NHWC
    sizes = given.shape[1:3] if layout == NHWC else given.shape[2:4]
    known = tuple(size for size in sizes if size is not None)
    return layout, known if len(known) == 2 else ()
