"""Decoders: how the boxes, scores and classes are read from the outputs of a detector.

Each family of models has its own form of outputs. Which decoder fits follows from the names and
shapes of a model's outputs; :func:`find_decoder` says what was expected if none does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads.detection.detections import Detections
from mlrepo.workloads.weights.graph import Tensor

Array = npt.NDArray[Any]

# How a model numbers its classes: by the data set's category ids, or by their position from 0.
IDS, POSITIONS = "ids", "positions"


class Decoder(Protocol):
    """What reads the detections from the outputs of one model."""

    @property
    def labels(self) -> str:
        """How the model numbers classes: :data:`IDS` or :data:`POSITIONS`."""

    def decode(self, outputs: Sequence[Array], size: tuple[int, int]) -> Detections:
        """Return the detections of a batch; ``size`` is height and width of the model's input.

        Raises
        ------
        UnreadableError
            A score or a box is not a number.
        """


class UnreadableError(ValueError):
    """The outputs for a sample cannot be read.

    Attributes
    ----------
    row:
        The sample's row in the batch.
    """

    def __init__(self, row: int, what: str) -> None:
        super().__init__(what)
        self.row = row


def refuse_infinite(boxes: Array, rows: npt.NDArray[np.intp]) -> None:
    """Raise :class:`UnreadableError` if a box [k, 4] of one of the rows [k] is not finite."""
    bad = ~np.isfinite(boxes).all(axis=1)
    if bad.any():
        raise UnreadableError(int(rows[bad.argmax()]), "a box is not made of finite numbers")


class MisfitError(ValueError):
    """Outputs are not those that a decoder reads; the message says what they are instead."""


@dataclass(frozen=True)
class DecoderKind:
    """A family of detectors.

    Attributes
    ----------
    reads:
        The outputs that it reads, in words.
    fitted:
        Makes the decoder for a model with some outputs and the number of classes (0: unknown);
        raises :class:`MisfitError`.
    """

    name: str
    reads: str
    fitted: Callable[[Sequence[Tensor], int], Decoder]


def kinds() -> tuple[DecoderKind, ...]:
    """Return the kinds of decoders, in the order in which they are tried."""
    from mlrepo.workloads.detection import boxes, retinanet, yolo

    return (boxes.KIND, retinanet.KIND, yolo.KIND)


def find_decoder(outputs: Sequence[Tensor], classes: int, name: str = "") -> Decoder:
    """Return the decoder for a model: the named one, or the first that fits its outputs.

    Parameters
    ----------
    outputs:
        With the batch as first dimension; an open size is None.
    classes:
        How many classes the data set has; 0 if that is unknown.

    Raises
    ------
    UserError
        There is no such decoder, or none fits; the message names what each of them reads.
    """
    known = kinds()
    tried = [kind for kind in known if name in ("", kind.name)]
    if not tried:
        raise UserError(
            f"There is no decoder {name!r}.",
            hint=f"Use one of: {', '.join(kind.name for kind in known)}.",
        )
    reasons = []
    for kind in tried:
        try:
            return kind.fitted(outputs, classes)
        except MisfitError as error:
            reasons.append(f"{kind.name} reads {kind.reads} ({error})")
    given = ", ".join(text_of(one) for one in outputs) or "nothing"
    raise UserError(
        f"It gives {given}; {'; '.join(reasons)}.",
        hint="Export the model with such outputs, and use a data set with the classes that it was "
        "trained for.",
    )


def text_of(tensor: Tensor) -> str:
    """Return an output's name, type and shape."""
    sizes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name} {tensor.type} [{sizes}]".strip()


def is_float(tensor: Tensor) -> bool:
    """Return whether a tensor holds floating-point numbers."""
    return tensor.type.startswith(("fp", "float", "bf", "double"))


def is_whole(tensor: Tensor) -> bool:
    """Return whether a tensor holds whole numbers."""
    return tensor.type.startswith(("int", "uint"))


def may_be(size: int | None, wanted: int) -> bool:
    """Return whether a dimension has a size, or may have it."""
    return size in (None, wanted)
