"""Small classifiers made on the spot, with the input and the outputs of ImageNet's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def tiny_classifier(
    path: Path,
    *,
    classes: int = 1000,
    size: int = 224,
    depthwise: bool = False,
    opset: int = 17,
) -> Path:
    """Write a model [n, 3, size, size] -> [n, classes]: convolutions, pooling, a matrix.

    With ``depthwise`` a grouped convolution stands in the middle.
    """
    rng = np.random.default_rng(classes)
    weights = {
        "w1": rng.standard_normal((32, 3, 7, 7)) * 0.01,
        "b1": rng.standard_normal(32) * 0.01,
        "w2": rng.standard_normal((32, 1 if depthwise else 32, 3, 3)) * 0.1,
        "b2": rng.standard_normal(32) * 0.01,
        "w3": rng.standard_normal((classes, 32)),
        "b3": rng.standard_normal(classes) * 0.01,
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], strides=[4, 4], pads=[3] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node(
            "Conv", ["r1", "w2", "b2"], ["c2"], pads=[1] * 4, group=32 if depthwise else 1
        ),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"], axis=1),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        initializer=[
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)
    return path


def write_layers(
    path: Path,
    nodes: Iterable[NodeProto],
    weights: Mapping[str, tuple[int, ...]],
    image: tuple[int, int, int],
) -> Path:
    """Write a model ["image", n, *image] -> "scores" of some nodes and random weights of a shape.

    Weights are small enough that sums over their inputs stay near one.
    """
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(
            (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name
        )
        for name, shape in weights.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "layers",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *image])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, path)
    return path
