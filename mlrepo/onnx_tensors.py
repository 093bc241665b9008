"""The tensors in an ONNX file, read from its protobuf fields without the weights.

The package onnx is not needed, and no weight is read: the file is memory-mapped, and all fields
that do not lead to a tensor are skipped. Field numbers are those of ``onnx.proto``, wire types
those of the protobuf encoding (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# The fields of a message that lead to tensors: number -> type of the message in it.
_WAYS: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14
_KEY, _VALUE = 1, 2
_EXTERNAL = 1
_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
# Bits per element by TensorProto.DataType; strings (8) have no fixed size.
_BITS = {
    1: 32,
    2: 8,
    3: 8,
    4: 16,
    5: 16,
    6: 32,
    7: 64,
    9: 8,
    10: 16,
    11: 64,
    12: 32,
    13: 64,
    14: 64,
    15: 128,
    16: 16,
    17: 8,
    18: 8,
    19: 8,
    20: 8,
    21: 4,
    22: 4,
    23: 4,
    24: 8,
    25: 2,
    26: 2,
}

Span = tuple[int, int]


class NotOnnx(ValueError):
    """The file is not an ONNX model."""


class BadExternalData(ValueError):
    """A model gives the location of weights in a form that readers interpret differently."""


@dataclass(frozen=True)
class OnnxTensor:
    """One tensor of a model.

    Attributes
    ----------
    data_type:
        Its number in ``TensorProto.DataType``.
    external:
        Whether the data are in another file, given by ``location`` (as written), ``offset`` and
        ``length`` (None if the file does not say).
    """

    name: str
    data_type: int
    shape: tuple[int, ...]
    external: bool = False
    location: str = ""
    offset: int = 0
    length: int | None = None

    @property
    def size(self) -> int:
        """The size of its data in bytes, from type and shape; 0 if the type has no fixed size."""
        bits = _BITS.get(self.data_type, 0)
        for dim in self.shape:
            bits *= dim
        return -(-bits // 8)


def onnx_tensors(path: Path) -> Iterator[OnnxTensor]:
    """Yield all tensors of an ONNX file: initializers, attributes, sub-graphs, functions, training.

    Raises
    ------
    NotOnnx
        The file is not a protobuf message with a graph.
    BadExternalData
        The offset or length of a tensor's data is not a plain number, such as ``+0``, which only
        some readers accept.
    OSError
        The file cannot be read.
    """
    with mapped(path) as data:
        yield from _tensors(data)


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file for reading; raise :class:`NotOnnx` if it is empty."""
    with path.open("rb") as stream:
        if not stream.seek(0, 2):
            raise NotOnnx("it is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _tensors(data: mmap.mmap) -> Iterator[OnnxTensor]:
    pending: list[tuple[str, Span]] = [("Model", (0, len(data)))]
    graphs = 0
    while pending:
        message, span = pending.pop()
        if message == "Tensor":
            yield read_tensor(data, span)
            continue
        ways = _WAYS[message]
        graphs += message == "Graph"
        for number, kind, value in fields(data, span):
            if kind == _BYTES and number in ways:
                pending.append((ways[number], value))
    if not graphs:
        raise NotOnnx("it contains no graph")


def read_tensor(data: mmap.mmap, span: Span) -> OnnxTensor:
    """Return the description of a tensor from its TensorProto, without its data."""
    shape: list[int] = []
    name, data_type, external = "", 0, False
    entries: dict[str, str] = {}
    for number, kind, value in fields(data, span):
        if number == _DIMS and kind == _VARINT:
            shape.append(value[0])
        elif number == _DIMS and kind == _BYTES:  # packed
            at = value[0]
            while at < value[1]:
                dim, at = _varint(data, at, value[1])
                shape.append(dim)
        elif number == _DATA_TYPE and kind == _VARINT:
            data_type = value[0]
        elif number == _DATA_LOCATION and kind == _VARINT:
            external = value[0] == _EXTERNAL
        elif number == _NAME and kind == _BYTES:
            name = read_text(data, value)
        elif number == _EXTERNAL_DATA and kind == _BYTES:
            pair = {n: read_text(data, v) for n, k, v in fields(data, value) if k == _BYTES}
            entries[pair.get(_KEY, "")] = pair.get(_VALUE, "")
    return OnnxTensor(
        name,
        data_type,
        tuple(shape),
        external,
        entries.get("location", ""),
        _number(entries.get("offset")) or 0,
        _number(entries.get("length")),
    )


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadExternalData(f"{text!r} is not a number of bytes")
    return int(text)


def read_text(data: mmap.mmap, span: Span) -> str:
    """Return the text at a span; bytes that are not UTF-8 become surrogates."""
    return data[span[0] : span[1]].decode("utf-8", "surrogateescape")


def fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Yield number, wire type and value of each field: the span of bytes, or (number, 0)."""
    at, end = span
    depth = 0
    while at < end:
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise NotOnnx("it is not a protobuf message")
        value = (at, at)
        if kind == _VARINT:
            found, at = _varint(data, at, end)
            value = (found, 0)
        elif kind == _BYTES:
            length, at = _varint(data, at, end)
            value = (at, at + length)
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind in (_GROUP, _END_GROUP):
            depth += 1 if kind == _GROUP else -1
        else:
            raise NotOnnx("it is not a protobuf message")
        if at > end or depth < 0:
            raise NotOnnx("it is truncated")
        if not depth:
            yield number, kind, value
    if depth:
        raise NotOnnx("it is truncated")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise NotOnnx("it is truncated")
