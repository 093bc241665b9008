"""The types of a graph's weights: inputs of layers are followed back to constants.

The rules, for both ONNX and OpenVINO IR:

* A weight is a constant that a layer multiplies its input by: the kernel of a convolution, the
  matrix of a product or of a recurrent layer, the table of an embedding. Biases, normalizations,
  scales, zero points, shapes and indices do not count: an int8 model with float biases is int8.
* Its type is the narrowest one between the constant and the layer. An int8 matrix that is
  dequantized is int8; an fp32 matrix that is quantized or cast has the type it is rounded to.
* Every type that a weight has counts, however few weights have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

# Bits per number, by the names in measurements files; a tensor of any other type is not a weight.
BITS = {
    "fp64": 64,
    "fp32": 32,
    "fp16": 16,
    "bf16": 16,
    "fp8": 8,
    "fp4": 4,
    "int16": 16,
    "uint16": 16,
    "int8": 8,
    "uint8": 8,
    "int4": 4,
    "uint4": 4,
    "int2": 2,
    "uint2": 2,
}

# The inputs of an operator that are weights if they are constant.
_LAYERS: Mapping[str, tuple[int, ...]] = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "DeformConv": (1,),
    "ConvInteger": (1,),
    "FusedConv": (1,),
    "NhwcFusedConv": (1,),
    "QLinearConv": (3,),
    "Gemm": (0, 1),
    "FusedGemm": (0, 1),
    "QGemm": (3,),
    "MatMul": (0, 1),
    "FusedMatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "QLinearMatMul": (0, 3),
    "MatMulIntegerToFloat": (0, 1),
    "DynamicQuantizeMatMul": (1,),
    "SparseToDenseMatMul": (0, 1),
    "TransposeMatMul": (0, 1),
    "Einsum": (0, 1, 2),
    "RNN": (1, 2),
    "GRU": (1, 2),
    "LSTM": (1, 2),
    "DynamicQuantizeLSTM": (1, 2),
    "Attention": (1,),
    "QAttention": (1,),
    "LongformerAttention": (1, 3),
    "Gather": (0,),
    "GatherElements": (0,),
    "GatherND": (0,),
    "EmbedLayerNormalization": (2, 3, 4),
    "QEmbedLayerNormalization": (2, 3, 4),
}
# Operators that look up rows of a table: where the tables are among their inputs.
_TABLES: Mapping[str, tuple[int, ...]] = {
    name: _LAYERS[name]
    for name in ("Gather", "EmbedLayerNormalization", "QEmbedLayerNormalization")
} | {"GatherBlockQuantized": (0,)}
# Weights of a few bits, packed into bytes: the inputs, and the attribute with the number of bits.
_PACKED: Mapping[str, tuple[tuple[int, ...], str]] = {
    "MatMulNBits": ((1,), "bits"),
    "GatherBlockQuantized": ((0,), "bits"),
    "QMoE": ((2, 5, 8), "expert_weight_bits"),
}
_ZERO_POINTS = {"MatMulNBits": 3, "GatherBlockQuantized": 3}
# Operators that pass on their first input, whatever the others are.
_PASSING = frozenset(
    {
        "Identity",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Pad",
        "Expand",
        "Tile",
        "Clip",
        "DequantizeLinear",
        "Split",
        "Dropout",
        "Neg",
        "Abs",
    }
)
# Operators that combine several constants into one.
_JOINING = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Concat", "Where", "Max", "Min"})
# Types of integers folded into a kernel; elsewhere these types are indices and shapes.
_FOLDED = ("int32", "int64")
# Operator sets whose operators are known; in others, every constant matrix counts as a weight.
_KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})


@dataclass(frozen=True)
class Tensor:
    """A constant, an input or an output: its name, type and shape (None: any size)."""

    name: str
    type: str
    shape: tuple[int | None, ...] = ()

    @property
    def count(self) -> int:
        """How many numbers it holds; an unknown size counts as 1."""
        total = 1
        for size in self.shape:
            total *= 1 if size is None else size
        return total


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes
    ----------
    numbers:
        Its integer attributes.
    to:
        The type that it casts or quantizes to, if it names one.
    constant:
        The value of a ``Constant``.
    """

    op: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    domain: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    to: str = ""
    constant: Tensor | None = None
    graphs: Sequence[Graph] = ()


@dataclass(frozen=True)
class Graph:
    """Operators, constants and the names of the inputs; also the body of a function."""

    nodes: Sequence[Node]
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Sequence[str] = ()


Functions = Mapping[tuple[str, str], Graph]


def weight_types(graph: Graph, functions: Functions | None = None) -> tuple[str, ...]:
    """Return the types of a graph's weights, the one with the most numbers first.

    An empty result means that they are unknown.
    """
    counts: dict[str, int] = {}
    seen: set[int] = set()
    for found in _Scope(graph, functions or {}).weights():
        # Two layers may share their weights.
        if found.identity not in seen:
            seen.add(found.identity)
            counts[found.type] = counts.get(found.type, 0) + found.count
    return tuple(sorted(counts, key=lambda word: (-counts[word], word)))


def embedding_rows(graph: Graph, functions: Functions | None = None) -> int:
    """Return the rows of the largest table of embeddings in a graph; 0 if it has none."""
    return max(_Scope(graph, functions or {}).tables(), default=0)


