"""What a benchmark answers: bytes for each sample, of a declared size or of any.

LoadGen logs the bytes of an accuracy run and times the answers; the harness does not look into
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one sample.

    Attributes
    ----------
    data:
        What LoadGen logs.
    tokens:
        How many tokens it is, for a benchmark whose answers are tokens.
    """

    data: bytes
    tokens: int = 0


def bytes_of(answer: Response | bytes | npt.NDArray[Any] | np.generic) -> bytes:
    """Return what LoadGen logs of one answer, which may be a row of an array."""
    if isinstance(answer, Response):
        return answer.data
    return answer if isinstance(answer, bytes) else answer.tobytes()


@dataclass(frozen=True)
class FixedResponses:
    """Every answer has the same size: an array [n, *shape] for n samples.

    Attributes
    ----------
    dtype:
        The type of its numbers as they are logged: ``<i4``, or a structured type of numbers.
    shape:
        The shape of one answer; () for one number.
    """

    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class VariableResponses:
    """Answers of any length: bytes, or a :class:`Response`, for each sample.

    Attributes
    ----------
    tokens:
        Whether they are tokens: LoadGen gets their number, and a mark for the first one.
    """

    tokens: bool = False
