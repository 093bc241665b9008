"""Feed the samples of a data set to a model: match tensors and inputs, check and cast them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array, Backend, Batch
from mlrepo.backends.inputs import (
    FLOAT32,
    TensorSpec,
    fixed_batch,
    only_input,
    reported_inputs,
    samples_in,
    shape_text,
)
from mlrepo.errors import UserError
from mlrepo.workloads.tensors import SampleTensor, matched
from mlrepo.workloads.weights import read_facts
from mlrepo.workloads.weights.graph import Tensor

# Tensors by their names, each with the batch first.
Samples = Mapping[str, Array]
# numpy's kinds of integers and booleans.
_WHOLE = "iub"

_TYPES = {"float32": "fp32", "float16": "fp16", "float64": "fp64"}


@dataclass(frozen=True)
class FedInput:
    """An input of a model, and the tensor of the samples that it takes."""

    spec: TensorSpec
    tensor: SampleTensor

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type in which samples are kept."""
        return np.dtype(self.spec.dtype)

    def cast(self, samples: Array) -> Array:
        """Return samples in the input's type.

        Raises
        ------
        UserError
            A value is out of the range of the type.
        """
        if self.dtype == samples.dtype:
            return samples
        with np.errstate(over="ignore"):
            cast = samples.astype(self.dtype)
        floats = self.dtype.kind == "f"
        lost = np.isinf(cast) != np.isinf(samples) if floats else cast != samples
        if lost.any():
            worst = np.abs(samples[lost].astype(np.float64)).max()
            named = f" {self.spec.name}" if self.spec.name else ""
            raise UserError(
                f"The model's input{named} is {self.dtype}, but the samples hold {worst:g}, which "
                "is beyond it.",
                hint=f"Export the model with a {samples.dtype} input.",
            )
        return cast

    def describe(self) -> str:
        """Return how the samples are cast; '' if they are not."""
        if self.spec.dtype == self.tensor.dtype:
            return ""
        kept = self.dtype.itemsize >= np.dtype(self.tensor.dtype).itemsize
        what = "widened" if kept else "rounded" if self.dtype.kind == "f" else "narrowed"
        return f"{self.tensor.dtype} samples {what} to {self.spec.dtype}"


@dataclass(frozen=True)
class Feed:
    """The inputs of a model.

    Attributes
    ----------
    inputs:
        The model's inputs with the tensors that they take.
    static_batch:
        The batch size that the model requires; None if it takes any.
    """

    inputs: tuple[FedInput, ...]
    static_batch: int | None

    @property
    def float_types(self) -> list[str]:
        """The floating-point types of the inputs; others are not rounded."""
        return [one.spec.dtype for one in self.inputs if one.dtype.kind == "f"]

    def cast(self, samples: Samples) -> Batch:
        """Return samples as the model takes them: an array, or one for each of several inputs.

        Raises
        ------
        UserError
            A value is out of the range of an input's type.
        """
        if len(self.inputs) == 1:
            only = self.inputs[0]
            return only.cast(samples[only.tensor.name])
        return {one.spec.name: one.cast(samples[one.tensor.name]) for one in self.inputs}

    def describe(self) -> Mapping[str, object]:
        """Return the inputs and how samples are cast, for the record."""
        shapes = {
            one.spec.name: None if one.spec.shape is None else list(one.spec.shape)
            for one in self.inputs
        }
        return {
            "name": ", ".join(shapes),
            "type": ", ".join(dict.fromkeys(one.spec.dtype for one in self.inputs)),
            "shape": shapes if len(shapes) > 1 else next(iter(shapes.values())),
            "cast": "; ".join(filter(None, dict.fromkeys(one.describe() for one in self.inputs))),
        }


def filled(batch: Batch, size: int | None) -> Batch:
    """Return a batch padded with zeros to the size that the model requires; None for any size."""
    if size is None or samples_in(batch) == size:
        return batch
    if isinstance(batch, dict):
        return {name: _filled(array, size) for name, array in batch.items()}
    return _filled(batch, size)


def _filled(array: Array, size: int) -> Array:
    full = np.zeros((size, *array.shape[1:]), array.dtype)
    full[: len(array)] = array
    return full


