"""ONNX models on ONNX Runtime: on the CPU, or on a device that one of its providers serves."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlrepo.backends import (
    Array,
    BackendOptions,
    Batch,
    Capabilities,
    available_threads,
    requirements,
)
from mlrepo.backends.capabilities import STREAMS
from mlrepo.backends.devices import CPU, CUDA, GPU, NPU, Device
from mlrepo.backends.inputs import (
    TensorSpec,
    fixed_batch,
    numpy_name,
    onnx_inputs,
    samples_in,
    split,
)
from mlrepo.backends.onnx_providers import (
    WAYS,
    WORDS,
    Provider,
    devices_here,
    find_provider,
    prepare,
    refuse_fallback,
)
from mlrepo.errors import Unusable, UserError
from mlrepo.model_kinds import ONNX

if TYPE_CHECKING:
    import onnxruntime


class OnnxRuntimeBackend:
    """Synchronous sessions with all graph optimizations enabled.

    Only ``ORT_ENABLE_ALL`` enables the blocked NCHWc layout of convolutions (measured 1.4 times
    as fast as ``EXTENDED`` on ResNet-50).

    Options: ``provider``, one of :data:`~mlrepo.backends.onnx_providers.PROVIDERS` if several
    serve the device; ``fallback``, refuse (default) or allow, for nodes that the device's provider
    does not support; and ``streams``, the number of sessions that share the threads, each of which
    takes a part of a batch. The threads of one session wait for each other after every operator;
    those of different sessions do not.
    """

    capabilities = Capabilities(
        reads=(ONNX,),
        devices={
            CPU: ("fp32", "int8"),
            CUDA: ("fp32", "int8"),
            GPU: ("fp32", "int8"),
            NPU: ("fp16", "int8"),
        },
        options=("provider", "fallback", STREAMS),
        ways=WAYS,
        extras=requirements.ONNX,
        frameworks=("onnxruntime", "onnx runtime"),
    )
    _session: onnxruntime.InferenceSession
    _provider: Provider
    _threads: int

    def load(self, model: Path, options: BackendOptions) -> None:
        """Open sessions with ``options.threads`` threads in all (default: all usable CPUs)."""
        import onnxruntime

        asked = options.extra.get("provider")
        provider = options.choice("provider", WORDS) if asked else ""
        device = Device.parse(options.device)
        self.capabilities.refuse_device("onnx", device)
        found = find_provider(device, provider)
        if found is None:
            what = f"ONNX Runtime {onnxruntime.__version__}"
            raise self.capabilities.absent(device, devices_here(), what)
        self._provider, usual = found
        also = ("fp16",) if self._provider.converts and device.kind != CPU else ()
        self._device = self.capabilities.check("onnx", options, also)
        word = device.kind if usual else self._provider.word
        self._target = str(replace(device, kind=word))
        fallback = options.choice("fallback", ("refuse", "allow")) == "allow"
        self._precision = options.precision
        self._threads = options.threads or available_threads()
        self._streams = options.positive("streams", 1)
        if self._streams > self._threads:
            raise Unusable(
                f"--backend-opt streams={self._streams} is more than the number of threads "
                f"({self._threads}).",
                hint="Each stream needs a thread of its own.",
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self._threads // self._streams
        settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.log_severity_level = 3
        if self._provider.word != CPU:
            prepare(settings)
        if device.kind == CUDA and options.precision == "fp32":
            # Otherwise NVIDIA's libraries compute float32 in TF32, with a 10-bit mantissa.
            os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
        try:
            self._sessions = [
                onnxruntime.InferenceSession(
                    str(model),
                    settings,
                    providers=self._provider.asked(device, options.precision, self._threads),
                    enable_fallback=0,
                )
                for _ in range(self._streams)
            ]
        except Exception as error:  # ORT's exceptions share no base class of their own
            raise UserError.caused_by(
                f"ONNX Runtime cannot load {model.name}",
                error,
                hint="Check that the file is a complete ONNX model of a supported opset.",
            ) from error
        self._session = self._sessions[0]
        self._nodes: dict[str, int] = {}
        if self._provider.word != CPU:
            self._nodes = refuse_fallback(self._session, self._provider, device, allowed=fallback)
        self._pool = ThreadPoolExecutor(self._streams) if self._streams > 1 else None
        self._inputs = [read_input(value, model) for value in self._session.get_inputs()]
        fixed = fixed_batch(self._inputs)
        if self._streams > 1 and fixed is not None:
            raise Unusable(
                f"--backend-opt streams={self._streams} needs a model for any batch; "
                f"{model.name} is for a batch of {fixed}.",
                hint="Leave out streams, or export the model with a dynamic batch size.",
            )
        self._input = self._inputs[0].name if len(self._inputs) == 1 else ""
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the model's first input, None for a dimension of any size."""
        return (self._inputs[0].shape or ()) if self._inputs else ()

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The inputs of the model."""
        return self._inputs

    def predict(self, batch: Batch) -> Sequence[Array]:
        """Run a batch; with streams, each session runs a part of it."""
        if self._pool is None or samples_in(batch) < self._streams:
            return self._run(self._session, batch)
        parts = split(batch, self._streams)
        outputs = list(self._pool.map(self._run, self._sessions, parts))
        return [np.concatenate(part) for part in zip(*outputs, strict=True)]

    @staticmethod
    def is_reference(options: BackendOptions) -> bool:
        """Return whether others are compared with it: on the CPU, by the CPU provider."""
        own = options.extra.get("provider", CPU) == CPU
        return own and Device.parse(options.device).kind == CPU

    @classmethod
    def devices_here(cls) -> Sequence[Device]:
        """Return the kinds of devices that the installed ONNX Runtime has providers for."""
        return devices_here()

    def _run(self, session: onnxruntime.InferenceSession, batch: Batch) -> Sequence[Array]:
        given = {self._input: batch} if self._input else batch
        return session.run(self._outputs, given)  # type: ignore[no-any-return]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, target and session options."""
        import onnxruntime

        return {
            "name": "onnx",
            "framework": f"ONNX Runtime {onnxruntime.__version__}",
            "framework_name": "onnxruntime",
            "framework_version": onnxruntime.__version__,
            "device": str(self._device),
            "target": self._target,
            "precision": self._precision,
            "options": {
                "intra_op_num_threads": self._threads // self._streams,
                "streams": self._streams,
                "inter_op_num_threads": 1,
                "execution_mode": "sequential",
                "graph_optimization_level": "all",
                "providers": list(self._session.get_providers()),
                **({"nodes": self._nodes} if self._nodes else {}),
            },
        }


def read_input(value: Any, model: Path) -> TensorSpec:
    """Return an input of a session, which does not tell a scalar from an unknown rank."""
    kind, _, element = value.type.removesuffix(")").partition("(")
    name = numpy_name(element if kind == "tensor" else kind)
    shape = tuple(d if isinstance(d, int) else None for d in value.shape)
    if shape or importlib.util.find_spec("onnx") is None:
        return TensorSpec(value.name, name, shape or None)
    import onnx

    written = onnx_inputs(onnx.load(str(model), format="protobuf", load_external_data=False))
    return next(one for one in written if one.name == value.name)
