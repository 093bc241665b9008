"""The header of a GGUF file: what it says about the model, and where its tensors are.

The format is that of docs/gguf.md in ggml-org/ggml: a magic, counts, typed values by key, and a
table of tensors, whose data follow. No data are read: the file is memory-mapped.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS: Mapping[int, str] = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
# ggml's types: name in measurements files, numbers in a block, bytes of a block (ggml-common.h).
_TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("fp32", 1, 4),
    1: ("fp16", 1, 2),
    2: ("int4", 32, 18),
    3: ("int4", 32, 20),
    6: ("int5", 32, 22),
    7: ("int5", 32, 24),
    8: ("int8", 32, 34),
    9: ("int8", 32, 36),
    10: ("int2", 256, 84),
    11: ("int3", 256, 110),
    12: ("int4", 256, 144),
    13: ("int5", 256, 176),
    14: ("int6", 256, 210),
    15: ("int8", 256, 292),
    16: ("int2", 256, 66),
    17: ("int2", 256, 74),
    18: ("int3", 256, 98),
    19: ("int1", 256, 50),
    20: ("int4", 32, 18),
    21: ("int3", 256, 110),
    22: ("int2", 256, 82),
    23: ("int4", 256, 136),
    24: ("int8", 1, 1),
    25: ("int16", 1, 2),
    26: ("int32", 1, 4),
    27: ("int64", 1, 8),
    28: ("fp64", 1, 8),
    29: ("int1", 256, 56),
    30: ("bf16", 1, 2),
    39: ("fp4", 32, 17),
}
_ALIGNMENT = "general.alignment"
# A table larger than this belongs to no model: damaged counts must not fill the memory.
_MOST = 1 << 24
_DEEPEST = 4


class BadGguf(ValueError):
    """A file that is not GGUF, is cut short, or is damaged; the text says which."""


@dataclass(frozen=True)
class GgufTensor:
    """One tensor: its type as in measurements files, its shape, and where its data end."""

    name: str
    type: str
    shape: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class Gguf:
    """What a file says about itself.

    Attributes
    ----------
    values:
        The metadata by key; arrays are lists, strings are text.
    """

    values: Mapping[str, object]
    tensors: tuple[GgufTensor, ...]

    @property
    def architecture(self) -> str:
        """The architecture, such as ``llama``; '' if the file does not say it."""
        return str(self.values.get("general.architecture", ""))

    def of_architecture(self, key: str) -> object:
        """Return a value of the architecture's own: ``context_length``; None if there is none."""
        return self.values.get(f"{self.architecture}.{key}")

    @property
    def weights(self) -> tuple[str, ...]:
        """The types of its matrices, the one with the most numbers first."""
        counts: dict[str, int] = {}
        for tensor in self.tensors:
            if len(tensor.shape) > 1:
                counts[tensor.type] = counts.get(tensor.type, 0) + math.prod(tensor.shape)
        return tuple(sorted(counts, key=lambda name: -counts[name]))


def read_gguf(path: Path) -> Gguf:
    """Read the header of a file, and check that the data of all tensors are there.

    Raises
    ------
    BadGguf
        It is not GGUF, is cut short, or is damaged.
    OSError
        It cannot be read.
    """
    with path.open("rb") as stream:
        if stream.read(4) != _MAGIC:
            raise BadGguf("it is not a GGUF file")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _HeaderReader(data).read()
            except struct.error as error:
                raise BadGguf(
                    f"it is cut short: its header needs more than {len(data)} bytes"
                ) from error
            except UnicodeDecodeError as error:
                raise BadGguf("it is damaged: a name is not UTF-8") from error


class _HeaderReader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = len(_MAGIC)

    def read(self) -> Gguf:
        version = self._number("I")
        if version not in _VERSIONS:
            raise BadGguf(f"its version of GGUF is {version}, not {_VERSIONS[-1]}")
        tensors, pairs = self._count(), self._count()
        values: dict[str, object] = {}
        for _ in range(pairs):
            key = self._text()
            values[key] = self._value(self._number("I"))
        table = [self._tensor() for _ in range(tensors)]
        step = values.get(_ALIGNMENT, 32)
        if not isinstance(step, int) or step <= 0:
            raise BadGguf(f"it is damaged: its alignment is {step}")
        begin = -(-self._at // step) * step
        found = tuple(
            GgufTensor(name, kind, shape, begin + end) for name, kind, shape, end in table
        )
        needed = max((tensor.end for tensor in found), default=0)
        if needed > len(self._data):
            raise BadGguf(
                f"it is cut short: its tensors end at byte {needed}, and it has {len(self._data)}"
            )
        return Gguf(values, found)

    def _number(self, form: str) -> int:
        found = struct.unpack_from(f"<{form}", self._data, self._at)[0]
        self._at += struct.calcsize(form)
        return int(found)

    def _count(self) -> int:
        count = self._number("Q")
        if count > _MOST:
            raise BadGguf(f"it is damaged: it counts {count} entries")
        return count

    def _text(self) -> str:
        size = self._number("Q")
        if size > len(self._data) - self._at:
            raise BadGguf(f"it is cut short: a text of {size} bytes is not there")
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def _value(self, kind: int, depth: int = 0) -> object:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY and depth < _DEEPEST:
            inner, count = self._number("I"), self._count()
            if inner in _SCALARS:
                form = f"<{count}{_SCALARS[inner]}"
                found = struct.unpack_from(form, self._data, self._at)
                self._at += struct.calcsize(form)
                return list(found)
            return [self._value(inner, depth + 1) for _ in range(count)]
        if kind not in _SCALARS:
            raise BadGguf(f"it is damaged: it has a value of the type {kind}")
        found = struct.unpack_from(f"<{_SCALARS[kind]}", self._data, self._at)[0]
        self._at += struct.calcsize(_SCALARS[kind])
        return found

    def _tensor(self) -> tuple[str, str, tuple[int, ...], int]:
        """Return name, type and shape of a tensor, and where it ends after the tables."""
        name = self._text()
        shape = tuple(self._number("Q") for _ in range(min(self._number("I"), 8)))
        kind, offset = self._number("I"), self._number("Q")
        if kind not in _TYPES:
            raise BadGguf(f"its tensor {name} has the type {kind}, which mlrepo does not know")
        word, block, size = _TYPES[kind]
        return name, word, shape, offset + -(-math.prod(shape) // block) * size
