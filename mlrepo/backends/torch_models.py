"""Model files as PyTorch modules: exported programs, TorchScript, torchvision's ResNet-50, ONNX."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlrepo.backends.inputs import compiled_shape, only_input, onnx_inputs
from mlrepo.errors import UserError

if TYPE_CHECKING:
    import torch

_IMAGE_SHAPE = (3, 224, 224)


def load_torch_model(path: Path, batch: int) -> tuple[Any, tuple[int, ...]]:
    """Return an inference module and the shape of an input of ``batch`` samples.

    ``.onnx`` is rebuilt from PyTorch's own operators; ``.pt2`` is a program of ``torch.export``;
    ``.pt`` is TorchScript; ``.pth`` is the state of torchvision's ResNet-50.

    Raises
    ------
    UserError
        PyTorch is missing, or the file is none of these, or uses an unknown operator.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"PyTorch cannot be used here: {error}.",
            hint="`mlrepo bench prereq --backend pytorch` installs it.",
        ) from error
    readers: dict[str, Callable[[], Any]] = {
        ".onnx": lambda: _from_onnx(path),
        ".pt2": lambda: torch.export.load(str(path)).module(),
        ".pt": lambda: torch.jit.load(str(path), map_location="cpu").eval(),
        ".pth": lambda: _resnet50(torch.load(path, map_location="cpu", weights_only=True)),
    }
    if path.suffix not in readers:
        raise UserError(
            f"PyTorch cannot read {path.name}.", hint=f"It reads: {', '.join(readers)}."
        )
    try:
        module = readers[path.suffix]()
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise UserError(
            f"PyTorch cannot load {path.name}: {first}", hint="Check that the file is complete."
        ) from error
    shape = getattr(module, "image_shape", _IMAGE_SHAPE)
    return module, (batch, *shape)


def _from_onnx(path: Path) -> Any:
    import onnx
    import torch
    from google.protobuf.message import DecodeError
    from onnx import helper, numpy_helper

    try:
        proto = onnx.load(str(path))
    except DecodeError as error:
        raise ValueError(f"it is no ONNX model ({error})") from error
    graph = proto.graph
    spec = only_input(onnx_inputs(proto), path)

    class OnnxModule(torch.nn.Module):
        """The nodes of the graph, executed in order."""

        def __init__(self) -> None:
            super().__init__()
            self.steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
            self.names: dict[str, str] = {}
            # Shapes, axes and bounds as Python's numbers: a tensor's value is unknown to an export.
            self.numbers: dict[str, Any] = {}
            for number, weight in enumerate(graph.initializer):
                self._keep(weight.name, numpy_helper.to_array(weight), number)
            for node in graph.node:
                attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                if node.op_type == "Constant":
                    value = numpy_helper.to_array(attributes["value"])
                    self._keep(node.output[0], value, len(graph.initializer) + len(self.names))
                    continue
                if node.op_type not in _OPERATORS:
                    raise ValueError(f"its operator {node.op_type} is not known to this backend")
                self.steps.append((node.op_type, list(node.input), node.output[0], attributes))
            self.source = spec.name
            self.image_shape = compiled_shape(spec, 1, path)[1:]
            self.input_type = spec.dtype
            self.results = [value.name for value in graph.output]

        def _keep(self, name: str, value: npt.NDArray[Any], number: int) -> None:
            if value.ndim == 0 or value.dtype.kind == "i":
                self.numbers[name] = value.tolist()
                return
            self.names[name] = f"weight{number}"
            self.register_buffer(f"weight{number}", torch.from_numpy(np.array(value)))

        def forward(self, x: torch.Tensor) -> Any:
            values: dict[str, Any] = {self.source: x}

            def get(name: str) -> Any:
                if name in values or name in self.numbers:
                    return values.get(name, self.numbers.get(name))
                return getattr(self, self.names[name]) if name else None

            for kind, inputs, output, attributes in self.steps:
                values[output] = _OPERATORS[kind](attributes, *map(get, inputs))
            found = [values[name] for name in self.results]
            return found[0] if len(found) == 1 else tuple(found)

    return OnnxModule().eval()


