"""The kinds of model files, with which backends declare what they read."""

from __future__ import annotations

from pathlib import Path

ONNX = "onnx"
PYTORCH = "pytorch"
"""Exported programs, and state dicts of a known architecture."""
TORCHSCRIPT = "torchscript"
OPENVINO = "openvino"
DIRECTORY = "directory"
"""Several files in a directory that is itself the model."""

_SUFFIXES = {
    ".pt2": PYTORCH,
    ".pth": PYTORCH,
    ".safetensors": PYTORCH,
    ".pt": TORCHSCRIPT,
    ".xml": OPENVINO,
}


def kind_of(file: Path) -> str:
    """Return the kind of a model file by its name; any unknown name counts as ONNX."""
    found = (_SUFFIXES.get(suffix.lower()) for suffix in file.suffixes)
    return next(filter(None, found), ONNX)
