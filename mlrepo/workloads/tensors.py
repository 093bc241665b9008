"""The tensors of a sample: which arrays a data set gives, and which inputs of a model they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.workloads import Dataset

FLOAT32 = "float32"


@dataclass(frozen=True)
class SampleTensor:
    """One tensor of each sample.

    Attributes
    ----------
    name:
        Its name, usually that of the model's input; '' for the only one.
    dtype:
        numpy's name of its element type: ``float32``, ``int64``.
    shape:
        Its shape without the batch.
    aliases:
        Other names that inputs for it have in models.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    aliases: tuple[str, ...] = ()

    def __str__(self) -> str:
        sizes = ", ".join(map(str, ("batch", *self.shape)))
        return f"{self.name or 'samples'}: {self.dtype} [{sizes}]"


def has_objects(dataset: Dataset) -> bool:
    """Return whether a data set gives Python objects, not arrays."""
    return bool(getattr(dataset, "objects", False))


def tensors_of(dataset: Dataset) -> tuple[SampleTensor, ...]:
    """Return the tensors of a data set's samples; () if its samples are Python objects.

    ``sample_shape`` alone means one unnamed tensor of float32.

    Raises
    ------
    UserError
        The data set declares none of these.
    """
    if has_objects(dataset):
        return ()
    tensors = getattr(dataset, "tensors", None)
    if tensors is not None:
        return tuple(tensors)
    shape = getattr(dataset, "sample_shape", None)
    if shape is None:
        raise UserError(
            f"The data set {type(dataset).__name__} does not say what its samples are.",
            hint="It needs `sample_shape`, `tensors` or `objects = True` (docs/benchmarks.md).",
        )
    return (SampleTensor("", FLOAT32, tuple(shape)),)


def shapes_of(tensors: Sequence[SampleTensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by all its names; '' names the only one, too."""
    found = {name: one.shape for one in tensors for name in (*one.aliases, one.name)}
    return {**found, "": tensors[0].shape} if len(tensors) == 1 else found


def matched(tensors: Sequence[SampleTensor], inputs: Sequence[str]) -> list[SampleTensor] | None:
    """Return the tensor for each named input of a model; None if one has no tensor.

    A tensor is found by its name, then by an alias; a single one belongs to a single input.
    """
    if len(inputs) == len(tensors) == 1:
        return list(tensors)
    by_name = {alias: one for one in tensors for alias in one.aliases}
    by_name |= {one.name: one for one in tensors}
    found = [by_name[name] for name in inputs if name in by_name]
    distinct = len(set(map(id, found)))
    return found if found and distinct == len(inputs) else None
