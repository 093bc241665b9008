"""The BERT that mlrepo writes computes a BERT, with the weights of its seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from mlrepo.model_files import find_model_files
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.squad import RandomQuestions
from mlrepo.workloads.squad.bert import LARGE, SMALL, BertShape, write_bert
from mlrepo.workloads.squad.features import LENGTH
from mlrepo.workloads.weights import read_facts

_SHAPE = BertShape(layers=2, width=24, heads=3)
Weights = Mapping[str, npt.NDArray[Any]]


def _weights(path: Path) -> Weights:
    model = onnx.load(str(path))
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def _norm(x: npt.NDArray[Any], weights: Weights, name: str) -> npt.NDArray[Any]:
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    normed: npt.NDArray[Any] = centred / spread * weights[f"{name}.weight"]
    return normed + weights[f"{name}.bias"]


def _dense(x: npt.NDArray[Any], weights: Weights, name: str) -> npt.NDArray[Any]:
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _logits(weights: Weights, ids: list[int], segments: list[int]) -> npt.NDArray[Any]:
    """Compute one sample without padding, token by token and head by head, in float64."""
    weights = {name: value.astype(float) for name, value in weights.items()}
    x = weights["input_ids.table"][ids] + weights["segment_ids.table"][segments]
    x = _norm(x + weights["positions.table"][0, : len(ids)], weights, "embeddings.norm")
    size = _SHAPE.width // _SHAPE.heads
    for layer in range(_SHAPE.layers):
        name = f"layer{layer}"
        query, key, value = (
            _dense(x, weights, f"{name}.attention.{part}") for part in ("query", "key", "value")
        )
        found = np.zeros_like(x)
        for head in range(_SHAPE.heads):
            part = slice(head * size, (head + 1) * size)
            for token in range(len(ids)):
                scores = key[:, part] @ query[token, part] / math.sqrt(size)
                shares = np.exp(scores - scores.max())
                found[token, part] = shares / shares.sum() @ value[:, part]
        x = _norm(x + _dense(found, weights, f"{name}.output"), weights, f"{name}.norm")
        inner = _dense(x, weights, f"{name}.inner")
        inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
        x = _norm(x + _dense(inner, weights, f"{name}.outer"), weights, f"{name}.norm2")
    return np.concatenate([_dense(x, weights, side) for side in ("start", "end")], axis=1)


@pytest.mark.parametrize("tokens", [LENGTH, None])
def test_the_model_computes_a_bert(tmp_path: Path, tokens: int | None) -> None:
    """Padding changes nothing, whether samples have one length or any."""
    path = write_bert(tmp_path / "bert.onnx", _SHAPE, seed=3, tokens=tokens)
    session = onnxruntime.InferenceSession(str(path))
    questions = RandomQuestions(20).load(range(20))
    at = int(questions["input_mask"].sum(axis=1).argmin())
    length = int(questions["input_mask"][at].sum())
    shown = LENGTH if tokens else length + 5
    feed = {name: value[at : at + 1, :shown] for name, value in questions.items()}
    start, end = session.run(None, feed)
    assert start.shape == end.shape == (1, shown)
    ids, segments = (feed[name][0, :length].tolist() for name in ("input_ids", "segment_ids"))
    expected = _logits(_weights(path), ids, segments)
    found = np.stack([start[0], end[0]], axis=1)[:length]
    assert np.abs(found - expected).max() < 1e-5 < np.abs(expected).max()


def test_the_weights_are_those_of_the_seed(tmp_path: Path) -> None:
    """The same file for the same seed, another for another; both files belong to the model."""
    digests = [
        find_model_files(write_bert(tmp_path / name / "bert.onnx", _SHAPE, seed=seed)).digest
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert digests[0] == digests[1] != digests[2]
    files = find_model_files(tmp_path / "a" / "bert.onnx")
    assert [file.name for file in files.files] == ["bert.onnx", "bert.onnx.data"]
    facts = read_facts(tmp_path / "a" / "bert.onnx")
    assert (facts.weights, facts.embeddings) == (("fp32",), 30522)


@pytest.mark.long
def test_the_store_makes_the_small_bert(tmp_path: Path) -> None:
    """With its weights beside it, and nothing half-written."""
    store = ModelStore(tmp_path)
    stored = store.require(store.find("bert-small-random"))
    names = sorted(path.name for path in stored.path.parent.iterdir())
    own = "bert-small-random-seed-0.onnx"
    assert names == [own, f"{own}.data", "model.json"]
    assert stored.model_file().files.digest == stored.sha256
    width, inner = SMALL.width, 4 * SMALL.width
    tables = (30522 + 2 + 512) * width
    layer = 4 * width * (width + 1) + 2 * width * inner + inner + width + 4 * width
    assert stored.size // 4 == pytest.approx(tables + SMALL.layers * layer, rel=0.01)


def test_the_large_bert_is_that_of_mlperf() -> None:
    """bert_config.json of the reference: 24 layers, 1024 wide, 16 heads."""
    assert (LARGE.layers, LARGE.width, LARGE.heads) == (24, 1024, 16)
