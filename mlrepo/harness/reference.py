"""Compute a model's reference outputs in a process of its own, with ONNX Runtime or PyTorch.

The separate process keeps its memory and threads away while LoadGen measures; it works while the
backend loads. It reads a line of JSON and the tensors of samples from standard input, and writes a
line of JSON and the arrays of the scores to standard output.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlrepo.backends import Array, Batch, available_threads
from mlrepo.backends.inputs import TensorSpec, samples_in
from mlrepo.errors import MlrepoError
from mlrepo.harness.feed import Samples, fed, rows_of
from mlrepo.harness.samples import tensors_in
from mlrepo.model_files import TORCH_SUFFIXES
from mlrepo.workloads.tensors import shapes_of

ONNX_RUNTIME, PYTORCH = "ONNX Runtime", "PyTorch"
# Only the framework that runs these can read them.
_OWN = {".xml": "OpenVINO"}

Predict = Callable[[Batch], Sequence[Any]]


@dataclass(frozen=True)
class ReferenceRequest:
    """What the process computes: a model, and the maximum number of samples in one batch.

    Attributes
    ----------
    names:
        Other names that inputs for a tensor of the samples have in models, by its name.
    """

    model: str
    threads: int | None
    batch: int
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)


def framework_of(model: Path) -> str:
    """Return the framework that computes a model's reference outputs; '' if there is none."""
    suffix = model.suffix.lower()
    if model.is_dir() or suffix in _OWN:
        return ""
    return PYTORCH if suffix in TORCH_SUFFIXES else ONNX_RUNTIME


def write_request(request: ReferenceRequest, samples: Samples, stream: IO[bytes]) -> None:
    """Write the input of the process."""
    stream.write(json.dumps([dataclasses.asdict(request), list(samples)]).encode() + b"\n")
    for array in samples.values():
        np.save(stream, array, allow_pickle=False)
    stream.seek(0)


def read_answer(stream: IO[bytes]) -> tuple[dict[str, str], list[Array]]:
    """Return the output of the process: ``framework`` or ``problem``, and the scores.

    Raises
    ------
    ValueError
        It wrote something else, or nothing.
    """
    stream.seek(0)
    report = json.loads(stream.readline())
    scores = [] if report.get("problem") else np.load(io.BytesIO(stream.read()), allow_pickle=False)
    return report, [scores[name] for name in scores]


def main() -> None:
    """Answer one request."""
    # Frameworks print; what the parent reads must be ours alone.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    given, names = json.loads(sys.stdin.buffer.readline())
    request = ReferenceRequest(**given)
    samples = {name: np.load(sys.stdin.buffer, allow_pickle=False) for name in names}
    arrays = io.BytesIO()
    try:
        name, outputs = _scores(request, samples)
        np.savez(arrays, allow_pickle=False, **{f"{i:03}": o for i, o in enumerate(outputs)})
        report = {"framework": name}
    except MlrepoError as error:
        report = {"problem": error.message}
    except Exception as error:  # frameworks may raise anything; the run continues without
        tried = f"{framework_of(Path(request.model))} cannot run {Path(request.model).name}"
        report = {"problem": MlrepoError.caused_by(tried, error).message}
    out.write(json.dumps(report).encode() + b"\n" + arrays.getvalue())
    out.flush()


def _scores(request: ReferenceRequest, samples: Samples) -> tuple[str, list[Array]]:
    """Return the framework with its version, and the model's outputs for the samples."""
    model = Path(request.model)
    load = _torch if framework_of(model) == PYTORCH else _onnx
    tensors = [
        replace(tensor, aliases=tuple(request.names.get(tensor.name, ())))
        for tensor in tensors_in(samples)
    ]
    name, specs, predict = load(model, request, shapes_of(tensors))
    feed = fed(specs, tensors, model)
    given, static = feed.cast(samples), feed.static_batch
    total = samples_in(given)
    size = static or min(request.batch, total)
    parts: list[list[Array]] = []
    for start in range(0, total, size):
        # A model for one batch size gets the samples repeated until the batch is full.
        rows = [row % total for row in range(start, start + size)]
        found = [np.asarray(output) for output in predict(rows_of(given, rows))]
        count = min(size, total - start)
        parts.append([_of_samples(output, size, count) for output in found])
    outputs = [np.concatenate(part) for part in zip(*parts, strict=True)]
    if static is None and size > 1:
        # An output whose length equals this batch by chance has another length for one sample.
        alone = [np.asarray(output) for output in predict(rows_of(given, [0]))]
        outputs = [
            output if len(_of_samples(one, 1, 1)) else _NOTHING
            for output, one in zip(outputs, alone, strict=True)
        ]
    return name, outputs


_NOTHING = np.empty(0)


def _of_samples(output: Array, size: int, count: int) -> Array:
    """Return the first ``count`` rows of an output for a batch; nothing if it has no such rows.

    A number for the whole batch, a table beside the scores, and texts are not compared.
    """
    if output.dtype.kind not in "fiub" or not output.ndim or len(output) != size:
        return _NOTHING
    return output[:count]


def _onnx(
    model: Path, request: ReferenceRequest, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, Sequence[TensorSpec], Predict]:
    """Load a model without optimisations: each operator as ONNX defines it.

    Fused integer kernels saturate on CPUs without VNNI, so they cannot serve as a reference.
    """
    import onnxruntime

    from mlrepo.backends.onnxruntime import read_input

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = request.threads or available_threads()
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    specs = [read_input(value, model) for value in session.get_inputs()]

    def predict(batch: Batch) -> Sequence[Any]:
        given = batch if isinstance(batch, dict) else {specs[0].name: batch}
        return session.run(None, given)  # type: ignore[no-any-return]

    return f"{ONNX_RUNTIME} {onnxruntime.__version__}", specs, predict


def _torch(
    model: Path, request: ReferenceRequest, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, Sequence[TensorSpec], Predict]:
    """Load a PyTorch model and run it unchanged: eagerly, in its own types."""
    from mlrepo.backends.torch_models import load_torch_model

    loaded = load_torch_model(model, request.batch, shapes)
    import torch

    torch.set_num_threads(request.threads or available_threads())

    def predict(batch: Batch) -> Sequence[Any]:
        arrays = [batch[s.name] for s in loaded.specs] if isinstance(batch, dict) else [batch]
        with torch.inference_mode():
            found = loaded.module(*map(torch.from_numpy, arrays))
        outputs = found if isinstance(found, (tuple, list)) else [found]
        return [(o.float() if o.is_floating_point() else o).numpy() for o in outputs]

    return f"{PYTORCH} {torch.__version__}", loaded.specs, predict
