"""A backend that caches compiled models recompiles if weights beside the graph change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mlrepo.backends import BackendOptions
from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
from mlrepo.backends.tvm.backend import TvmOnnxBackend
from mlrepo.errors import UserError
from mlrepo.plugins import BACKENDS, load_plugin

_NEEDS = {"tvm-onnx": ("tvm",), "tvm-pytorch": ("tvm", "torch")}


def _write(path: Path, seed: int) -> None:
    """Write a convolution and a matrix; the graph is the same for each seed, the weights are not"""
    rng = np.random.default_rng(seed)
    shapes = {"w": (8, 3, 3, 3), "m": (8, 10)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 10])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(
        model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0
    )


@pytest.mark.parametrize("name", sorted(_NEEDS))
def test_replaced_weights_give_their_own_answers(name: str, tmp_path: Path) -> None:
    """The graph is the same to the byte; the answers are those of ONNX Runtime, old and new."""
    for module in _NEEDS[name]:
        pytest.importorskip(module)
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    images = np.random.default_rng(9).standard_normal((2, 3, 8, 8)).astype(np.float32)
    graphs, answers = set(), []
    for seed in (1, 2):
        path.unlink(missing_ok=True)
        path.with_name("m.onnx.data").unlink(missing_ok=True)
        _write(path, seed)
        graphs.add(path.read_bytes())
        found = []
        for backend in (load_plugin(BACKENDS, name)(), OnnxRuntimeBackend()):
            backend.load(path, BackendOptions(threads=1, batch=2, cache=cache))
            found.append(np.asarray(backend.predict(images)[0]))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)
        answers.append(found[0])
    assert len(graphs) == 1
    assert np.abs(answers[0] - answers[1]).max() > 0.1
    assert len(list(cache.glob("m-b2-*.so"))) == 2


class Disturbed(TvmOnnxBackend):
    """Somebody writes other weights once these were read."""

    def _import(self, model: Path, batch: int) -> Any:
        found = super()._import(model, batch)
        model.with_name("m.onnx.data").unlink()
        _write(model, 2)
        return found


def test_nothing_is_kept_of_weights_that_changed_while_they_were_compiled(tmp_path: Path) -> None:
    """Later runs would find the library by the digest of the old weights."""
    pytest.importorskip("tvm")
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    _write(path, 1)
    with pytest.raises(UserError, match="was changed while it was read"):
        Disturbed().load(path, BackendOptions(threads=1, batch=2, cache=cache))
    assert not list(cache.glob("*.so"))


@pytest.mark.parametrize("ending", ["textproto", "json", "onnxtxt"])
def test_a_model_as_text_is_refused(ending: str, tmp_path: Path) -> None:
    """The package onnx reads it by its ending; which files belong to it, nothing else could say."""
    pytest.importorskip("tvm")
    _write(tmp_path / "m.onnx", 1)
    path = tmp_path / f"m.{ending}"
    onnx.save(onnx.load(tmp_path / "m.onnx", load_external_data=False), path)
    with pytest.raises(UserError, match="is not an ONNX model"):
        load_plugin(BACKENDS, "tvm-onnx")().load(
            path, BackendOptions(batch=2, cache=tmp_path / "c")
        )
