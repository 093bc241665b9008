"""Models of several inputs get the tensors of the samples by name, on each backend alike."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlrepo.backends import Array, BackendOptions
from mlrepo.bench.available import combinations
from mlrepo.errors import UserError
from mlrepo.harness import agreement
from mlrepo.harness.feed import outputs_of, plan_feed, rows_of
from mlrepo.harness.reference import ReferenceRequest
from mlrepo.harness.samples import TensorLibrary, load_samples, source_of
from mlrepo.plugins import BACKENDS, load_plugin
from mlrepo.workloads import SampleTensor
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.digits import DIGITS
from mlrepo.workloads.tensors import shapes_of, tensors_of

_MODULES = {"onnx": "onnxruntime", "openvino": "openvino", "pytorch": "torch", "tvm-onnx": "tvm"}
_RUN = ("onnx", "openvino", "pytorch")
_LENGTH, _WORDS, _WIDTH = 6, 32, 3
_TABLE = np.random.default_rng(5).standard_normal((_WORDS, _WIDTH)).astype(np.float32)


class _Sentences:
    """Token ids with a mask: two tensors for each sample."""

    total = 40
    tensors: Sequence[SampleTensor] = (
        SampleTensor("input_ids", "int64", (_LENGTH,), aliases=("ids",)),
        SampleTensor("input_mask", "int64", (_LENGTH,), aliases=("attention_mask",)),
    )

    def load(self, indices: Sequence[int]) -> Any:
        rows = np.asarray(indices)[:, None]
        columns = np.arange(_LENGTH)[None]
        ids = (7 * rows + 3 * columns) % _WORDS
        mask = (columns <= rows % _LENGTH).astype(np.int64)
        return {"input_mask": mask, "input_ids": ids}

    def describe(self) -> dict[str, Any]:
        return {}


class _Lengths(_Sentences):
    """The same sentences as Python objects of different lengths."""

    objects = True

    def load(self, indices: Sequence[int]) -> list[list[int]]:
        return [[(7 * i + 3 * c) % _WORDS for c in range(1 + i % _LENGTH)] for i in indices]


class _Padding(Classification):
    """Pads sentences to the longest of their batch."""

    def collate(self, samples: Sequence[list[int]]) -> dict[str, Array]:
        longest = max(map(len, samples))
        ids = np.zeros((len(samples), longest), np.int64)
        mask = np.zeros((len(samples), longest), np.int64)
        for row, sample in enumerate(samples):
            ids[row, : len(sample)] = sample
            mask[row, : len(sample)] = 1
        return {"input_ids": ids, "input_mask": mask}


def _wanted(indices: Sequence[int]) -> Array:
    given = _Sentences().load(indices)
    scores = (_TABLE[given["input_ids"]] * given["input_mask"][..., None]).sum(axis=1)
    return np.asarray(scores, np.float32)


def _model(
    path: Path,
    names: tuple[str, str] = ("ids", "attention_mask"),
    kind: int = TensorProto.INT64,
    shape: tuple[Any, ...] = ("n", _LENGTH),
) -> Path:
    """Write a model that adds up the rows of a table where the mask is one."""
    nodes = [
        helper.make_node("Gather", ["table", names[0]], ["rows"]),
        helper.make_node("Cast", [names[1]], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["scores"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(_TABLE, "table"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "middle"),
    ]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (shape[0], _WIDTH))]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, path)
    return path


def _loaded(backend: str, model: Path, extra: Mapping[str, str] | None = None) -> Any:
    if importlib.util.find_spec(_MODULES[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    loaded = load_plugin(BACKENDS, backend)()
    options = BackendOptions(
        threads=2, batch=2, extra=extra or {}, samples=shapes_of(_Sentences.tensors)
    )
    loaded.load(model, options)
    return loaded


@pytest.mark.parametrize("backend", _RUN)
@pytest.mark.parametrize("shape", [("n", _LENGTH), ("n", "length"), (4, _LENGTH)])
def test_each_input_gets_its_tensor(backend: str, shape: tuple[Any, ...], tmp_path: Path) -> None:
    """By an alias and in another order; open sizes, and batches that have to be filled up."""
    backend_, data = _loaded(backend, _model(tmp_path / "m.onnx", shape=shape)), _Sentences()
    feed = plan_feed(backend_, tensors_of(data), Path("m.onnx"))
    assert feed.static_batch == (4 if shape[0] == 4 else None)
    library = TensorLibrary(data, 8, feed.cast)
    library.load([9, 3, 30, 31, 32, 0])
    for indices in ([9], [3, 30, 31], [0, 9, 3, 30]):
        batch = library.batch(library.rows(indices))
        (scores,) = outputs_of(backend_, batch, feed.static_batch)
        np.testing.assert_allclose(scores, _wanted(indices), atol=1e-5)
    (scores,) = outputs_of(backend_, library.one(31), feed.static_batch)
    np.testing.assert_allclose(scores, _wanted([31]), atol=1e-5)
    view = library.batch(library.rows([30, 31]))
    assert all(np.shares_memory(array, library.one(30)[name]) for name, array in view.items())


def test_a_torchscript_gets_the_tensors_that_it_names(tmp_path: Path) -> None:
    """It does not say their types: they are those of the samples."""
    torch = pytest.importorskip("torch")

    class Sum(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, attention_mask: Any, input_ids: Any) -> Any:
            rows = torch.nn.functional.embedding(input_ids, torch.from_numpy(_TABLE))
            return (rows * attention_mask.unsqueeze(-1)).sum(1)

    example = torch.zeros((2, _LENGTH), dtype=torch.int64)
    torch.jit.save(torch.jit.trace(Sum(), (example, example)), str(tmp_path / "m.pt"))
    backend, data = _loaded("pytorch", tmp_path / "m.pt"), _Sentences()
    feed = plan_feed(backend, tensors_of(data), Path("m.pt"))
    assert [(one.spec.name, one.spec.dtype) for one in feed.inputs] == [
        ("attention_mask", "int64"),
        ("input_ids", "int64"),
    ]
    batch = feed.cast(load_samples(data, [3, 9]))
    np.testing.assert_allclose(outputs_of(backend, batch, None)[0], _wanted([3, 9]), atol=1e-5)
    others = (SampleTensor("tokens", "int64", (_LENGTH,)), *_Sentences.tensors[1:])
    with pytest.raises(UserError, match="takes attention_mask: elements of any shape"):
        plan_feed(backend, others, Path("m.pt"))


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_streams_share_a_batch_of_several_tensors(backend: str, tmp_path: Path) -> None:
    """Each gets the same rows of every tensor."""
    loaded = _loaded(backend, _model(tmp_path / "m.onnx"), {"streams": "2"})
    feed = plan_feed(loaded, _Sentences.tensors, Path("m.onnx"))
    batch = feed.cast(load_samples(_Sentences(), range(5)))
    (scores,) = loaded.predict(batch)
    np.testing.assert_allclose(scores, _wanted(range(5)), atol=1e-5)


@pytest.mark.parametrize("backend", _RUN)
def test_integers_of_another_width_are_fed_and_said(backend: str, tmp_path: Path) -> None:
    """The record says what became of the samples."""
    loaded = _loaded(backend, _model(tmp_path / "m.onnx", kind=TensorProto.INT32))
    feed = plan_feed(loaded, _Sentences.tensors, Path("m.onnx"))
    (scores,) = loaded.predict(feed.cast(load_samples(_Sentences(), [1, 2])))
    np.testing.assert_allclose(scores, _wanted([1, 2]), atol=1e-5)
    about = feed.describe()
    assert about["cast"] == "int64 samples narrowed to int32"
    assert (about["name"], about["type"]) == ("ids, attention_mask", "int32")
    big = {name: np.full((1, _LENGTH), 1 << 40) for name in ("input_ids", "input_mask")}
    with pytest.raises(UserError, match=r"input ids is int32, .* 1\.09951e\+12"):
        feed.cast(big)


@pytest.mark.parametrize("backend", _RUN)
def test_inputs_that_the_samples_do_not_have_are_refused(backend: str, tmp_path: Path) -> None:
    """Both sides are named: what the model takes, and what there is."""
    loaded = _loaded(backend, _model(tmp_path / "m.onnx", ("ids", "segments")))
    with pytest.raises(UserError, match=r"takes ids: int64 .*; segments: .*, but .*have input_ids"):
        plan_feed(loaded, _Sentences.tensors, Path("m.onnx"))
    loaded = _loaded(backend, _model(tmp_path / "m.onnx", shape=("n", 9)))
    with pytest.raises(UserError, match=r"shape \[batch, 9\] for ids.*\[batch, 6\]"):
        plan_feed(loaded, _Sentences.tensors, Path("m.onnx"))


def test_a_backend_for_one_input_refuses_by_its_name(tmp_path: Path) -> None:
    """And says which to use instead."""
    with pytest.raises(UserError, match=r"has 2 inputs.*tvm-onnx runs models with one") as caught:
        _loaded("tvm-onnx", _model(tmp_path / "m.onnx"))
    assert "mlrepo bench list" in caught.value.hint


def test_a_backend_for_one_input_is_not_listed_for_several(tmp_path: Path) -> None:
    """BERT's samples are three tensors; those of images are one."""
    able = {(one.benchmark, one.backend) for one in combinations(tmp_path)}
    assert {("bert-large-random", "onnx"), ("resnet50-random", "tvm-onnx")} <= able
    assert not able & {("bert-large-random", "tvm-onnx"), ("bert-99", "tvm-pytorch")}


