"""ONNX and PyTorch models compiled by Apache TVM (Relax) with schedules of our own."""

from mlrepo.backends.tvm.backend import TvmOnnxBackend, TvmPytorchBackend

__all__ = ["TvmOnnxBackend", "TvmPytorchBackend"]
