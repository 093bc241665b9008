"""Make ResNet-50 v1.5 with seeded random weights as an ONNX model.

The model is for measuring speed only: it has the architecture, the shapes and the operators of
the MLPerf Inference image classification model, but its weights are random numbers.  It is built
with ``onnx.helper`` and numpy alone, so no training framework and no download is needed.

* opset 17, one input ``input``, float32 of shape ``['batch', 3, 224, 224]``;
* one output ``logits``, float32 of shape ``['batch', 1000]``;
* v1.5: the stride of a down-sampling bottleneck is in its 3x3 convolution;
* batch normalization is folded, as inference runtimes do, so each convolution has a bias;
* 53 Conv, 49 Relu, 16 Add, 1 MaxPool, 1 GlobalAveragePool, 1 Flatten and 1 Gemm.

With ``argmax=True`` the model has a second output ``ArgMax:0``, int64 of shape ``['batch']``: the
MLCommons reference harness requests an output of that name from its ResNet-50.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from mlrepo.workloads.onnx_graph import OnnxGraph, Value

CLASSES = 1000
IMAGE_SHAPE = (3, 224, 224)
INPUT_NAME = "input"
LOGITS_NAME = "logits"
ARGMAX_NAME = "ArgMax:0"

# Per stage: the number of bottlenecks, their inner width, the stride of the first.
_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
_EXPANSION = 4
# The last convolution of each bottleneck is scaled down, so that the activations of the residual
# stream keep their order of magnitude over the 16 additions.
_RESIDUAL_GAIN = 0.25


@dataclass
class _RandomGraph(OnnxGraph):
    """A graph whose weights are drawn from ``rng``."""

    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def random(self, name: str, shape: Sequence[int], std: float) -> str:
        """Append a normally distributed weight and return its name."""
        values: npt.NDArray[np.float32] = self.rng.standard_normal(tuple(shape), dtype=np.float32)
        values *= np.float32(std)
        return self.weight(name, values)

    def conv(
        self,
        x: str,
        name: str,
        channels: tuple[int, int],
        kernel: int,
        stride: int = 1,
        gain: float = 1.0,
    ) -> str:
        """Append a convolution with bias; ``channels`` is (in, out)."""
        fan_in = channels[0] * kernel * kernel
        weight = self.random(
            f"{name}.weight",
            (channels[1], channels[0], kernel, kernel),
            gain * math.sqrt(2.0 / fan_in),
        )
        bias = self.random(f"{name}.bias", (channels[1],), 0.01)
        return self.add(
            "Conv",
            (x, weight, bias),
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            dilations=[1, 1],
            group=1,
        )

    def relu(self, x: str, name: str) -> str:
        """Append a Relu."""
        return self.add("Relu", (x,), name)

    def bottleneck(self, x: str, name: str, channels: tuple[int, int], stride: int) -> str:
        """Append a bottleneck; ``channels`` is (in, inner)."""
        width, inner = channels
        outer = inner * _EXPANSION
        y = self.relu(self.conv(x, f"{name}.conv1", (width, inner), 1), f"{name}.relu1")
        y = self.conv(y, f"{name}.conv2", (inner, inner), 3, stride)
        y = self.relu(y, f"{name}.relu2")
        y = self.conv(y, f"{name}.conv3", (inner, outer), 1, gain=_RESIDUAL_GAIN)
        shortcut = x
        if stride != 1 or width != outer:
            shortcut = self.conv(
                x, f"{name}.downsample", (width, outer), 1, stride, gain=math.sqrt(0.5)
            )
        return self.relu(self.add("Add", (y, shortcut), f"{name}.add"), f"{name}.relu3")


def build_resnet50(seed: int = 0, *, argmax: bool = False) -> onnx.ModelProto:
    """Return a randomly initialized ResNet-50 v1.5.

    The weights depend only on ``seed``.  With ``argmax`` the model also has the output
    ``ArgMax:0`` (int64, the index of the greatest logit of each row).
    """
    graph = _RandomGraph(rng=np.random.default_rng(seed))
    x = graph.relu(graph.conv(INPUT_NAME, "conv1", (IMAGE_SHAPE[0], 64), 7, 2), "relu1")
    x = graph.add("MaxPool", (x,), "maxpool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for stage, (blocks, inner, first_stride) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            x = graph.bottleneck(x, f"layer{stage}.{block}", (width, inner), stride)
            width = inner * _EXPANSION
    x = graph.add("GlobalAveragePool", (x,), "avgpool")
    x = graph.add("Flatten", (x,), "flatten", axis=1)
    weight = graph.random("fc.weight", (CLASSES, width), math.sqrt(1.0 / width))
    bias = graph.random("fc.bias", (CLASSES,), 0.01)
    graph.add("Gemm", (x, weight, bias), "fc", LOGITS_NAME, alpha=1.0, beta=1.0, transB=1)

    outputs: list[Value] = [(LOGITS_NAME, TensorProto.FLOAT, ("batch", CLASSES))]
    if argmax:
        graph.add("ArgMax", (LOGITS_NAME,), "argmax", ARGMAX_NAME, axis=1, keepdims=0)
        outputs.append((ARGMAX_NAME, TensorProto.INT64, ("batch",)))
    inputs = [(INPUT_NAME, TensorProto.FLOAT, ("batch", *IMAGE_SHAPE))]
    return graph.model("resnet50-v1.5-random", inputs, outputs)


def write_resnet50(path: Path, seed: int = 0, *, argmax: bool = False) -> Path:
    """Write the model of :func:`build_resnet50` to ``path`` and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(build_resnet50(seed, argmax=argmax), path)
    return path
