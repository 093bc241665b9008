"""ONNX models as PyTorch modules: each operator in the versions for which it is proved.

An operator's function has ONNX's inputs as positional and its attributes as keyword parameters with
ONNX's defaults. What no function takes (another version, an attribute, an output, another domain)
is refused when the model is read.
"""

from __future__ import annotations

from mlrepo.backends.torch_onnx.module import OnnxModule, read_onnx

__all__ = ["OnnxModule", "read_onnx"]
