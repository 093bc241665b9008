"""ONNX models on OpenVINO's CPU plug-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array, BackendOptions, available_threads
from mlrepo.backends.inputs import TensorSpec, numpy_name, only_input
from mlrepo.errors import UserError

# What is not quantized in an int8 model is computed in float32.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


class OpenVinoBackend:
    """One compiled model.

    Option ``streams``: so many inferences run side by side, each on a part of a batch and of the
    threads. A model with QuantizeLinear and DequantizeLinear runs in int8.
    """

    def load(self, model: Path, options: BackendOptions) -> None:
        """Read and compile the model; precisions fp32, bf16 and int8 (of a quantized model)."""
        options.check("openvino", precisions=tuple(_PRECISIONS), keys=("streams",))
        try:
            import openvino
        except ImportError as error:
            raise UserError(
                f"OpenVINO cannot be used here: {error}.",
                hint="`mlrepo bench prereq --backend openvino` installs it.",
            ) from error
        self._threads = options.threads or available_threads()
        self._streams = options.positive("streams", 1)
        self._precision = options.precision
        self._version = openvino.__version__
        core = openvino.Core()
        try:
            self._model = core.compile_model(
                core.read_model(str(model)),
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": self._threads,
                    "NUM_STREAMS": self._streams,
                    "INFERENCE_PRECISION_HINT": _PRECISIONS.get(options.precision, "f32"),
                    "PERFORMANCE_HINT": "LATENCY" if self._streams == 1 else "THROUGHPUT",
                },
            )
        except RuntimeError as error:
            raise UserError.caused_by(
                f"OpenVINO cannot load {model.name}",
                error,
                hint="Check that the file is complete; an operator that is not known to OpenVINO "
                "needs another backend.",
            ) from error
        self._inputs = [_spec(value) for value in self._model.inputs]
        spec = only_input(self._inputs, model)
        if self._streams > 1 and spec.shape and spec.shape[0] is not None:
            raise UserError(
                f"--backend-opt streams={self._streams} needs a model for any batch; "
                f"{model.name} is for {spec.shape[0]}.",
                hint="Leave out streams, or export the model with an open batch.",
            )
        self._requests = [self._model.create_infer_request() for _ in range(self._streams)]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's input, None where any size goes."""
        return self._inputs[0].shape or ()

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What the model takes."""
        return self._inputs

    def predict(self, batch: Array) -> Sequence[Array]:
        """Run a batch; with streams, each runs a part of it."""
        if len(batch) < self._streams or self._streams == 1:
            return self._outputs(self._requests[0].infer([batch]))
        parts = np.array_split(batch, self._streams)
        for request, part in zip(self._requests, parts, strict=True):
            request.start_async([part])
        found = []
        for request in self._requests:
            request.wait()
            found.append(self._outputs(request.results))
        return [np.concatenate(part) for part in zip(*found, strict=True)]

    def _outputs(self, results: Any) -> list[Array]:
        return [results[output] for output in self._model.outputs]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, precision and options."""
        return {
            "name": "openvino",
            "framework": f"OpenVINO {self._version.partition('-')[0]}",
            "framework_name": "openvino",
            "framework_version": self._version,
            "target": "cpu",
            "precision": self._precision,
            "options": {"threads": self._threads, "streams": self._streams},
        }


def _spec(value: Any) -> TensorSpec:
    """Return an input under its own name; that of the port may be a later one that was fused."""
    dims = value.get_partial_shape()
    shape = None
    if dims.rank.is_static:
        shape = tuple(d.get_length() if d.is_static else None for d in dims)
    element = numpy_name(value.get_element_type().get_type_name())
    return TensorSpec(value.get_node().get_friendly_name(), element, shape)
