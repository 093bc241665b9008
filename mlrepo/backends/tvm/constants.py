"""Constant folding in ONNX graphs: values replace operators that do not depend on the input.

Exporters write the shape of a tensor as chains of Shape, Gather and Concat, and weights as
Constant, Cast and Transpose. Once the batch is fixed, all of them have values, which onnx's
reference evaluator computes; TVM's importer reads a shape only as a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
    shape_inference,
)
from onnx.reference import ReferenceEvaluator

Value = npt.NDArray[Any]

# Operators that are kept: they have no value, or the pipeline turns them into integer arithmetic.
_KEPT = frozenset(
    {
        "QuantizeLinear",
        "DequantizeLinear",
        "If",
        "Loop",
        "Scan",
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
# Largest value, in bytes, whose content shape inference sees, such as a shape; weights only have
# a type.
_SMALL = 1024
# Largest value, in bytes, that replaces operators: a larger expanded constant keeps its operators.
_LARGEST = 2**28
_MOST_ROUNDS = 20


def set_batch(model: ModelProto, name: str, shape: tuple[int, ...]) -> None:
    """Fix the shape of the input ``name``, and remove the shapes stated for other values.

    Exporters write shapes of intermediate values and outputs for the batch they exported with.
    """
    value = next(value for value in model.graph.input if value.name == name)
    kind = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(name, kind, list(shape)))
    del model.graph.value_info[:]
    for output in model.graph.output:
        for size in output.type.tensor_type.shape.dim:
            size.Clear()


def fold_constants(model: ModelProto) -> None:
    """Replace, in place, all operators whose result does not depend on the input.

    The shape of the input must be fixed. An ``If`` with a constant condition is replaced by the
    branch that is taken; unused nodes and values are removed.
    """
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    # Before IR version 4 weights were listed as inputs, too.
    replace(graph.input, [value for value in graph.input if value.name not in values])
    for _ in range(_MOST_ROUNDS):
        if not _fold_once(model, values):
            break
    _remove_unused(graph, values)


def static_shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the known shapes of the values of a graph, by name."""
    small = _without_weights(model)
    try:
        graph = shape_inference.infer_shapes(small, data_prop=True).graph
    except Exception:  # of any kind, as for an operator unknown to onnx; the known shapes suffice
        graph = small.graph
    shapes = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if not kind.HasField("shape"):
            continue
        sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
        if min(sizes, default=0) >= 0:
            shapes[value.name] = tuple(sizes)
    return shapes


def constant(name: str, value: Value) -> TensorProto:
    """Return an initializer."""
    return numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)


def replace(field: Any, items: Iterable[Any]) -> None:
    """Replace the messages of a repeated field."""
    kept = list(items)
    del field[:]
    field.extend(kept)


def _fold_once(model: ModelProto, values: dict[str, TensorProto]) -> bool:
    """Fold everything that can be folded now; return whether anything was."""
    graph = model.graph
    asks = any(node.op_type in ("Shape", "Size") for node in graph.node)
    shapes = static_shapes(model) if asks else {}
    nodes: list[NodeProto] = []
    changed = False
    for node in graph.node:
        branch = _branch(node, values)
        found = _values_of(node, values, shapes, model.opset_import) if branch is None else None
        if branch is not None:
            nodes += branch.node
            for tensor in branch.initializer:
                values[tensor.name] = tensor
        elif found is not None:
            values.update(found)
        else:
            nodes.append(node)
            continue
        changed = True
    if changed:
        replace(graph.node, nodes)
        replace(graph.initializer, values.values())
    return changed


def _values_of(
    node: NodeProto,
    values: Mapping[str, TensorProto],
    shapes: Mapping[str, tuple[int, ...]],
    opsets: Iterable[Any],
) -> dict[str, TensorProto] | None:
    """Return the values of the outputs of a node, None if they are not known."""
    if node.op_type in _KEPT or node.domain not in ("", "ai.onnx"):
        return None
    names = [name for name in node.input if name]
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        # Only the shape matters: zeros that take no memory.
        feeds = {node.input[0]: np.broadcast_to(np.float32(0), shapes[node.input[0]])}
    elif all(name in values for name in names):
        feeds = {name: numpy_helper.to_array(values[name]) for name in names}
    else:
        return None
    try:
        results = _evaluate(node, feeds, opsets)
    except Exception:  # of any kind: the evaluator cannot compute it, so it is left to TVM
        return None
    if any(not isinstance(r, np.ndarray | np.generic) or r.nbytes > _LARGEST for r in results):
        return None
    outputs = [name for name in node.output if name]
    return {
        name: constant(name, np.asarray(result))
        for name, result in zip(outputs, results, strict=True)
    }


def _evaluate(node: NodeProto, feeds: Mapping[str, Value], opsets: Iterable[Any]) -> list[Any]:
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), None)
        for name, value in feeds.items()
    ]
    outs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "constant", ins, outs)
    evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=list(opsets)))
    return list(evaluator.run(None, dict(feeds)))


def _branch(node: NodeProto, values: Mapping[str, TensorProto]) -> GraphProto | None:
    """Return the branch of an If that is always taken, its outputs renamed to those of the If."""
    if node.op_type != "If" or node.input[0] not in values:
        return None
    taken = "then_branch" if numpy_helper.to_array(values[node.input[0]]).all() else "else_branch"
    branch = GraphProto()
    branch.CopyFrom(next(a.g for a in node.attribute if a.name == taken))
    for inner, outer in zip(branch.output, node.output, strict=True):
        branch.node.append(helper.make_node("Identity", [inner.name], [outer]))
    return branch


def _remove_unused(graph: GraphProto, values: Mapping[str, TensorProto]) -> None:
    needed = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if needed.isdisjoint(node.output):
            continue
        nodes.append(node)
        needed |= names_read(node)
    replace(graph.node, reversed(nodes))
    replace(graph.initializer, [values[name] for name in values if name in needed])


def names_read(node: NodeProto) -> set[str]:
    """Return the names that a node and its subgraphs read."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names |= names_read(inner)
            names.update(value.name for value in graph.output)
    return names


def _without_weights(model: ModelProto) -> ModelProto:
    """Return the model with large weights as typed inputs, which makes shape inference fast."""
    graph = model.graph
    large = [tensor for tensor in graph.initializer if tensor.ByteSize() > _SMALL]
    small = [tensor for tensor in graph.initializer if tensor.ByteSize() <= _SMALL]
    typed = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in large]
    inputs = [*graph.input, *typed]
    slim = helper.make_graph(graph.node, graph.name, inputs, graph.output, small)
    return helper.make_model(slim, opset_imports=model.opset_import, ir_version=model.ir_version)