def outputs_of(backend: Backend, batch: Batch, static_batch: int | None) -> list[Array]:
    """Return copies of the model's outputs for a batch, without those for its padding."""
    whole = filled(batch, static_batch)
    found = [np.array(output) for output in backend.predict(whole)]
    return unfilled(found, samples_in(batch), samples_in(whole))


def unfilled(outputs: Sequence[Array], count: int, whole: int) -> list[Array]:
    """Return the outputs for a batch of ``whole`` samples without those for its padding."""
    return [o[:count] if o.ndim and len(o) == whole else o for o in outputs]


def rows_of(batch: Batch, rows: list[int] | slice) -> Batch:
    """Return some samples of a batch."""
    if isinstance(batch, dict):
        return {name: array[rows] for name, array in batch.items()}
    return batch[rows]


def plan_feed(backend: Backend, tensors: Sequence[SampleTensor], model: Path) -> Feed:
    """Return how samples of these tensors are fed to the loaded model.

    Raises
    ------
    UserError
        The model takes something else; the message names both sides.
    """
    return fed(reported_inputs(backend), tensors, model)


def fed(specs: Sequence[TensorSpec], tensors: Sequence[SampleTensor], model: Path) -> Feed:
    """Return how samples of these tensors are fed to a model with these inputs.

    An input takes the tensor of its name, or of an alias; a single one takes the only tensor.

    Raises
    ------
    UserError
        The model takes something else; the message names both sides.
    """
    if len(tensors) == 1 and tensors[0].dtype == FLOAT32:
        only_input(specs, model)
    found = matched(tensors, [spec.name for spec in specs])
    if found is None:
        raise UserError(
            f"The model {model.name} takes {_listed(specs)}, but the samples have "
            f"{_listed(tensors)}.",
            hint="Export the model with inputs of these names, each for one tensor of the samples.",
        )
    inputs = tuple(
        FedInput(replace(spec, dtype=spec.dtype or one.dtype), one)
        for spec, one in zip(specs, found, strict=True)
    )
    for one in inputs:
        _check(one, model, several=len(inputs) > 1)
    if len({spec.shape[0] for spec in specs if spec.shape} - {None}) > 1:
        raise UserError(
            f"The inputs of the model {model.name} are for batches of different sizes: "
            f"{_listed(specs)}.",
            hint="Export the model with a dynamic batch size.",
        )
    return Feed(inputs, fixed_batch(specs))


def _check(one: FedInput, model: Path, *, several: bool) -> None:
    """Refuse an input whose type or shape the samples do not have."""
    spec, tensor = one.spec, one.tensor
    where = f" for {spec.name}" if several else ""
    kind = _kind(spec.dtype)
    if not kind or kind != _kind(tensor.dtype):
        raise UserError(
            f"The model {model.name} takes elements of type {spec.dtype} (input {spec.name or 1}), "
            f"but the samples are {tensor.dtype}: their values would be changed.",
            hint=f"Export the model with a {tensor.dtype} input.",
        )
    shape, wanted = spec.shape, tensor.shape
    if shape is None:
        return
    if not _fits(shape[1:], wanted) or not shape:
        raise UserError(
            f"The model {model.name} takes input of shape {shape_text(shape)}{where}, but the "
            f"samples have the shape {shape_text((None, *wanted))}.",
            hint=_hint(shape, wanted),
        )
    if shape[0] == 0:
        raise UserError(
            f"The model {model.name} is for batches of 0 samples.",
            hint="Export the model with a dynamic batch size.",
        )


def _kind(dtype: str) -> str:
    """Return what kind of numbers a type has, ``float`` or ``whole``; '' if numpy lacks it."""
    try:
        kind = np.dtype(dtype).kind
    except TypeError:
        return ""
    return "float" if kind == "f" else "whole" if kind in _WHOLE else ""


def _listed(tensors: Sequence[object]) -> str:
    return "; ".join(map(str, tensors)) or "nothing"


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


def described_outputs(outputs: Sequence[Array], model: Path) -> list[Tensor]:
    """Return name, type and shape of outputs for a batch; names if the model's file has them."""
    named = read_facts(model).outputs
    names = [one.name for one in named] if len(named) == len(outputs) else [""] * len(outputs)
    return [
        Tensor(name, _TYPES.get(str(one.dtype), str(one.dtype)), one.shape)
        for name, one in zip(names, outputs, strict=True)
    ]
