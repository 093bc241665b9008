"""The nodes of an ONNX graph, each with its tested function, run with checked types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from mlrepo.backends.torch_onnx.registry import (
    TYPE_NAMES,
    TYPES,
    Operator,
    Unsupported,
    find_operator,
    proved_versions,
)
from mlrepo.errors import UserError

HINT = "Use the backend onnx, or export the model with another opset of its exporter."
_SUBGRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


@dataclass(frozen=True)
class TorchNode:
    """A node that can be run; the name ``""`` is an omitted input or output."""

    label: str
    kind: str
    operator: Operator
    schema: Any
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def wanted(self) -> int:
        """The number of outputs up to the last one that is used."""
        return max((i + 1 for i, name in enumerate(self.outputs) if name), default=0)

    def keywords(self) -> dict[str, Any]:
        """Return the function's arguments besides the inputs."""
        counted = {"outputs": self.wanted} if self.operator.counts else {}
        return {**self.attributes, **counted}

    def argument(self, index: int, tensor: Any, *, constant: bool) -> Any:
        """Return an input as the function takes it: a tensor, or numbers if it is constant.

        Raises
        ------
        Unsupported
            The function needs the numbers, but they depend on the image.
        """
        if tensor is None:
            return None
        name = self.operator.input_name(index)
        if name in self.operator.known:
            if not constant:
                raise Unsupported(f"its input {name!r} depends on the image")
            return tensor.tolist()
        if constant and self.operator.numbers and tensor.dim() == 0:
            return tensor.item()
        return tensor

    def run(self, tensors: Sequence[Any], constant: Sequence[bool]) -> tuple[Any, ...]:
        """Run the node on tensors, with ``None`` for omitted inputs, and return its outputs.

        If all inputs are constant, the outputs have values; otherwise only shapes and types.
        The types of inputs and outputs must match ONNX's schema.

        Raises
        ------
        Unsupported
            The node is not of a form that is tested.
        """
        if all(constant) or self.kind in ("Shape", "Size"):
            known = self.operator.known
            wanted = [self.operator.input_name(i) in known for i in range(len(tensors))]
            given = [self.argument(i, t, constant=wanted[i]) for i, t in enumerate(tensors)]
        else:
            given = [self.argument(i, t, constant=constant[i]) for i, t in enumerate(tensors)]
            given = [one.to("meta") if isinstance(one, torch.Tensor) else one for one in given]
        found = self.operator.run(*given, **self.keywords())
        results = found if isinstance(found, tuple) else (found,)
        if len(results) < self.wanted:
            raise Unsupported(f"its output number {self.wanted} is used")
        self._check_types(tensors, results)
        return results

    def _check_types(self, tensors: Sequence[Any], results: Sequence[Any]) -> None:
        # Version 1 allows only floats, but exporters have always written integers, too.
        if self.kind == "Constant":
            return
        bound: dict[str, Any] = {}
        allowed = {
            one.type_param_str: one.allowed_type_strs for one in self.schema.type_constraints
        }
        for role, formals, actual in (
            ("input", self.schema.inputs, tensors),
            ("output", self.schema.outputs, results),
        ):
            for index, tensor in enumerate(actual):
                formal = formals[min(index, len(formals) - 1)]
                if tensor is None or not formal.is_homogeneous:
                    continue
                types = allowed.get(formal.type_str, [formal.type_str])
                name = TYPE_NAMES.get(tensor.dtype, str(tensor.dtype))
                if bound.setdefault(formal.type_str, tensor.dtype) != tensor.dtype:
                    other = TYPE_NAMES.get(bound[formal.type_str])
                    raise Unsupported(f"{role} {index + 1} is {name}, and another is {other}")
                if f"tensor({name})" not in types:
                    raise Unsupported(f"{role} {index + 1} is {name}, which ONNX does not allow")


def read_nodes(path: Path, model: Any) -> list[TorchNode]:
    """Return the nodes that the outputs of the graph need, in order.

    Raises
    ------
    UserError
        A node cannot be run; the message names the first one's operator, version and name.
    """
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    needed = {value.name for value in model.graph.output}
    given = {value.name for value in (*model.graph.input, *model.graph.initializer)}
    nodes: list[TorchNode] = []
    for proto in reversed(model.graph.node):
        if needed.isdisjoint(proto.output):
            continue
        needed.update(proto.input)
        nodes.append(_node(path, proto, opsets.get("ai.onnx", 0)))
        again = sorted(given.intersection(filter(None, proto.output)))
        if again:
            raise refused(path, nodes[-1].label, f"it computes {again[0]!r} a second time")
        given.update(proto.output)
    return nodes[::-1]


def refused(path: Path, label: str, reason: object) -> UserError:
    """Return the error for a node that is refused."""
    return UserError(f"{path.name}: PyTorch cannot run its {label}: {reason}.", hint=HINT)


def _node(path: Path, proto: Any, opset: int) -> TorchNode:
    where = f"node {proto.name!r}" if proto.name else f"node that computes {proto.output[0]!r}"
    domain = proto.domain if proto.domain not in ("", "ai.onnx") else ""
    kind = f"{domain}::{proto.op_type}" if domain else proto.op_type
    label = f"operator {kind} of opset {opset} ({where})"
    if domain:
        label = f"operator {kind} ({where})"
        raise refused(path, label, "operators of that domain are unknown")
    try:
        schema = onnx.defs.get_schema(proto.op_type, opset, "")
    except onnx.defs.SchemaError:
        schema = None
    if schema is None or opset > onnx.defs.onnx_opset_version():
        raise refused(path, label, f"onnx {onnx.__version__} knows none in that opset")
    if any(attribute.type in _SUBGRAPHS for attribute in proto.attribute):
        raise refused(path, label, "it contains a graph of its own")
    operator = find_operator(proto.op_type, schema.since_version)
    if operator is None:
        versions = proved_versions(proto.op_type)
        known = f"its known versions are {', '.join(map(str, versions))}"
        reason = (
            f"it is its version {schema.since_version}, and {known}"
            if versions
            else "it is unknown"
        )
        raise refused(path, label, reason)
    attributes = {a.name: _attribute(helper.get_attribute_value(a)) for a in proto.attribute}
    unknown = sorted(set(attributes) - operator.attributes)
    missing = sorted(n for n, a in schema.attributes.items() if a.required and n not in attributes)
    if unknown or missing:
        reason = f"its attribute {unknown[0]} is unknown" if unknown else f"it has no {missing[0]}"
        raise refused(path, label, reason)
    if not schema.min_input <= len(proto.input) <= schema.max_input:
        raise refused(path, label, f"it has {len(proto.input)} inputs")
    return TorchNode(
        label, proto.op_type, operator, schema, attributes, tuple(proto.input), tuple(proto.output)
    )


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return to_tensor(value)
    return value


def to_tensor(proto: Any) -> Any:
    """Return a constant of the model as a tensor of its own type.

    Raises
    ------
    Unsupported
        PyTorch does not compute with this type.
    """
    if proto.data_type not in TYPES:
        name = onnx.TensorProto.DataType.Name(proto.data_type).lower()
        raise Unsupported(f"the constant {proto.name!r} is of type {name}")
    array = np.array(numpy_helper.to_array(proto))
    if TYPES[proto.data_type] is torch.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
