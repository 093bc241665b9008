"""Rewrite ONNX operators to the form that TVM's importer reads correctly; refuse all others.

The importer supports one form of most operators, which may not be that of the model's opset, and
ignores the domains of operators. ``tests/backends/test_tvm_operators.py`` compares what it imports
with ONNX Runtime, for each operator and opset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mlrepo.backends.tvm.constants import constant

# ONNX Runtime's own operators that the importer supports. The importer reads any "Attention" as one
# of these, but in ONNX's own domain it is a different operator.
_MICROSOFT = frozenset(
    {
        "Attention",
        "BiasGelu",
        "EmbedLayerNormalization",
        "FastGelu",
        "Gelu",
        "SkipLayerNormalization",
    }
)
_ONNX = ("", "ai.onnx")
# ONNX now says that these still apply their arithmetic to each element if no axis is reduced. Older
# versions of its specification, ONNX Runtime and TVM differ.
_ARITHMETIC = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


class RefusedNode(Exception):
    """TVM would not compute what this node's operator means."""


@dataclass
class GraphView:
    """The facts about the graph that rewriting a node may need.

    Attributes
    ----------
    opset:
        The version of ONNX's operator set.
    values, shapes:
        Constants, and known shapes, by name. New constants are added to ``values``.
    """

    opset: int
    values: dict[str, TensorProto]
    shapes: Mapping[str, tuple[int, ...]]

    def value(self, name: str) -> Any:
        """Return a constant by name, or None."""
        return numpy_helper.to_array(self.values[name]) if name in self.values else None

    def add(self, name: str, value: Any) -> str:
        """Add a constant and return its unique name."""
        while name in self.values:
            name += "_"
        self.values[name] = constant(name, np.asarray(value))
        return name


Spelling = Callable[[NodeProto, dict[str, Any], GraphView], Sequence[NodeProto] | None]


def spell(node: NodeProto, graph: GraphView) -> Sequence[NodeProto]:
    """Return the nodes that the importer should read in place of a node; usually the node itself.

    Raises
    ------
    RefusedNode
        The importer would compute something different.
    """
    known = node.domain in _ONNX and node.op_type not in ("Attention", *_FOREIGN)
    if not known and not (node.domain == "com.microsoft" and node.op_type in _MICROSOFT):
        raise RefusedNode("TVM's importer has no such operator")
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    spelling = _SPELLINGS.get(node.op_type)
    new = spelling(node, attributes, graph) if spelling and node.domain in _ONNX else None
    return [node] if new is None else new


_FOREIGN = _MICROSOFT - {"Attention", "Gelu"}


def _dropout(
    node: NodeProto, attributes: dict[str, Any], graph: GraphView
) -> list[NodeProto] | None:
    """Replace Dropout by its inference behaviour: it drops nothing, and its mask is all ones."""
    training = graph.value(node.input[2]) if len(node.input) > 2 and node.input[2] else False
    if training is None or np.any(training):
        raise RefusedNode("training mode")
    nodes = [helper.make_node("Identity", [node.input[0]], [node.output[0]])]
    if len(node.output) < 2 or not node.output[1]:
        return nodes
    # Before version 12, ONNX does not define the mask for inference, and runtimes differ.
    if graph.opset < 12 or node.input[0] not in graph.shapes:
        raise RefusedNode("the mask as an output")
    mask = graph.add(f"{node.output[1]}/ones", np.ones(graph.shapes[node.input[0]], np.bool_))
    return [*nodes, helper.make_node("Identity", [mask], [node.output[1]])]


