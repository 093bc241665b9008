"""Building ONNX models from numpy arrays: no training framework is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # the IR version that goes with opset 17
# An input or output: its name, its type in ``onnx.TensorProto``, its shape (text for an open size).
Value = tuple[str, int, Sequence[str | int]]


@dataclass
class OnnxGraph:
    """The nodes and the weights written so far."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        name: str,
        output: str | None = None,
        **attributes: float | Sequence[int],
    ) -> str:
        """Append a node and return the name of its output."""
        output = output or f"{name}_out"
        node = helper.make_node(op, list(inputs), [output], name=name)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        return output

    def weight(self, name: str, values: npt.NDArray[Any]) -> str:
        """Append a constant and return its name."""
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def model(
        self, name: str, inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> onnx.ModelProto:
        """Return the checked model."""
        model = self.unchecked(name, inputs, outputs)
        onnx.checker.check_model(model, full_check=True)
        return model

    def unchecked(
        self, name: str, inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> onnx.ModelProto:
        """Return the model; ONNX checks one with external weights by its path alone."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            initializer=self.weights,
        )
        return helper.make_model(
            graph,
            producer_name="mlrepo",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )


def reference_output(path: Path, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the first output of a model file, by the reference evaluator of `onnx`."""
    from onnx.reference import ReferenceEvaluator

    outputs: Any = ReferenceEvaluator(onnx.load(str(path))).run(None, dict(inputs))
    first: npt.NDArray[Any] = outputs[0]
    return first
