"""Import of an ONNX model as a Relax module, with errors that name what TVM cannot read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, inliner, numpy_helper

from mlrepo.backends.tvm.constants import (
    constant,
    fold_constants,
    replace,
    set_batch,
    static_shapes,
)
from mlrepo.backends.tvm.spellings import GraphView, RefusedNode, spell
from mlrepo.errors import UserError

_NARROW = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_HINT = "Use another opset of the model (mlrepo model list) or another backend."


def import_onnx(
    model: ModelProto, name: str, shape: tuple[int, ...], path: Path
) -> tuple[Any, bool]:
    """Return a Relax module, and whether narrow floating-point numbers were widened to float32.

    Parameters
    ----------
    model:
        The model, which is changed in place.
    name, shape:
        The input that the samples are fed to, and its shape with the batch.
    path:
        The file that the model was read from, for messages.

    Raises
    ------
    UserError
        TVM cannot read an operator; the message gives its name, version and node.
    """
    from tvm.relax.frontend.onnx import from_onnx

    if model.functions:
        model = inliner.inline_local_functions(model)
    set_batch(model, name, shape)
    widened = _widen(model.graph)
    fold_constants(model)
    _spell_all(model, path)
    fold_constants(model)
    said = io.StringIO()
    try:
        # The importer prints the node that it cannot read, with all its weights.
        with contextlib.redirect_stdout(said):
            module = from_onnx(model, shape_dict={name: list(shape)}, keep_params_in_input=False)
    except Exception as error:  # TVM's importer raises errors of any kind
        node = _failing_node(error)
        tried = f"TVM cannot import {path.name}"
        if node is not None:
            tried += f", {_called(node, model)}"
        raise UserError.caused_by(tried, error, hint=_HINT) from error
    return module, widened


def _spell_all(model: ModelProto, path: Path) -> None:
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    around = GraphView(_opset(model), values, static_shapes(model))
    nodes: list[NodeProto] = []
    for node in graph.node:
        try:
            nodes += spell(node, around)
        except RefusedNode as reason:
            raise UserError(
                f"TVM cannot import {path.name}, {_called(node, model)}: {reason}.", hint=_HINT
            ) from reason
    replace(graph.node, nodes)
    replace(graph.initializer, values.values())


def _called(node: NodeProto, model: ModelProto) -> str:
    domain = f"{node.domain}." if node.domain else ""
    which = f" (node {node.name})" if node.name else ""
    return f"operator {domain}{node.op_type} of operator set {_opset(model, node.domain)}{which}"


def _opset(model: ModelProto, domain: str = "") -> int:
    same = ("", "ai.onnx") if domain in ("", "ai.onnx") else (domain,)
    return next((entry.version for entry in model.opset_import if entry.domain in same), 1)


def _failing_node(error: BaseException) -> NodeProto | None:
    """Return the node that the importer failed on, which its message does not always name."""
    trace, found = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_name in ("_construct_nodes", "_convert_subgraph"):
            node = trace.tb_frame.f_locals.get("node")
            found = node if isinstance(node, NodeProto) else found
        trace = trace.tb_next
    return found


def _widen(graph: GraphProto) -> bool:
    """Replace float16 and bfloat16 in a graph by float32; return whether it had any.

    On a CPU without arithmetic for them, TVM's sums would be rounded to float16, which loses more
    than the weights did. ONNX Runtime widens, too. The input keeps its type.
    """
    changed = False
    for tensor in graph.initializer:
        if tensor.data_type in _NARROW:
            tensor.CopyFrom(_wide(tensor))
            changed = True
    for node in graph.node:
        changed |= _widen_node(node)
    casts = [value for value in graph.input if value.type.tensor_type.elem_type in _NARROW]
    for value in casts:
        wide = f"{value.name}/float32"
        for node in graph.node:
            _rename(node, value.name, wide)
        graph.node.insert(0, helper.make_node("Cast", [value.name], [wide], to=TensorProto.FLOAT))
    for value in graph.output:
        if value.type.tensor_type.elem_type in _NARROW:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return changed or bool(casts)


def _widen_node(node: NodeProto) -> bool:
    changed = False
    for attribute in node.attribute:
        # "to" of Cast, "dtype" of EyeLike and others contain the number of a type.
        if attribute.name in ("to", "dtype") and attribute.i in _NARROW:
            attribute.i = TensorProto.FLOAT
            changed = True
        if attribute.HasField("t") and attribute.t.data_type in _NARROW:
            attribute.t.CopyFrom(_wide(attribute.t))
            changed = True
        for graph in _graphs(attribute):
            changed |= _widen(graph)
    return changed


def _rename(node: NodeProto, before: str, after: str) -> None:
    replace(node.input, [after if name == before else name for name in node.input])
    for attribute in node.attribute:
        for graph in _graphs(attribute):
            for inner in graph.node:
                _rename(inner, before, after)


def _graphs(attribute: onnx.AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _wide(tensor: TensorProto) -> TensorProto:
    return constant(tensor.name, numpy_helper.to_array(tensor).astype(np.float32))