def _slice(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> list[NodeProto] | None:
    """Turn the bounds into inputs: before opset 10 they were attributes."""
    if graph.opset >= 10:
        return None
    starts, ends = attributes["starts"], attributes["ends"]
    axes = attributes.get("axes", range(len(starts)))
    names = [
        graph.add(f"{node.output[0]}/{name}", np.array(list(values), np.int64))
        for name, values in (("starts", starts), ("ends", ends), ("axes", axes))
    ]
    return [helper.make_node("Slice", [node.input[0], *names], node.output, node.name)]


def _resize(
    node: NodeProto, attributes: dict[str, Any], graph: GraphView
) -> list[NodeProto] | None:
    """Rewrite Upsample, and Resize before opset 11: asymmetric coordinates, nearest rounds down."""
    if node.op_type == "Resize" and graph.opset >= 11:
        for name in ("antialias", "exclude_outside"):
            if attributes.get(name):
                raise RefusedNode(name)
        if (
            "axes" in attributes
            or attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch"
        ):
            raise RefusedNode("axes, or a kept aspect ratio")
        return None
    scales = attributes.get("scales")
    scale = node.input[1] if scales is None else ""
    name = scale or graph.add(f"{node.output[0]}/scales", np.array(scales, np.float32))
    return [
        helper.make_node(
            "Resize",
            [node.input[0], "", name],
            node.output,
            node.name,
            mode=attributes.get("mode", b"nearest").decode(),
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
    ]


def _transposed(
    node: NodeProto, attributes: dict[str, Any], graph: GraphView
) -> list[NodeProto] | None:
    """Turn ``output_shape``, which the importer ignores, into padding as ONNX defines it."""
    asked = attributes.pop("output_shape", None)
    if asked is None:
        return None
    shape, kernel = graph.shapes.get(node.input[0]), graph.shapes.get(node.input[1])
    if shape is None or kernel is None:
        raise RefusedNode("output_shape of an input of unknown shape")
    spatial = len(shape) - 2
    ones, zeros = [1] * spatial, [0] * spatial
    lower = attributes.pop("auto_pad", b"NOTSET") != b"SAME_UPPER"
    begin, end = [], []
    for axis in range(spatial):
        stride = attributes.get("strides", ones)[axis]
        window = (kernel[2 + axis] - 1) * attributes.get("dilations", ones)[axis] + 1
        more = attributes.get("output_padding", zeros)[axis]
        total = stride * (shape[2 + axis] - 1) + more + window - asked[-spatial:][axis]
        if total < 0:
            raise RefusedNode("output_shape larger than what is computed")
        begin.append(total - total // 2 if lower else total // 2)
        end.append(total - begin[-1])
    attributes["pads"] = begin + end
    return [helper.make_node(node.op_type, node.input, node.output, node.name, **attributes)]


def _power(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> list[NodeProto] | None:
    """Cast an exponent of another type to the type of the base, in which Pow computes."""
    exponent = graph.value(node.input[1])
    if exponent is None or exponent.dtype == np.float32:
        return None
    name = f"{node.output[0]}/exponent"
    return [
        helper.make_node("CastLike", [node.input[1], node.input[0]], [name]),
        helper.make_node("Pow", [node.input[0], name], node.output, node.name),
    ]


def _reduction(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> None:
    if attributes.get("noop_with_empty_axes") and node.op_type in _ARITHMETIC:
        raise RefusedNode("noop_with_empty_axes")


def _sum(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> list[NodeProto] | None:
    """Rewrite Sum as Adds: the importer would stack the terms, losing memory and any layout."""
    if len(node.input) == 1:
        return [helper.make_node("Identity", node.input, node.output, node.name)]
    return list(_chain("Add", node))


def _chain(operator: str, node: NodeProto) -> Iterator[NodeProto]:
    last = node.input[0]
    for number, term in enumerate(node.input[1:], start=2):
        name = node.output[0] if number == len(node.input) else f"{node.output[0]}/{number}"
        yield helper.make_node(operator, [last, term], [name])
        last = name


def _top_k(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> None:
    if graph.opset == 10:
        raise RefusedNode("its version of operator set 10")


def _batch_normalization(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> None:
    if attributes.get("training_mode") or not attributes.get("spatial", 1):
        raise RefusedNode("training mode, or statistics for each element")
    if any(node.output[1:]):
        raise RefusedNode("statistics as outputs")


def _pooling(node: NodeProto, attributes: dict[str, Any], graph: GraphView) -> None:
    if any(node.output[1:]):
        raise RefusedNode("indices as an output")


_SPELLINGS: Mapping[str, Spelling] = {
    "BatchNormalization": _batch_normalization,
    "ConvTranspose": _transposed,
    "Dropout": _dropout,
    "MaxPool": _pooling,
    "Pow": _power,
    "Resize": _resize,
    "Slice": _slice,
    "Sum": _sum,
    "TopK": _top_k,
    "Upsample": _resize,
    **dict.fromkeys(_ARITHMETIC, _reduction),
}
