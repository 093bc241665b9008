"""Read an ONNX file as a graph, without its weights and without the package onnx.

Field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlrepo.onnx_tensors import NotOnnx, Span, fields, mapped, read_tensor, read_text
from mlrepo.workloads.weights.graph import Functions, Graph, Node, Tensor

# TensorProto.DataType to the names in measurements files, where all kinds of fp8 have one name.
TYPES = {
    1: "fp32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "text",
    9: "bool",
    10: "fp16",
    11: "fp64",
    12: "uint32",
    13: "uint64",
    16: "bf16",
    17: "fp8",
    18: "fp8",
    19: "fp8",
    20: "fp8",
    21: "uint4",
    22: "int4",
    23: "fp4",
    25: "uint2",
    26: "int2",
}
_VARINT, _BYTES = 0, 2


class OnnxFile(NamedTuple):
    """The content of an ONNX file, without the values of its weights."""

    graph: Graph
    functions: Functions
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    producer: str


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file.

    Raises
    ------
    NotOnnx
        The file is not an ONNX file.
    OSError
        The file cannot be read.
    """
    with mapped(path) as data:
        return _OnnxReader(data).model()


class _OnnxReader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def model(self) -> OnnxFile:
        found: Graph | None = None
        inputs: tuple[Tensor, ...] = ()
        outputs: tuple[Tensor, ...] = ()
        functions: dict[tuple[str, str], Graph] = {}
        producer = ""
        for number, span in self._parts((0, len(self._data))):
            if number == 2:
                producer = self._text(span)
            elif number == 7:
                found = self._graph(span)
                inputs = tuple(
                    value for value in self._values(span, 11) if value.name not in found.constants
                )
                outputs = tuple(self._values(span, 12))
            elif number == 25:
                name, body = self._function(span)
                functions[name] = body
        if found is None:
            raise NotOnnx("it contains no graph")
        return OnnxFile(found, functions, inputs, outputs, producer)

    def _parts(self, span: Span) -> Iterator[tuple[int, Span]]:
        """Yield the number and span of each field that is a message or a string."""
        return ((n, value) for n, kind, value in fields(self._data, span) if kind == _BYTES)

    def _text(self, span: Span) -> str:
        return read_text(self._data, span)

    def _graph(self, span: Span) -> Graph:
        nodes: list[Node] = []
        constants: dict[str, Tensor] = {}
        inputs: list[str] = []
        for number, part in self._parts(span):
            if number == 1:
                nodes.append(self._node(part))
            elif number == 5:
                tensor = self._tensor(part)
                constants[tensor.name] = tensor
            elif number == 15:
                for inner, values in self._parts(part):
                    if inner == 1:
                        tensor = self._tensor(values)
                        constants[tensor.name] = tensor
            elif number == 11:
                inputs.append(self._value(part).name)
        return Graph(nodes, constants, inputs)

    def _function(self, span: Span) -> tuple[tuple[str, str], Graph]:
        name = domain = ""
        nodes: list[Node] = []
        inputs: list[str] = []
        for number, part in self._parts(span):
            if number == 1:
                name = self._text(part)
            elif number == 4:
                inputs.append(self._text(part))
            elif number == 7:
                nodes.append(self._node(part))
            elif number == 10:
                domain = self._text(part)
        return (domain, name), Graph(nodes, {}, inputs)

    def _node(self, span: Span) -> Node:
        inputs: list[str] = []
        outputs: list[str] = []
        op = domain = to = ""
        numbers: dict[str, int] = {}
        graphs: list[Graph] = []
        constant: Tensor | None = None
        for number, part in self._parts(span):
            if number == 1:
                inputs.append(self._text(part))
            elif number == 2:
                outputs.append(self._text(part))
            elif number == 4:
                op = self._text(part)
            elif number == 7:
                domain = self._text(part)
            elif number == 5:
                name, value, tensor, inner = self._attribute(part)
                graphs += inner
                if value is not None:
                    numbers[name] = value
                if tensor is not None and name in ("value", "sparse_value"):
                    constant = tensor
        if op in ("Cast", "QuantizeLinear"):
            to = TYPES.get(numbers.get("to" if op == "Cast" else "output_dtype", 0), "")
        return Node(
            op, inputs, outputs, domain, numbers, to, constant if op == "Constant" else None, graphs
        )

    def _attribute(self, span: Span) -> tuple[str, int | None, Tensor | None, list[Graph]]:
        name, value = "", None
        tensor: Tensor | None = None
        graphs: list[Graph] = []
        for number, kind, part in fields(self._data, span):
            if number == 3 and kind == _VARINT:
                value = part[0]
            elif kind != _BYTES:
                continue
            elif number == 1:
                name = self._text(part)
            elif number == 5:
                tensor = self._tensor(part)
            elif number in (6, 11):
                graphs.append(self._graph(part))
            elif number == 22:
                tensor = next((self._tensor(p) for n, p in self._parts(part) if n == 1), None)
        return name, value, tensor, graphs

    def _tensor(self, span: Span) -> Tensor:
        found = read_tensor(self._data, span)
        return Tensor(found.name, TYPES.get(found.data_type, ""), found.shape)

    def _values(self, graph: Span, field: int) -> Iterator[Tensor]:
        return (self._value(part) for number, part in self._parts(graph) if number == field)

    def _value(self, span: Span) -> Tensor:
        """Read a ValueInfoProto: its name, and the element type and shape of its tensor type."""
        name, kind = "", ""
        shape: list[int | None] = []
        for number, part in self._parts(span):
            if number == 1:
                name = self._text(part)
            elif number == 2:
                for inner, tensor in self._parts(part):
                    if inner == 1:
                        kind, shape = self._tensor_type(tensor)
        return Tensor(name, kind, tuple(shape))

    def _tensor_type(self, span: Span) -> tuple[str, list[int | None]]:
        kind = ""
        shape: list[int | None] = []
        for number, wire, part in fields(self._data, span):
            if number == 1 and wire == _VARINT:
                kind = TYPES.get(part[0], "")
            elif number == 2 and wire == _BYTES:
                for dim_number, dim in self._parts(part):
                    if dim_number == 1:
                        sizes = [v[0] for n, w, v in fields(self._data, dim) if (n, w) == (1, 0)]
                        shape.append(sizes[0] if sizes and 0 < sizes[0] < 1 << 40 else None)
        return kind, shape
