"""The benchmarks of docs/benchmarks.md do what the page says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads import Workload
from mlrepo.workloads.digits import DIGITS
from mlrepo.workloads.inspection import inspect_model
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.quantize import Calibration, quantize
from tests.pages import shown_module


def test_the_classification_judges_its_samples_and_checks_its_models(tmp_path: Path) -> None:
    """A model for its images is taken, one for others is not."""
    stripes: Workload = shown_module("benchmarks.md", "mybenchmark").STRIPES
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


@pytest.fixture
def answers(tmp_path: Path) -> tuple[Workload, Path]:
    """The benchmark of marked answers, and a home with three texts registered and prepared."""
    workload: Workload = shown_module("benchmarks.md", "myanswers").MARKED_ANSWERS
    texts = [[5, 1, 7, 8, 2], [1, 9, 2, 6], [4, 1, 2]]
    (tmp_path / "texts.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in texts))
    data = workload.dataset
    assert data is not None
    assert data.add(tmp_path, tmp_path, {}).samples == 3
    data.prepare(tmp_path, "", 0, 1, lambda done, total: None)
    return workload, tmp_path


def test_the_whole_benchmark_judges_what_its_model_answers(
    answers: tuple[Workload, Path],
) -> None:
    """Its model finds all answers, also the empty one; a wrong answer costs what it should."""
    workload, home = answers
    assert workload.dataset is not None
    assert workload.make_model is not None
    [about] = workload.models
    workload.make_model(home / "m.onnx", about, None)
    data: Any = workload.open(str(workload.dataset.find(home, None)))  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(home / "m.onnx")
    outputs = session.run(None, dict(data.load(range(3))))
    found = workload.task.postprocess(outputs, range(3))
    assert [len(one) for one in found] == [8, 4, 0]  # type: ignore[arg-type]
    logged = [AccuracyEntry(row, data) for row, data in enumerate(found)]
    assert workload.task.judge(logged, data).metrics["exact_match"] == Metric(100.0, "%")
    logged[0] = AccuracyEntry(0, logged[0].data[:4])
    judged = workload.task.judge(logged, data)
    assert judged.value == pytest.approx(100 * (2 / 3 + 1 + 1) / 3)
    assert judged.metrics["exact_match"].value == pytest.approx(200 / 3)
    assert json.loads(judged.text)["f1"] == judged.value


def test_the_data_of_the_whole_benchmark_are_checked(answers: tuple[Workload, Path]) -> None:
    """A changed file is found, and a wrong line is named."""
    workload, home = answers
    data = workload.dataset
    assert data is not None
    assert len(data.verify(home, 1, lambda done, total: None)) == 64
    (home / "texts.jsonl").write_text("[1, 7, 2]\n")
    with pytest.raises(InvalidResult, match="not those that were prepared"):
        data.verify(home, 1, lambda done, total: None)
    for wrong in ("[2, 7, 1]", "[1, 7]", "7", "{", "[1, 2, " + "3, " * 20 + "3]"):
        (home / "texts.jsonl").write_text(f"[1, 2]\n{wrong}\n")
        with pytest.raises(UserError, match=r"texts\.jsonl:2 is not a text"):
            data.add(home, home, {})


@pytest.mark.parametrize(
    ("names", "kind", "length", "words"),
    [
        (("ids", "mask"), TensorProto.INT64, 16, ()),
        (("attention_mask", "input_ids"), TensorProto.INT32, "tokens", ()),
        (("ids", "segments"), TensorProto.INT64, 16, ("segments int64 ['n', 16]", "mask: int64")),
        (("ids",), TensorProto.FLOAT, 16, ("ids fp32", "ids: int64 [batch, 16]")),
        (("ids", "mask"), TensorProto.INT64, 8, ("ids int64 ['n', 8]", "ids: int64 [batch, 16]")),
    ],
)
def test_a_model_for_the_whole_benchmark_is_checked_when_it_is_added(
    answers: tuple[Workload, Path],
    names: tuple[str, ...],
    kind: int,
    length: int | str,
    words: tuple[str, ...],
) -> None:
    """By names or aliases of the tensors, types and sizes; both sides are named."""
    workload, home = answers
    shape: list[str | int | None] = ["n", length]
    nodes = [
        helper.make_node("Cast", [names[0]], [out], to=TensorProto.FLOAT)
        for out in ("begin", "end")
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name in names],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 16]) for n in ("begin", "end")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save_model(
        helper.make_model(graph, opset_imports=[opset], ir_version=8), home / "theirs.onnx"
    )
    if not words:
        assert inspect_model(home / "theirs.onnx", workload).layout == ""
        return
    with pytest.raises(UserError) as caught:
        inspect_model(home / "theirs.onnx", workload)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert "also input_ids" in caught.value.hint


@pytest.mark.long
def test_a_model_of_several_inputs_is_quantized(answers: tuple[Workload, Path]) -> None:
    """Each input gets the tensor of its name; samples without one are refused."""
    workload, home = answers
    assert workload.dataset is not None
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT)
        for name in ("attention_mask", "ids")
    ]
    nodes += [
        helper.make_node("MatMul", ["ids_f", "w"], ["begin"]),
        helper.make_node("MatMul", ["attention_mask_f", "w"], ["end"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", 16])
            for name in ("attention_mask", "ids")
        ],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 16]) for n in ("begin", "end")],
        [numpy_helper.from_array(rng.standard_normal((16, 16)).astype(np.float32), "w")],
    )
    opset = helper.make_opsetid("", 17)
    path = home / "fp32.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    data = workload.open(str(workload.dataset.find(home, None)))  # type: ignore[arg-type]
    store = ModelStore(home)
    about = replace(workload.models[0], variant="fp32", seed=None, weight_data_types="fp32")
    base = store.register(about, path, {})
    done = quantize(store, base, "int8", "minmax", Calibration(data, [0, 1, 2], "all", "0" * 64))
    assert "3 samples (all)" in done.about.weight_transformations
    assert "int8" in done.about.weight_data_types
    with pytest.raises(UserError, match="takes attention_mask, ids, and the samples"):
        calibration = Calibration(DIGITS.open(""), [0], "digits", "0" * 64)
        quantize(store, base, "wrong", "minmax", calibration)


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
