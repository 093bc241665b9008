"""The registry of functions for ONNX operators: their versions and arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])

# ONNX's element types by number and by name, those that PyTorch computes with.
TYPES: dict[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
TYPE_NAMES: dict[torch.dtype, str] = {
    torch.float32: "float",
    torch.uint8: "uint8",
    torch.int8: "int8",
    torch.int16: "int16",
    torch.int32: "int32",
    torch.int64: "int64",
    torch.bool: "bool",
    torch.float16: "float16",
    torch.float64: "double",
    torch.bfloat16: "bfloat16",
}


class Unsupported(Exception):
    """The operator of a node is known, but not with these attributes, types or inputs."""


@dataclass(frozen=True)
class Operator:
    """A function for an operator, and its arguments.

    Attributes
    ----------
    run:
        Takes tensors (None for an omitted input) and the attributes; returns a tensor or a tuple
        of tensors.
    inputs:
        The names of the positional parameters.
    known:
        Inputs that are passed as Python numbers and lists, because their values determine shapes.
    numbers:
        Whether scalar constants are passed as Python numbers, which is faster and just as exact.
    attributes:
        The names of the attributes that it takes.
    counts:
        Whether it takes the number of used outputs, as ``outputs``.
    """

    run: Callable[..., Any]
    inputs: tuple[str, ...]
    known: frozenset[str]
    numbers: bool
    attributes: frozenset[str]
    counts: bool

    def input_name(self, index: int) -> str:
        """Return the name of an input; the last name may be repeated."""
        return self.inputs[min(index, len(self.inputs) - 1)]


_OPERATORS: dict[str, dict[int, Operator]] = {}


def operator(
    names: str, *versions: int, known: Sequence[str] = (), numbers: bool = False
) -> Callable[[Function], Function]:
    """Register a function for operators (separated by spaces) in these versions of each."""

    def register(function: Function) -> Function:
        parameters = inspect.signature(function).parameters.values()
        keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        entry = Operator(
            function,
            inputs,
            frozenset(known),
            numbers,
            frozenset(keywords - {"outputs"}),
            "outputs" in keywords,
        )
        for name in names.split():
            _OPERATORS.setdefault(name, {}).update(dict.fromkeys(versions, entry))
        return function

    return register


def find_operator(name: str, version: int) -> Operator | None:
    """Return the function for version ``version`` of an operator, None if there is none."""
    return _OPERATORS.get(name, {}).get(version)


def proved_versions(name: str) -> list[int]:
    """Return the versions in which an operator can be run."""
    return sorted(_OPERATORS.get(name, {}))


def proved_operators() -> list[str]:
    """Return the names of all operators that can be run in some version."""
    return sorted(_OPERATORS)


_decisions: ContextVar[list[Any] | None] = ContextVar("decisions", default=None)


@contextmanager
def decisions() -> Iterator[list[Any]]:
    """Collect what :func:`fixed` returns within the block."""
    taken: list[Any] = []
    token = _decisions.set(taken)
    try:
        yield taken
    finally:
        _decisions.reset(token)


def fixed(sizes: Sequence[Any]) -> list[int]:
    """Return sizes as Python numbers, for code whose result is valid only for these sizes.

    Everything else that is computed from ``x.shape`` stays symbolic when the module is traced. The
    fixed sizes of two batch sizes are compared, to detect a module that depends on its batch.
    """
    numbers = [int(size) for size in sizes]
    taken = _decisions.get()
    if taken is not None:
        taken.append(numbers)
    return numbers


def axis_of(x: Any, axis: int) -> int:
    """Return an axis counted from the front.

    Raises
    ------
    Unsupported
        The tensor has no such axis.
    """
    if not -x.dim() <= axis < max(1, x.dim()):
        raise Unsupported(f"axis {axis} of a tensor with {x.dim()} dimensions")
    return axis + x.dim() if axis < 0 else axis
