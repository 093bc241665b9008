"""The inputs of a model, as its backend reports them, and which ones float32 samples can be fed to.

A backend only reports; whether the inputs fit is decided here and in :mod:`mlrepo.harness.feed`, so
that all backends, including third-party ones, refuse the same models with the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.backends import Backend, Batch

FLOAT32 = "float32"
NO_SAMPLES: Mapping[str, tuple[int, ...]] = MappingProxyType({})
# Element types that float32 samples can be converted to: the same number, or the nearest one.
# Integers would lose the fraction and the sign, and numpy has no bfloat16.
_FED = (FLOAT32, "float64", "float16")


@dataclass(frozen=True)
class TensorSpec:
    """One input of a model.

    Attributes
    ----------
    name:
        Its name in the model; '' if it has none.
    dtype:
        numpy's name of the element type, or the framework's name for a type that numpy lacks
        (``bfloat16``, ``string``, ``sequence``); '' if the model does not say it: the samples' own.
    shape:
        The batch first, None for a dimension of any size; None as a whole if the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        shape = "of any shape" if self.shape is None else shape_text(self.shape)
        return f"{self.name or 'input'}: {self.dtype or 'elements'} {shape}"


def shape_text(shape: Sequence[int | None]) -> str:
    """Return a shape as text; an open first dimension is the batch, other open ones are ``?``."""
    sizes = [("?" if place else "batch") if d is None else str(d) for place, d in enumerate(shape)]
    return f"[{', '.join(sizes)}]"


def reported_inputs(backend: Backend) -> Sequence[TensorSpec]:
    """Return the inputs of a loaded model.

    A backend without the optional ``inputs`` takes float32 in its ``input_shape``, where ``()``
    means any shape.

    Raises
    ------
    UserError
        The backend's ``inputs`` are not a sequence of :class:`TensorSpec`.
    """
    found: Any = getattr(backend, "inputs", None)
    if found is None:
        return [TensorSpec("", FLOAT32, backend.input_shape or None)]
    if not isinstance(found, Sequence) or not all(isinstance(one, TensorSpec) for one in found):
        raise UserError(
            f"The backend reports its model's inputs as {found!r}.",
            hint="`inputs` must be a sequence of mlrepo.backends.inputs.TensorSpec.",
        )
    return found


def only_input(inputs: Sequence[TensorSpec], model: Path) -> TensorSpec:
    """Return the one input of a model that float32 samples can be fed to.

    Raises
    ------
    UserError
        There is none or more than one, or its element type would change the samples.
    """
    if len(inputs) != 1:
        raise _not_one(inputs, model, "it must have one, which takes the samples", "")
    if inputs[0].dtype not in _FED:
        raise UserError(
            f"The model {model.name} takes elements of type {inputs[0].dtype} (input "
            f"{inputs[0].name or 1}), but the samples are float32: their values would be changed.",
            hint="Export the model with a float32 input.",
        )
    return inputs[0]


def fed_inputs(inputs: Sequence[TensorSpec], model: Path) -> Sequence[TensorSpec]:
    """Return the inputs of a model; refuse one without, or with a type that numpy lacks.

    Raises
    ------
    UserError
        No samples can be fed to it.
    """
    if len(inputs) < 2:
        return [only_input(inputs, model)] if not inputs or not _is_known(inputs[0]) else inputs
    for one in inputs:
        if not _is_known(one):
            raise UserError(
                f"The model {model.name} takes elements of type {one.dtype} ({one}).",
                hint="Export the model with inputs of floats, integers or booleans.",
            )
    return inputs


def _is_known(spec: TensorSpec) -> bool:
    """Return whether numpy and PyTorch have arrays of the type of an input."""
    return spec.dtype in (*_FED, "int8", "int16", "int32", "int64", "uint8", "bool")


def single_input(inputs: Sequence[TensorSpec], model: Path, backend: str) -> TensorSpec:
    """Return the one input of a model, for a backend that runs only such models.

    Raises
    ------
    UserError
        As :func:`only_input`.
    """
    if len(inputs) > 1:
        others = ", or use another backend (`mlrepo bench list`)"
        raise _not_one(inputs, model, f"{backend} runs models with one", others)
    return only_input(inputs, model)


