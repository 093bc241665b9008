"""ONNX Runtime, slower by a time: the regression that :mod:`benchmarks.gate` is to find.

The time is not an option of the backend: the configuration of the runs stays the same, as that of
a program that became slower.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mlrepo.backends import Array
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend

LONGER = "MLREPO_BENCHMARK_LONGER"


class Slowed(OnnxRuntimeBackend):
    """Answers each batch later by the seconds that the variable says."""

    def predict(self, batch: Any) -> Sequence[Array]:
        """Return what ONNX Runtime does, later."""
        answers = super().predict(batch)
        until = time.perf_counter() + float(os.environ.get(LONGER, "0"))
        while time.perf_counter() < until:
            pass
        return answers

    def describe(self) -> Mapping[str, Any]:
        """Return what ONNX Runtime tells, with this name."""
        return {**super().describe(), "name": "slowed"}
