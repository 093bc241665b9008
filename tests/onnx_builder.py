"""Small ONNX models of any operator and opset, made node by node with seeded weights."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]
CLASSES = 10


@dataclass(frozen=True)
class GeneratedModel:
    """A model, and how it can be judged.

    Attributes
    ----------
    name:
        What it holds: an operator, a form of a file, an architecture.
    proto:
        The graph, with its weights.
    image:
        The shape of one sample as the model takes it.
    bound:
        How far scores may be from the reference, relative to its largest score.
    refused:
        Whether no benchmark that gives one float32 image can run it: it must be refused.
    external:
        Whether its weights lie in a second file.
    precision:
        What a backend is asked for.
    """

    name: str
    proto: onnx.ModelProto
    image: tuple[int, ...]
    bound: float = 1e-4
    refused: bool = False
    external: bool = False
    precision: str = "fp32"

    def write(self, directory: Path) -> Path:
        """Write the model, and its weights beside it where they are external."""
        path = directory / "model.onnx"
        # onnx changes what it saves with external data, and appends to a file that is there.
        (directory / "model.onnx.data").unlink(missing_ok=True)
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        onnx.save_model(
            proto,
            path,
            save_as_external_data=self.external,
            location="model.onnx.data",
            size_threshold=0,
        )
        return path

    def images(self, count: int = 8) -> Array:
        """Return noise of a brightness and contrast per sample: [count, *image], float32.

        Of plain noise, a mean over all pixels would leave nothing that tells samples apart.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        sizes = (count, *[1] * len(self.image))
        noise = rng.standard_normal((count, *self.image)) * rng.uniform(0.5, 2, sizes)
        return (noise + rng.standard_normal(sizes)).astype(np.float32)