@pytest.mark.parametrize("backend", ["openvino", "pytorch"])
@pytest.mark.parametrize("objects", [False, True], ids=["tensors", "objects"])
def test_the_scores_are_compared_with_the_reference(
    backend: str, objects: bool, tmp_path: Path
) -> None:
    """Also those of objects, padded alike; a mask that is ignored is found."""
    if objects and backend == "pytorch":
        pytest.skip("it traces for one length")
    model = _model(tmp_path / "m.onnx", shape=("n", "length"))
    data = _Lengths() if objects else _Sentences()
    task = _Padding()
    workload = replace(DIGITS, task=task, tensors=tuple(_Sentences.tensors))
    source, compared = source_of(data, workload), [0, 9, 17, 30]
    options = BackendOptions(threads=1, batch=2, samples=shapes_of(source.tensors))
    request = ReferenceRequest(
        str(model), 1, 4, {one.name: one.aliases for one in _Sentences.tensors}
    )
    loaded = load_plugin(BACKENDS, backend)()
    with agreement.expectation(
        model, loaded, options, request, lambda: source.load(compared), check=True
    ) as wait:
        loaded.load(model, options)
        expected = wait()
    assert expected.framework.startswith("ONNX Runtime"), expected.why
    feed = plan_feed(loaded, source.tensors, model)
    batch = feed.cast(source.load(compared))

    def predict(indices: Sequence[int], change: int = 1) -> list[Array]:
        rows = rows_of(batch, [compared.index(index) for index in indices])
        assert isinstance(rows, dict)
        return outputs_of(loaded, {**rows, "attention_mask": rows["attention_mask"] | change}, None)

    kind = agreement.allowed_type(model, "fp32", feed)
    assert kind == "fp32"
    check = agreement.AgreementCheck(backend, lambda i: predict(i, 0), compared, kind, task)
    assert check.run(expected, [1, 4])["distance"] < 1e-5  # type: ignore[operator]
    with pytest.raises(UserError, match=r"gives .* where ONNX Runtime"):
        agreement.AgreementCheck(backend, predict, compared, kind, task).run(expected, [1, 4])


def test_objects_without_collate_are_refused() -> None:
    """Before anything is loaded, with both ways out."""
    with pytest.raises(UserError, match="are no tensors") as caught:
        source_of(_Lengths(), DIGITS)
    assert "collate" in caught.value.hint