def narrower(one: str, other: str) -> str:
    """Return the type with fewer bits; the first if both have the same."""
    return other if BITS.get(other, 64) < BITS.get(one, 64) else one


@dataclass(frozen=True)
class _Constant:
    """A constant as it reaches a layer.

    ``identity`` is that of the tensor it comes from, ``rows`` the first size of that.
    """

    type: str
    count: int
    identity: int
    rank: int
    rows: int


class _Scope:
    """A graph, and the scope of the names that it does not define itself."""

    def __init__(
        self,
        graph: Graph,
        functions: Functions,
        above: _Scope | None = None,
        arguments: Mapping[str, str] | None = None,
        depth: int = 0,
    ) -> None:
        self._graph, self._functions, self._above = graph, functions, above
        # In a function: its own name of an input to the caller's. A subgraph sees all outer names.
        self._arguments = arguments
        self._depth = depth
        self._makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._known: dict[str, _Constant | None] = {}

    def weights(self) -> Iterator[_Constant]:
        """Yield the weights of all layers, including those of subgraphs and functions."""
        for scope, node in self._all_nodes():
            yield from scope._packed(node) if node.op in _PACKED else scope._plain(node)

    def tables(self) -> Iterator[int]:
        """Yield the rows of each matrix that rows are looked up in."""
        for scope, node in self._all_nodes():
            for place in _TABLES.get(node.op, ()):
                found = scope._constant(node.inputs[place]) if place < len(node.inputs) else None
                if found is not None and found.rank == 2:
                    yield found.rows

    def _all_nodes(self) -> Iterator[tuple[_Scope, Node]]:
        """Yield each operator with its scope; a function's operators instead of its call."""
        if self._depth > 32:  # functions that call each other recursively
            return
        for node in self._graph.nodes:
            for graph in node.graphs:
                yield from _Scope(graph, self._functions, self, None, self._depth + 1)._all_nodes()
            body = self._functions.get((node.domain, node.op))
            if body is None:
                yield self, node
                continue
            names = dict(zip(body.inputs, node.inputs, strict=False))
            yield from _Scope(body, self._functions, self, names, self._depth + 1)._all_nodes()

    def _plain(self, node: Node) -> Iterator[_Constant]:
        known = node.domain in _KNOWN_DOMAINS
        places = _LAYERS.get(node.op, () if known else tuple(range(len(node.inputs))))
        for place in places:
            found = self._constant(node.inputs[place]) if place < len(node.inputs) else None
            if found is None or not (known or found.rank > 1):
                continue
            folded = found.type in _FOLDED and node.op.startswith(("Conv", "MatMul"))
            if found.type in BITS or folded:
                yield found

    def _packed(self, node: Node) -> Iterator[_Constant]:
        places, attribute = _PACKED[node.op]
        for place in places:
            found = self._constant(node.inputs[place]) if place < len(node.inputs) else None
            if found is None:
                continue
            bits = node.numbers.get(attribute, 4)
            if BITS.get(found.type, 8) < 8:  # already a type of a few bits, not packed
                yield found
                continue
            # Without zero points, zero is the middle of the range: the numbers are signed.
            zeros = _ZERO_POINTS.get(node.op, len(node.inputs))
            signed = zeros >= len(node.inputs) or not node.inputs[zeros]
            word = f"{'' if signed else 'u'}int{bits}"
            yield replace(found, type=word, count=found.count * 8 // max(1, bits))

    def _constant(self, name: str) -> _Constant | None:
        """Return the constant behind a name; None if not everything in it is constant."""
        if name not in self._known:
            self._known[name] = None  # during the lookup, so that a cycle ends
            self._known[name] = self._look_up(name)
        return self._known[name]

    def _look_up(self, name: str) -> _Constant | None:
        if name in self._graph.constants:
            return _of(self._graph.constants[name])
        node = self._makers.get(name)
        if node is not None:
            return self._made(node)
        if self._above is None or not name:
            return None
        if self._arguments is None:
            return self._above._constant(name)
        return self._above._constant(self._arguments.get(name, ""))

    def _made(self, node: Node) -> _Constant | None:
        if node.constant is not None:
            return _of(node.constant)
        if node.op in _JOINING:
            parts = [self._constant(name) for name in node.inputs if name]
            found = [part for part in parts if part is not None]
            whole = bool(found) and len(found) == len(parts)
            return max(found, key=lambda part: part.count) if whole else None
        if not node.inputs or node.op not in (*_PASSING, "Cast", "CastLike", "QuantizeLinear"):
            return None
        source = self._constant(node.inputs[0])
        if source is None:
            return None
        to = node.to
        if node.op == "QuantizeLinear" and not to:
            zero = self._constant(node.inputs[2]) if len(node.inputs) > 2 else None
            to = zero.type if zero else "uint8"
        kind = narrower(source.type, to) if to else source.type
        return replace(source, type=kind)


def _of(tensor: Tensor) -> _Constant:
    rows = (tensor.shape[0] if tensor.shape else None) or 0
    return _Constant(tensor.type, tensor.count, id(tensor), len(tensor.shape), rows)