def _conv(a: dict[str, Any], x: Any, weight: Any, bias: Any = None) -> Any:
    import torch.nn.functional as functional

    x, padding = _padded(a, x, 0.0)
    return functional.conv2d(
        x, weight, bias, a.get("strides", [1, 1]), padding, a.get("dilations", [1, 1]),
        a.get("group", 1),
    )  # fmt: skip


def _max_pool(a: dict[str, Any], x: Any) -> Any:
    import torch.nn.functional as functional

    x, padding = _padded(a, x, float("-inf"))
    return functional.max_pool2d(
        x, a["kernel_shape"], a.get("strides"), padding, ceil_mode=bool(a.get("ceil_mode", 0))
    )


def _padded(a: dict[str, Any], x: Any, value: float) -> tuple[Any, Sequence[int]]:
    """Return the input and a symmetric padding; an asymmetric one is done here and now."""
    import torch.nn.functional as functional

    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError("automatic padding is not known to this backend")
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    if (top, left) == (bottom, right):
        return x, (top, left)
    return functional.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _batch_norm(a: dict[str, Any], x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    import torch.nn.functional as functional

    return functional.batch_norm(x, mean, variance, scale, bias, eps=a.get("epsilon", 1e-5))


def _gemm(a: dict[str, Any], x: Any, weight: Any, bias: Any = None) -> Any:
    x = x.t() if a.get("transA", 0) else x
    product = a.get("alpha", 1.0) * (x @ (weight.t() if a.get("transB", 0) else weight))
    return product if bias is None else product + a.get("beta", 1.0) * bias


def _clip(a: dict[str, Any], x: Any, low: Any = None, high: Any = None) -> Any:
    return x.clamp(a.get("min") if low is None else low, a.get("max") if high is None else high)


def _arg_max(a: dict[str, Any], x: Any) -> Any:
    return x.argmax(dim=a.get("axis", 0), keepdim=bool(a.get("keepdims", 1)))


def _reduce_mean(a: dict[str, Any], x: Any, axes: Any = None) -> Any:
    dims = a["axes"] if axes is None else axes
    return x.mean(dim=list(dims), keepdim=bool(a.get("keepdims", 1)))


def _squeeze(a: dict[str, Any], x: Any, axes: Any = None) -> Any:
    dims = a["axes"] if axes is None else axes
    return x.squeeze(tuple(dims))


# What image classifiers are made of; each takes the node's attributes and its inputs.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "ArgMax": _arg_max,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Conv": _conv,
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: x.mean(dim=(2, 3), keepdim=True),
    "Identity": lambda a, x: x,
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "ReduceMean": _reduce_mean,
    "Relu": lambda a, x: x.relu(),
    "Reshape": lambda a, x, shape: x.reshape(
        [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    ),
    "Sigmoid": lambda a, x: x.sigmoid(),
    "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
    "Squeeze": _squeeze,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}


def _resnet50(state: dict[str, Any]) -> Any:
    """Build ResNet-50 v1.5 from the state of torchvision's model: its names, its architecture."""
    import torch
    from torch import nn

    def conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)

    class Bottleneck(nn.Module):
        """Three convolutions beside a shortcut; the stride is in the second one (v1.5)."""

        def __init__(self, cin: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = conv(cin, width, 1), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
            short = cin != 4 * width or stride != 1
            self.downsample = (
                nn.Sequential(conv(cin, 4 * width, 1, stride), nn.BatchNorm2d(4 * width))
                if short
                else nn.Identity()
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.bn1(self.conv1(x)).relu()
            y = self.bn2(self.conv2(y)).relu()
            y = self.bn3(self.conv3(y)) + self.downsample(x)
            return torch.relu(y)

    class ResNet50(nn.Module):
        """ResNet-50 v1.5 under torchvision's names."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
            cin = 64
            for number, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
                stage = []
                for block in range(blocks):
                    stage.append(Bottleneck(cin, width, 2 if block == 0 and number > 1 else 1))
                    cin = 4 * width
                setattr(self, f"layer{number}", nn.Sequential(*stage))
            self.fc = nn.Linear(cin, 1000)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.bn1(self.conv1(x)).relu()
            x = torch.nn.functional.max_pool2d(x, 3, 2, 1)
            for number in range(1, 5):
                x = getattr(self, f"layer{number}")(x)
            scores: torch.Tensor = self.fc(x.mean(dim=(2, 3)))
            return scores

    model = ResNet50()
    model.load_state_dict(state)
    return model.eval()