class Graph:
    """A graph in the making; every method that adds a node returns the names of its outputs."""

    def __init__(
        self,
        name: str,
        opset: int,
        *,
        image: Sequence[int | str] = (3, 16, 16),
        batch: int | str = "n",
        dtype: Any = np.float32,
        takes: int | None = None,
    ) -> None:
        self.name, self.opset, self.dtype = name, opset, np.dtype(dtype)
        self._rng = np.random.default_rng(zlib.crc32(name.encode()))
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._functions: list[onnx.FunctionProto] = []
        self._domains: dict[str, int] = {"": opset}
        self._number = 0
        kind = helper.np_dtype_to_tensor_dtype(self.dtype) if takes is None else takes
        self._inputs = [helper.make_tensor_value_info("image", kind, [batch, *image])]
        self.image = "image"
        self._batch = batch

    def weight(self, *shape: int, scale: float = 0.0, dtype: Any = None) -> str:
        """Add random weights; by default so small that a sum over their inputs stays near one."""
        scale = scale or 1 / max(1.0, float(np.sqrt(np.prod(shape[1:]))))
        return self.const(self._rng.standard_normal(shape) * scale, dtype or self.dtype)

    def positive(self, *shape: int) -> str:
        """Add random weights between 0.5 and 1.5, as scales and variances are."""
        return self.const(self._rng.uniform(0.5, 1.5, shape), self.dtype)

    def const(self, values: Any, dtype: Any = np.int64) -> str:
        """Add an initializer."""
        name = self._new("weight")
        array = np.ascontiguousarray(np.asarray(values).astype(dtype)).reshape(np.shape(values))
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, value: float) -> str:
        """Add an initializer of rank 0 in the type of the graph."""
        return self.const(np.array(value), self.dtype)

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        return self.nodes(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(
        self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node of several outputs."""
        names = [self._new(kind.lower()) for _ in range(outputs)]
        node = helper.make_node(
            kind,
            list(inputs),
            names,
            name=f"/block/{kind}_{self._number}",
            domain=domain,
            **attributes,
        )
        if domain:
            self._domains.setdefault(domain, 1)
        self._nodes.append(node)
        return names

    def function(self, function: onnx.FunctionProto) -> None:
        """Add a function of the model's own."""
        self._functions.append(function)
        self._domains.setdefault(function.domain, 1)

    def take(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Add one more input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def conv(
        self,
        x: str,
        channels: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        group: int = 1,
        **attributes: Any,
    ) -> str:
        """Add a convolution with weights and bias; padded to the size of its input, or by half."""
        attributes = {"pads": [kernel // 2] * 4, **attributes}
        if "auto_pad" in attributes:
            del attributes["pads"]
        return self.node(
            "Conv",
            x,
            self.weight(out, channels // group, kernel, kernel),
            self.weight(out, scale=0.1),
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            group=group,
            **attributes,
        )

    def batch_norm(self, x: str, channels: int) -> str:
        """Add a batch normalization with statistics of its own."""
        return self.node(
            "BatchNormalization",
            x,
            self.positive(channels),
            self.weight(channels, scale=0.1),
            self.weight(channels, scale=0.1),
            self.positive(channels),
            epsilon=1e-5,
        )

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """Add a matrix product with bias, as exporters of PyTorch write it for tokens."""
        product = self.node("MatMul", x, self.weight(inputs, outputs, scale=inputs**-0.5))
        return self.node("Add", self.weight(outputs, scale=0.1), product)

    def gemm(self, x: str, inputs: int, outputs: int) -> str:
        """Add a fully connected layer."""
        weights = self.weight(outputs, inputs)
        return self.node("Gemm", x, weights, self.weight(outputs, scale=0.1), transB=1)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor for two samples, as ONNX Runtime finds it."""
        return self.evaluate(name).shape

    def evaluate(self, name: str) -> Array:
        """Return a tensor of the unfinished graph for samples of zeros."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            self.proto([name]).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds = {}
        for value in session.get_inputs():
            sizes = [
                d if isinstance(d, int) else 2 if i == 0 else 16 for i, d in enumerate(value.shape)
            ]
            feeds[value.name] = np.zeros(sizes, _NUMPY[value.type])
        found: Array = session.run([name], feeds)[0]
        return found

    def head(self, x: str, classes: int = CLASSES) -> str:
        """Add a fully connected layer over all that a sample's features hold."""
        sizes = self.shape(x)[1:]
        flat = x if len(sizes) == 1 else self.node("Flatten", x, axis=1)
        size = int(np.prod(sizes))
        weights = self.weight(size, classes, scale=size**-0.5)
        # Before opset 11, Gemm has no form without bias.
        return self.node("Gemm" if self.opset >= 11 else "MatMul", flat, weights)

    def proto(self, outputs: Sequence[str], shapes: Mapping[str, Any] | None = None) -> Any:
        """Return the model with the named tensors as its outputs."""
        known = shapes or {}
        results = [
            helper.make_tensor_value_info(n, known[n][0], known[n][1])
            if n in known
            else onnx.ValueInfoProto(name=n)
            for n in outputs
        ]
        graph = helper.make_graph(
            self._nodes, "generated", self._inputs, results, initializer=self._weights
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            functions=self._functions,
            ir_version=10
            if self._functions
            else max(8, min(11, helper.find_min_ir_version_for(opsets[:1]))),
        )

    def finish(self, *outputs: str, open_batch: bool = True) -> Any:
        """Return the checked model; its outputs have the types and sizes that they come in."""
        shapes = {}
        for name in outputs:
            found = self.evaluate(name)
            batch = self._batch if open_batch else found.shape[0]
            kind = helper.np_dtype_to_tensor_dtype(found.dtype)
            shapes[name] = (kind, [batch, *found.shape[1:]])
        proto = self.proto(outputs, shapes)
        onnx.checker.check_model(proto)
        return proto

    def _new(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._number}"


def reference_scores(path: Path, images: Array) -> Array:
    """Return the first output for images by ONNX Runtime without any optimization."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    batch = given.shape[0] if isinstance(given.shape[0], int) else len(images)
    fed = images.astype(_NUMPY[given.type])
    found = [
        session.run(None, {given.name: fed[i : i + batch]})[0] for i in range(0, len(fed), batch)
    ]
    return np.concatenate(found).astype(np.float32)


_NUMPY = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int8)": np.int8,
}