def _not_one(inputs: Sequence[TensorSpec], model: Path, why: str, others: str) -> UserError:
    found = "; ".join(map(str, inputs))
    return UserError(
        f"The model {model.name} has {len(inputs)} inputs{f' ({found})' if found else ''}; {why}.",
        hint=f"Export the model with one input{others}; constants belong in its initializers.",
    )


def fixed_batch(inputs: Sequence[TensorSpec]) -> int | None:
    """Return the batch size that a model is for; None if it takes any."""
    return next((one.shape[0] for one in inputs if one.shape and one.shape[0] is not None), None)


def sized(spec: TensorSpec, samples: Mapping[str, tuple[int, ...]]) -> TensorSpec:
    """Return an input whose open sizes, except the batch, are those of the samples for it."""
    sample = samples.get(spec.name, samples.get(""))
    if sample is None or spec.shape is None or len(spec.shape) != 1 + len(sample):
        return spec
    sizes = (
        size if size is not None else own for size, own in zip(spec.shape[1:], sample, strict=True)
    )
    return replace(spec, shape=(spec.shape[0], *sizes))


def compiled_shape(spec: TensorSpec, batch: int, model: Path) -> tuple[int, ...]:
    """Return the input's shape for a backend that compiles or traces for one size.

    ``batch`` is used if the model leaves the batch open.

    Raises
    ------
    UserError
        Another dimension is open, or one is zero.
    """
    first, *rest = spec.shape or (None, None)
    sizes = (batch if first is None else first, *(0 if size is None else size for size in rest))
    if not all(sizes):
        raise UserError(
            f"The model {model.name} leaves sizes of its input open ({spec}).",
            hint="Only the batch size may be dynamic: this backend compiles for one size.",
        )
    return sizes


def onnx_inputs(model: Any) -> list[TensorSpec]:
    """Return the inputs of an ``onnx.ModelProto``, without initializers that are listed as inputs.

    Before IR version 4 every initializer had to be listed as an input.
    """
    weights = {weight.name for weight in model.graph.initializer}
    weights |= {weight.values.name for weight in model.graph.sparse_initializer}
    return [_onnx_spec(value) for value in model.graph.input if value.name not in weights]


def _onnx_spec(value: Any) -> TensorSpec:
    from onnx import TensorProto

    kind = value.type.WhichOneof("value") or "unknown type"
    if kind != "tensor_type":
        return TensorSpec(value.name, kind.removesuffix("_type"), None)
    tensor = value.type.tensor_type
    element = TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            d.dim_value if d.WhichOneof("value") == "dim_value" else None for d in tensor.shape.dim
        )
    return TensorSpec(value.name, numpy_name(element), shape)


def samples_in(batch: Batch) -> int:
    """Return how many samples a batch has."""
    return len(next(iter(batch.values()))) if isinstance(batch, dict) else len(batch)


def split(batch: Batch, parts: int) -> list[Batch]:
    """Return parts of a batch of nearly the same size."""
    import numpy as np

    if not isinstance(batch, dict):
        return list(np.array_split(batch, parts))
    pieces = {name: np.array_split(array, parts) for name, array in batch.items()}
    return [{name: arrays[part] for name, arrays in pieces.items()} for part in range(parts)]


# Element types for which frameworks and numpy have different names.
_NAMES = {
    "float": FLOAT32,
    "f32": FLOAT32,
    "double": "float64",
    "f64": "float64",
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "boolean": "bool",
    "seq": "sequence",
    **{
        f"{letter}{bits}": f"{word}{bits}"
        for letter, word in (("i", "int"), ("u", "uint"))
        for bits in (4, 8, 16, 32, 64)
    },
}


def numpy_name(element: str) -> str:
    """Return numpy's name for an element type of ONNX, ONNX Runtime, OpenVINO or PyTorch."""
    return _NAMES.get(element, element)
