"""ONNX models on ONNX Runtime's CPU provider."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlrepo.backends import Array, BackendOptions, available_threads
from mlrepo.backends.inputs import TensorSpec, numpy_name, only_input, onnx_inputs
from mlrepo.errors import UserError

if TYPE_CHECKING:
    import onnxruntime


_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_OPTIONS = ("provider", "streams")


class OnnxRuntimeBackend:
    """Sessions run synchronously; all graph optimisations on.

    Only ``ORT_ENABLE_ALL`` turns on the blocked NCHWc layout of convolutions (measured 1.4 times
    as fast as ``EXTENDED`` on ResNet-50).

    Options: ``provider`` (cpu, cuda, tensorrt) and ``streams``: so many sessions share the threads
    and each takes a part of a batch. Threads of one session wait for each other after every
    operator; those of two do not.
    """

    _session: onnxruntime.InferenceSession
    _threads: int

    def load(self, model: Path, options: BackendOptions) -> None:
        """Open sessions with ``options.threads`` threads in all (default: all usable CPUs)."""
        import onnxruntime

        options.check("onnx", precisions=("fp32", "int8"), keys=_OPTIONS)
        self._precision = options.precision
        self._threads = options.threads or available_threads()
        self._provider = _provider(options.choice("provider", tuple(_PROVIDERS)))
        self._streams = options.positive("streams", 1)
        if self._streams > self._threads:
            raise UserError(
                f"--backend-opt streams={self._streams} is more than there are threads "
                f"({self._threads}).",
                hint="Each stream needs a thread of its own.",
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self._threads // self._streams
        settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.log_severity_level = 3
        try:
            self._sessions = [
                onnxruntime.InferenceSession(str(model), settings, providers=[self._provider])
                for _ in range(self._streams)
            ]
        except Exception as error:  # ORT's exceptions share no base class of their own
            raise UserError.caused_by(
                f"ONNX Runtime cannot load {model.name}",
                error,
                hint="Check that the file is a complete ONNX model of a supported opset.",
            ) from error
        self._session = self._sessions[0]
        self._pool = ThreadPoolExecutor(self._streams) if self._streams > 1 else None
        self._inputs = [read_input(value, model) for value in self._session.get_inputs()]
        spec = only_input(self._inputs, model)
        if self._streams > 1 and spec.shape and spec.shape[0] is not None:
            raise UserError(
                f"--backend-opt streams={self._streams} needs a model for any batch; "
                f"{model.name} is for {spec.shape[0]}.",
                hint="Leave out streams, or export the model with an open batch.",
            )
        self._input = spec.name
        self._outputs = [output.name for output in self._session.get_outputs()]

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
        if self._pool is None or len(batch) < self._streams:
            return self._run(self._session, batch)
        parts = np.array_split(batch, self._streams)
        outputs = list(self._pool.map(self._run, self._sessions, parts))
        return [np.concatenate(part) for part in zip(*outputs, strict=True)]

    def _run(self, session: onnxruntime.InferenceSession, batch: Array) -> Sequence[Array]:
        return session.run(self._outputs, {self._input: batch})  # type: ignore[no-any-return]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, version, target and session options."""
        import onnxruntime

        return {
            "name": "onnx",
            "framework": f"ONNX Runtime {onnxruntime.__version__}",
            "framework_name": "onnxruntime",
            "framework_version": onnxruntime.__version__,
            "target": _target(self._provider),
            "precision": self._precision,
            "options": {
                "intra_op_num_threads": self._threads // self._streams,
                "streams": self._streams,
                "inter_op_num_threads": 1,
                "execution_mode": "sequential",
                "graph_optimization_level": "all",
                "providers": list(self._session.get_providers()),
            },
        }


def _provider(name: str) -> str:
    """Return ONNX Runtime's name of a provider that is there; ORT would fall back in silence."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if _PROVIDERS[name] not in available:
        raise UserError(
            f"This ONNX Runtime ({onnxruntime.__version__}) has no provider {name}.",
            hint=f"It has: {', '.join(available)}. The package onnxruntime-gpu has cuda and "
            "tensorrt.",
        )
    return _PROVIDERS[name]


def read_input(value: Any, model: Path) -> TensorSpec:
    """Return an input of a session, for which a scalar and an open rank are the same."""
    kind, _, element = value.type.removesuffix(")").partition("(")
    name = numpy_name(element if kind == "tensor" else kind)
    shape = tuple(d if isinstance(d, int) else None for d in value.shape)
    if shape or importlib.util.find_spec("onnx") is None:
        return TensorSpec(value.name, name, shape or None)
    import onnx

    written = onnx_inputs(onnx.load(str(model), format="protobuf", load_external_data=False))
    return next(one for one in written if one.name == value.name)


def _target(provider: str) -> str:
    return next(name for name, full in _PROVIDERS.items() if full == provider)
