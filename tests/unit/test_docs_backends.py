"""The backend and the benchmark of docs/backends.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlrepo.backends import BackendOptions
from mlrepo.backends.capabilities import said_by
from mlrepo.errors import UserError
from mlrepo.harness.device_guard import described_on
from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Workload
from mlrepo.workloads.digits import DIGITS
from mlrepo.workloads.inspection import inspect_model

_PAGE = Path(__file__).parents[2] / "docs" / "backends.md"


def _module(name: str) -> ModuleType:
    """Return the module that the page shows under a file name."""
    text = _PAGE.read_text(encoding="utf-8")
    (source,) = re.findall(rf"```python\n# {name}\.py\n(.*?)```", text, re.DOTALL)
    module = ModuleType(name)
    exec(compile(source, f"{_PAGE.name}: {name}.py", "exec"), module.__dict__)
    return module


def test_the_backend_runs_and_says_where() -> None:
    """It loads a model, answers, and refuses what it has not."""
    assert DIGITS.model is not None
    backend = _module("mybackend").MyBackend()
    asked = BackendOptions(threads=1, extra={"level": "none"})
    backend.load(DIGITS.model.path, asked)
    assert backend.input_shape == (None, 1, 8, 8)
    (scores,) = backend.predict(np.zeros((3, 1, 8, 8), np.float32))
    assert scores.shape == (3, 10)
    assert described_on(backend, "mine", "cpu")["options"] == {"threads": 1, "level": "none"}
    assert said_by(backend).declared
    for wrong in (
        BackendOptions(device="cuda"),
        BackendOptions(precision="bf16"),
        BackendOptions(extra={"levels": "all"}),
    ):
        with pytest.raises(UserError, match="The backend mine"):
            backend.load(DIGITS.model.path, wrong)


def test_the_benchmark_judges_its_samples_and_checks_its_models(tmp_path: Path) -> None:
    """A model for its images is taken, one for others is not."""
    stripes: Workload = _module("mybenchmark").STRIPES
    data = stripes.open("")
    assert data.load([5]).shape == (1, 1, 12, 20)
    answers = np.asarray(
        stripes.task.postprocess([np.eye(4, dtype=np.float32)[data.labels]], range(data.total))  # type: ignore[attr-defined]
    )
    logged = [AccuracyEntry(row, answer.tobytes()) for row, answer in enumerate(answers)]
    assert stripes.task.judge(logged, data).value == 100.0
    assert inspect_model(_model(tmp_path, (1, 12, 20)), stripes).layout == "NCHW"
    with pytest.raises(UserError, match="the benchmark gives float32"):
        inspect_model(_model(tmp_path, (3, 12, 20)), stripes)


def _model(directory: Path, shape: tuple[int, ...]) -> Path:
    size = int(np.prod(shape))
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor("w", TensorProto.FLOAT, [size, 4], [0.0] * (4 * size))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = directory / f"{size}.onnx"
    onnx.save_model(model, path)
    return path
