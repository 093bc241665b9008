"""Read an OpenVINO IR as a graph; its ``.xml`` holds everything but the values of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from mlrepo.workloads.weights.graph import Graph, Node, Tensor

_TYPES = {
    "f64": "fp64",
    "f32": "fp32",
    "f16": "fp16",
    "bf16": "bf16",
    "f8e4m3": "fp8",
    "f8e5m2": "fp8",
    "f4e2m1": "fp4",
    "nf4": "fp4",
    "i8": "int8",
    "u8": "uint8",
    "i4": "int4",
    "u4": "uint4",
    "i2": "int2",
    "u2": "uint2",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "i64": "int64",
    "boolean": "bool",
}
# Layers by their ONNX names; their weights are at the same input positions as in ONNX.
_LAYERS = {
    "Convolution": "Conv",
    "GroupConvolution": "Conv",
    "ConvolutionBackpropData": "Conv",
    "GroupConvolutionBackpropData": "Conv",
    "DeformableConvolution": "DeformConv",
    "MatMul": "MatMul",
    "FullyConnected": "MatMul",
    "Gather": "Gather",
    "Einsum": "Einsum",
    "Convert": "Cast",
    "ConvertLike": "CastLike",
    "FakeQuantize": "QuantizeLinear",
    "Multiply": "Mul",
    "Subtract": "Sub",
    "Divide": "Div",
    "Add": "Add",
    "Concat": "Concat",
    "Reshape": "Reshape",
    "Transpose": "Transpose",
    "Squeeze": "Squeeze",
    "Unsqueeze": "Unsqueeze",
}
# Input positions of the two matrices of a recurrent layer: X, states, (lengths,) W, R.
_RECURRENT = {
    "LSTMSequence": (4, 5),
    "GRUSequence": (3, 4),
    "RNNSequence": (3, 4),
    "LSTMCell": (3, 4),
    "GRUCell": (2, 3),
    "RNNCell": (2, 3),
}


class OpenVinoFile(NamedTuple):
    """The content of an IR, without the values of its weights."""

    graph: Graph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def read_openvino(path: Path) -> OpenVinoFile:
    """Read an IR.

    Raises
    ------
    ValueError
        The file is not an OpenVINO IR.
    OSError
        The file cannot be read.
    """
    try:
        net = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    if net.tag != "net" or net.find("layers") is None:
        raise ValueError("it is not an OpenVINO IR")
    sources: dict[str, list[tuple[int, str]]] = {}
    for edge in net.iterfind("edges/edge"):
        place = int(edge.get("to-port", "0"))
        sources.setdefault(edge.get("to-layer", ""), []).append((place, edge.get("from-layer", "")))
    nodes: list[Node] = []
    constants: dict[str, Tensor] = {}
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    for layer in net.iterfind("layers/layer"):
        name, kind, data = layer.get("id", ""), layer.get("type", ""), layer.find("data")
        values = data.attrib if data is not None else {}
        before = [source for _, source in sorted(sources.get(name, []))]
        described = Tensor(
            layer.get("name", ""),
            _TYPES.get(values.get("element_type", ""), ""),
            _shape(values.get("shape", "").split(",")),
        )
        if kind == "Const":
            constants[name] = described
        elif kind == "Parameter":
            inputs.append(described)
        elif kind == "Result":
            port = layer.find("input/port")
            shape = _shape([d.text or "" for d in port.iterfind("dim")]) if port is not None else ()
            outputs.append(Tensor(layer.get("name", ""), "", shape))
        elif kind in _RECURRENT:
            matrices = [before[place] for place in _RECURRENT[kind] if place < len(before)]
            nodes.append(Node("RNN", ["", *matrices], [name]))
        else:
            nodes.append(Node(_LAYERS.get(kind, kind), before, [name], to=_to(kind, values)))
    return OpenVinoFile(Graph(nodes, constants), tuple(inputs), tuple(outputs))


def _to(kind: str, values: dict[str, str]) -> str:
    """Return the type that a layer rounds to; for FakeQuantize, the one that fits its levels."""
    if kind == "Convert":
        return _TYPES.get(values.get("destination_type", ""), "")
    if kind == "FakeQuantize":
        levels = int(values.get("levels", "256"))
        return "int4" if levels <= 16 else "int8" if levels <= 256 else "int16"
    return ""


def _shape(texts: list[str]) -> tuple[int | None, ...]:
    found = [text.strip() for text in texts if text.strip()]
    return tuple(int(text) if text.isdecimal() and int(text) else None for text in found)
