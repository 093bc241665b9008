"""ONNX models and IR on OpenVINO: on the CPU, an Intel GPU or an NPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo import model_kinds as kinds
from mlrepo.backends import (
    Array,
    BackendOptions,
    Batch,
    Capabilities,
    available_threads,
    requirements,
)
from mlrepo.backends.capabilities import STREAMS
from mlrepo.backends.devices import CPU, GPU, NPU, Device
from mlrepo.backends.inputs import TensorSpec, fixed_batch, numpy_name, samples_in, split
from mlrepo.errors import Unusable, UserError

# The parts of an int8 model that are not quantized are computed in float32, on an NPU in float16.
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}


class OpenVinoBackend:
    """One compiled model.

    Option ``streams``: the number of inferences that run in parallel, each on a part of a batch and
    of the threads. A model with QuantizeLinear and DequantizeLinear runs in int8. An NPU runs only
    models with static shapes: for it, a model is compiled for ``options.batch`` samples.
    """

    capabilities = Capabilities(
        reads=(kinds.ONNX, kinds.OPENVINO),
        devices={
            CPU: ("fp32", "bf16", "int8"),
            GPU: ("fp32", "fp16", "int8"),
            NPU: ("fp16", "int8"),
        },
        options=(STREAMS,),
        ways={
            GPU: "Intel's GPU driver (intel-opencl-icd, libze1) and access to /dev/dri are needed.",
            NPU: "Intel's NPU driver (intel-driver-compiler-npu, intel-level-zero-npu) and access "
            "to /dev/accel are needed.",
        },
        requirements=("openvino>=2025.0", *requirements.ONNX),
        frameworks=("openvino",),
    )

    def load(self, model: Path, options: BackendOptions) -> None:
        """Read and compile the model; precisions fp32, bf16 and int8 (of a quantized model)."""
        device = self.capabilities.check("openvino", options)
        openvino = _openvino()
        self._threads = options.threads or available_threads()
        self._streams = options.positive("streams", 1)
        self._precision = options.precision
        self._version = openvino.__version__
        core = openvino.Core()
        if device not in (here := _devices(core)):
            what = f"OpenVINO {self._version.partition('-')[0]}"
            raise self.capabilities.absent(device, here, what)
        name = _name(device)
        try:
            read = core.read_model(str(model))
            if device.kind == NPU and any(one.partial_shape[0].is_dynamic for one in read.inputs):
                shapes = [list(one.partial_shape) for one in read.inputs]
                read.reshape({i: [options.batch, *shape[1:]] for i, shape in enumerate(shapes)})
            self._model = core.compile_model(read, name, self._settings(device))
        except RuntimeError as error:
            raise UserError.caused_by(
                f"OpenVINO cannot load {model.name}",
                error,
                hint="Check that the file is complete; an operator that OpenVINO does not know "
                "needs another backend.",
            ) from error
        self._device = _ran_on(self._model)
        if self._device != device:
            raise UserError(
                f"OpenVINO would run {model.name} on {self._device}, not on {device}.",
                hint="Name the device to measure.",
            )
        self._inputs = [_spec(value) for value in self._model.inputs]
        fixed = fixed_batch(self._inputs)
        if self._streams > 1 and fixed is not None:
            raise Unusable(
                f"--backend-opt streams={self._streams} needs a model for any batch; "
                f"{model.name} is for a batch of {fixed}.",
                hint="Leave out streams, or export the model with a dynamic batch size.",
            )
        self._requests = [self._model.create_infer_request() for _ in range(self._streams)]

    def _settings(self, device: Device) -> dict[str, object]:
        """Return the properties to compile a model with; only the CPU has threads."""
        hint = _HINTS.get(self._precision, "f32")
        found: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": "f16" if device.kind == NPU else hint,
            "PERFORMANCE_HINT": "LATENCY" if self._streams == 1 else "THROUGHPUT",
        }
        if device.kind != NPU:
            found["NUM_STREAMS"] = self._streams
        if device.kind == CPU:
            found["INFERENCE_NUM_THREADS"] = self._threads
        return found

    @classmethod
    def devices_here(cls) -> Sequence[Device]:
        """Return the devices that OpenVINO finds."""
        return _devices(_openvino().Core())

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's first input, None for a dimension of any size."""
        return (self._inputs[0].shape or ()) if self._inputs else ()

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The inputs of the model."""
        return self._inputs

    def predict(self, batch: Batch) -> Sequence[Array]:
        """Run a batch; with streams, each inference runs a part of it."""
        if self._streams == 1 or samples_in(batch) < self._streams:
            return self._outputs(self._requests[0].infer(self._given(batch)))
        for request, part in zip(self._requests, split(batch, self._streams), strict=True):
            request.start_async(self._given(part))
        found = []
        for request in self._requests:
            request.wait()
            found.append(self._outputs(request.results))
        return [np.concatenate(part) for part in zip(*found, strict=True)]

    def _given(self, batch: Batch) -> list[Array]:
        """Return the arrays in the order of the inputs, whose ports may have other names."""
        return [batch[one.name] for one in self._inputs] if isinstance(batch, dict) else [batch]

    def _outputs(self, results: Any) -> list[Array]:
        return [results[output] for output in self._model.outputs]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, precision and options."""
        return {
            "name": "openvino",
            "framework": f"OpenVINO {self._version.partition('-')[0]}",
            "framework_name": "openvino",
            "framework_version": self._version,
            "device": str(self._device),
            "target": str(self._device),
            "precision": self._precision,
            "options": {"threads": self._threads, "streams": self._streams},
        }


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise Unusable(
            f"OpenVINO cannot be used here: {error}.",
            hint="`mlrepo bench prereq --backend openvino` installs it.",
        ) from error
    return openvino


def _name(device: Device) -> str:
    """Return OpenVINO's name for a device: ``GPU``, ``GPU.1``."""
    return f"{device.kind.upper()}.{device.index}" if device.index else device.kind.upper()


def _device(name: str) -> Device:
    kind, _, index = name.partition(".")
    return Device(kind.lower(), int(index) if index.isdecimal() else 0)


def _devices(core: Any) -> list[Device]:
    return [_device(name) for name in core.available_devices]


def _ran_on(model: Any) -> Device:
    """Return the device of a compiled model; refuse a model spread over several devices."""
    found = [_device(str(name)) for name in model.get_property("EXECUTION_DEVICES")]
    if len(found) != 1:
        raise UserError(
            f"OpenVINO would run the model on {', '.join(map(str, found))} together.",
            hint="Name one device with --device.",
        )
    return found[0]


def _spec(value: Any) -> TensorSpec:
    """Return an input under its own name; that of the port may be a later one that was fused."""
    dims = value.get_partial_shape()
    shape = None
    if dims.rank.is_static:
        shape = tuple(d.get_length() if d.is_static else None for d in dims)
    element = numpy_name(value.get_element_type().get_type_name())
    return TensorSpec(value.get_node().get_friendly_name(), element, shape)
