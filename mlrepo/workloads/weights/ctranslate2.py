"""Read the types of the weights in a model of CTranslate2.

Its ``model.bin`` has a header and then each variable with its name, shape, type and data
(``_serialize_model_spec`` in python/ctranslate2/specs/model_spec.py of OpenNMT/CTranslate2).
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

FILE = "model.bin"
# By the number of the type in the file: its name in measurements files, and its bytes.
_TYPES = {
    0: ("fp32", 4),
    1: ("int8", 1),
    2: ("int16", 2),
    3: ("int32", 4),
    4: ("fp16", 2),
    5: ("bf16", 2),
}
_FIRST_WITH_REVISION = 2
_FIRST_WITH_BYTES = 4


def read_ctranslate2(directory: Path) -> tuple[str, ...]:
    """Return the types of the matrices of a model, the one with the most numbers first.

    Raises
    ------
    ValueError
        The file is not a model of CTranslate2, or is cut short.
    OSError
        It cannot be read.
    """
    counts: dict[str, int] = {}
    for variable in _variables(directory):
        if len(variable.shape) > 1:
            counts[variable.type] = counts.get(variable.type, 0) + math.prod(variable.shape)
    return tuple(sorted(counts, key=lambda word: -counts[word]))


def variable_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's variables by name; raises as :func:`read_ctranslate2`."""
    return {variable.name: variable.shape for variable in _variables(directory)}


class _Variable(NamedTuple):
    name: str
    type: str
    shape: tuple[int, ...]


def _variables(directory: Path) -> Iterator[_Variable]:
    with (directory / FILE).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        version = _number(stream, "I")
        _text(stream)
        if version >= _FIRST_WITH_REVISION:
            _number(stream, "I")
        for _ in range(_number(stream, "I")):
            name = _text(stream)
            shape = tuple(_number(stream, "I") for _ in range(_number(stream, "B")))
            kind, width = _TYPES.get(_number(stream, "B"), ("", 0))
            if not kind:
                raise ValueError(f"the variable {name} has an unknown type")
            length = _number(stream, "I")
            stream.seek(length if version >= _FIRST_WITH_BYTES else length * width, os.SEEK_CUR)
            if stream.tell() > size:
                raise ValueError(f"it is cut short in the variable {name}")
            yield _Variable(name, kind, shape)


def _number(stream: BinaryIO, form: str) -> int:
    data = stream.read(struct.calcsize(form))
    try:
        return int(struct.unpack(f"<{form}", data)[0])
    except struct.error as error:
        raise ValueError("it is cut short") from error


def _text(stream: BinaryIO) -> str:
    return stream.read(_number(stream, "H")).rstrip(b"\0").decode()
