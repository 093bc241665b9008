"""State dicts of PyTorch models, from which torchvision's ResNet-50 is built."""

from __future__ import annotations

import argparse
import json
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlrepo.errors import UserError

# The keys under which training scripts keep the state dict in their checkpoints.
_INSIDE = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "ema",
    "model_ema",
    "ema_model",
    "state_dict_ema",
    "ema_state_dict",
    "params",
)
# Prefixes that wrappers add to every name: DataParallel, AveragedModel (EMA), torch.compile,
# Lightning.
_WRAPPERS = ("module.", "_orig_mod.", "model.")
_COUNTERS = ("num_batches_tracked", "n_averaged")
_ONLY = (
    "From weights alone only ResNet-50 is built, under torchvision's names. Export another model "
    "with its code: torch.export.save(torch.export.export(model, (x,)), 'model.pt2'), or as ONNX."
)
_SAFETENSORS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
}
_LONGEST_HEADER = 100_000_000


def read_state(path: Path, kind: str = "state") -> dict[str, Any]:
    """Return the tensors of a state dict by name; ``kind`` is ``state`` or ``safetensors``.

    The state dict is found inside a checkpoint, and the prefixes of wrappers are removed.

    Raises
    ------
    UserError
        The file contains Python objects, several state dicts, or none.
    """
    found = _read_safetensors(path) if kind == "safetensors" else _unpickled(path)
    if isinstance(found, Mapping):
        inside = [name for name in _INSIDE if _is_state(found.get(name))]
        if len(inside) > 1:
            raise UserError(
                f"{path.name} contains several states: {', '.join(inside)}.",
                hint="Save the one to measure by itself: "
                f"torch.save(torch.load('{path.name}')['{inside[0]}'], 'model.pth').",
            )
        found = found[inside[0]] if inside else found
    if not _is_state(found):
        holds = f"a {type(found).__name__}"
        if isinstance(found, Mapping):
            holds = f"the keys {_few([str(key) for key in found])}" if found else "nothing"
        raise UserError(
            f"{path.name} contains no weights by name, but {holds}.",
            hint="Save the state of the model: torch.save(model.state_dict(), 'model.pth').",
        )
    state = {name: tensor for name, tensor in found.items() if not name.endswith(_COUNTERS)}
    while prefix := next((p for p in _WRAPPERS if all(n.startswith(p) for n in state)), ""):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and any(isinstance(one, torch.Tensor) and one.dim() for one in value.values())
        and all(isinstance(n, str) and isinstance(t, torch.Tensor) for n, t in value.items())
    )


def _unpickled(path: Path) -> Any:
    try:
        # Training scripts save their arguments with the state dict; a namespace only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]{1,200})", str(error))
        if named is None:
            raise _unreadable(path, error) from error
        raise UserError(
            f"{path.name} contains an object of {named[1]}, which could only be read by running "
            "code that the file names.",
            hint="If you trust it, save only its weights: "
            "torch.save(model.state_dict(), 'model.pth').",
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError.caused_by(
        f"PyTorch cannot read {path.name}", error, hint="Check that the file is complete."
    )


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Read a safetensors file: the header's length, the header in JSON, the numbers."""
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        if length > min(_LONGEST_HEADER, len(content)):
            raise ValueError("its header is cut off")
        header = json.loads(content[8 : 8 + length])
        numbers = bytearray(content[8 + length :])
        found = {}
        for name, about in header.items():
            if name == "__metadata__":
                continue
            begin, end = about["data_offsets"]
            if about["dtype"] not in _SAFETENSORS or not 0 <= begin <= end <= len(numbers):
                raise ValueError(f"the tensor {name} is of type {about['dtype']}, or cut off")
            kind = _SAFETENSORS[about["dtype"]]
            tensor = torch.frombuffer(bytearray(numbers[begin:end]) or bytearray(8), dtype=kind)
            found[name] = tensor[: (end - begin) // kind.itemsize].reshape(about["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return found


def resnet50(path: Path, state: Mapping[str, Any]) -> Any:
    """Build ResNet-50 v1.5 from the state dict of torchvision's model, with any number of classes.

    Raises
    ------
    UserError
        The state dict is of another architecture; the message names the tensors that differ.
    """
    classes = state["fc.bias"].shape[0] if getattr(state.get("fc.bias"), "ndim", 0) == 1 else 1000
    model = _ResNet50(classes)
    wanted = {n: t for n, t in model.state_dict().items() if not n.endswith(_COUNTERS)}
    differences = [
        ("lacks", [name for name in wanted if name not in state]),
        ("also has", [name for name in state if name not in wanted]),
        (
            "has in another shape",
            [
                f"{name} {list(state[name].shape)} for {list(wanted[name].shape)}"
                for name in wanted
                if name in state and state[name].shape != wanted[name].shape
            ],
        ),
    ]
    if any(names for _, names in differences):
        said = "; ".join(f"it {verb} {_few(names)}" for verb, names in differences if names)
        raise UserError(f"{path.name} is not a state of ResNet-50: {said}.", hint=_ONLY)
    model.load_state_dict(state, strict=False)
    return model.eval()


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:80] for name in names[:3]) + more


class _Bottleneck(nn.Module):
    """Three convolutions with a shortcut; the stride is in the second one (v1.5)."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(cin, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        short = cin != 4 * width or stride != 1
        self.downsample = (
            nn.Sequential(_conv(cin, 4 * width, 1, stride), nn.BatchNorm2d(4 * width))
            if short
            else nn.Identity()
        )

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return torch.relu(y)


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> Any:
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)


class _ResNet50(nn.Module):
    """ResNet-50 v1.5 with torchvision's names."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        cin = 64
        for number, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
            stage = []
            for block in range(blocks):
                stage.append(_Bottleneck(cin, width, 2 if block == 0 and number > 1 else 1))
                cin = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*stage))
        self.fc = nn.Linear(cin, classes)

    def forward(self, x: Any) -> Any:
        """Return the scores of a batch."""
        x = self.bn1(self.conv1(x)).relu()
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))
