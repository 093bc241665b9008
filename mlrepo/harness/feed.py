"""Feed the samples of a data set to a model: check their shapes and cast them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array, Backend
from mlrepo.backends.inputs import FLOAT32, TensorSpec, only_input, reported_inputs, shape_text
from mlrepo.errors import UserError
from mlrepo.workloads import Dataset
from mlrepo.workloads.tensors import tensors_of


@dataclass(frozen=True)
class Feed:
    """The input of a model.

    Attributes
    ----------
    spec:
        The model's input.
    static_batch:
        The batch size that the model requires; None if it takes any.
    """

    spec: TensorSpec
    static_batch: int | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type in which samples are kept."""
        return np.dtype(self.spec.dtype)

    def cast(self, samples: Array) -> Array:
        """Return float32 samples in the model's input type.

        Raises
        ------
        UserError
            A value is out of the range of the type.
        """
        if self.dtype == samples.dtype:
            return samples
        with np.errstate(over="ignore"):
            cast = samples.astype(self.dtype)
        if not np.array_equal(np.isinf(cast), np.isinf(samples)):
            raise UserError(
                f"The model's input is {self.dtype}, but the samples hold "
                f"{np.abs(samples[np.isinf(cast)]).max():g}, which is beyond it.",
                hint="Export the model with a float32 input.",
            )
        return cast

    def describe(self) -> Mapping[str, object]:
        """Return the input and how samples are cast, for the record."""
        kept = self.dtype.itemsize >= np.dtype(FLOAT32).itemsize
        return {
            "name": self.spec.name,
            "type": self.spec.dtype,
            "shape": None if self.spec.shape is None else list(self.spec.shape),
            "cast": ""
            if self.spec.dtype == FLOAT32
            else f"float32 samples {'widened' if kept else 'rounded'} to {self.spec.dtype}",
        }


def filled(batch: Array, size: int | None) -> Array:
    """Return a batch padded with zeros to the size that the model requires; None for any size."""
    if size is None or len(batch) == size:
        return batch
    full = np.zeros((size, *batch.shape[1:]), batch.dtype)
    full[: len(batch)] = batch
    return full


def outputs_of(backend: Backend, batch: Array, static_batch: int | None) -> list[Array]:
    """Return copies of the model's outputs for a batch, without those for its padding."""
    whole = filled(batch, static_batch)
    found = [np.array(output) for output in backend.predict(whole)]
    return unfilled(found, len(batch), len(whole))


def unfilled(outputs: Sequence[Array], count: int, whole: int) -> list[Array]:
    """Return the outputs for a batch of ``whole`` samples without those for its padding."""
    return [o[:count] if o.ndim and len(o) == whole else o for o in outputs]


def plan_feed(backend: Backend, dataset: Dataset, model: Path) -> Feed:
    """Return how the data set's samples are fed to the loaded model.

    Raises
    ------
    UserError
        The model takes something else; the message names both sides.
    """
    spec = only_input(reported_inputs(backend), model)
    if spec.shape is None:
        return Feed(spec, None)
    (tensor,) = tensors_of(dataset)
    shape, wanted = spec.shape, tensor.shape
    if not _fits(shape[1:], wanted) or not shape:
        raise UserError(
            f"The model {model.name} takes input of shape {shape_text(shape)}, but the samples "
            f"have the shape {shape_text((None, *wanted))}.",
            hint=_hint(shape, wanted),
        )
    if shape[0] == 0:
        raise UserError(
            f"The model {model.name} is for batches of 0 samples.",
            hint="Export the model with a dynamic batch size.",
        )
    return Feed(spec, shape[0])


def _fits(shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        have is None or have == want for have, want in zip(shape, wanted, strict=True)
    )


def _hint(shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> str:
    if len(wanted) == 3 and _fits(shape[1:], (*wanted[1:], wanted[0])):
        return (
            "The model takes the channels last (NHWC), the samples have them first (NCHW): use "
            "--layout nhwc."
        )
    return "Use a model exported for this benchmark; `batch` may be any size."
