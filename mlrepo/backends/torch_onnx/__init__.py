"""ONNX models as PyTorch modules: each operator in the versions for which it is tested.

An operator's function takes ONNX's inputs as positional and its attributes as keyword parameters
with ONNX's defaults. Anything that no function takes (another version, attribute, output or domain)
is refused when the model is read.
"""

from __future__ import annotations

from mlrepo.backends.torch_onnx.module import OnnxModule, read_onnx

__all__ = ["OnnxModule", "read_onnx"]
