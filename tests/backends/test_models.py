"""Generated models run correctly or are refused; `benchmarks/models.py` makes the full table."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks import child
from tests.architectures import architecture_models
from tests.form_models import form_models
from tests.onnx_builder import GeneratedModel, reference_scores
from tests.operator_models import operator_models

_RIGHT = ("equal", "refused")
# The reference implementation of onnx 1.23 computes these otherwise than their specification says:
# before opset 13 Softmax works on a matrix, SAME_LOWER pads at the beginning, a normalization uses
# the statistics that it is given, and LRN has as many channels as its input, however many samples.
_REFERENCE_DIFFERS = ("Softmax", "Hardmax", "SAME_LOWER", "BatchNormalization", "LRN")


def _models() -> Iterator[GeneratedModel]:
    yield from architecture_models()
    yield from form_models()
    yield from operator_models()


@pytest.fixture(scope="module")
def models() -> list[GeneratedModel]:
    """All generated models."""
    return list(_models())


def test_all_that_are_named_in_the_field_are_there(models: list[GeneratedModel]) -> None:
    """Each name once, more than fifty operators, and ten architectures."""
    names = [model.name for model in models]
    assert len(set(names)) == len(names)
    assert len({model.name.split(",")[0] for model in architecture_models()}) == 10
    kinds = {node.op_type for model in operator_models() for node in model.proto.graph.node}
    assert len(kinds) > 100


def test_the_scores_tell_samples_apart(models: list[GeneratedModel], tmp_path: Path) -> None:
    """ONNX Runtime runs each, and no answer is the same for all samples."""
    for model in models:
        if model.refused:
            continue
        scores = reference_scores(model.write(tmp_path), model.images(4))
        assert np.isfinite(scores).all(), model.name
        assert np.abs(scores - scores[0]).max() > 1e-3 * np.abs(scores).max(), model.name


def test_the_reference_implementation_agrees(tmp_path: Path) -> None:
    """What ONNX Runtime computes without optimization is what the operators are specified to be."""
    from onnx.reference import ReferenceEvaluator

    compared = 0
    for model in operator_models():
        if any(kind in model.name for kind in _REFERENCE_DIFFERS):
            continue
        images = model.images(2)
        try:
            results: Any = ReferenceEvaluator(model.proto).run(None, {"image": images})
        except (RuntimeError, TypeError, ValueError):  # it has no implementation, or a wrong one
            continue
        found = reference_scores(model.write(tmp_path), images)
        assert np.abs(found - results[0]).max() <= 1e-5 * np.abs(results[0]).max(), model.name
        compared += 1
    assert compared > 150


def test_a_model_with_external_data_is_two_files(tmp_path: Path) -> None:
    """The generated form is what it says, and its scores are those of one file."""
    model = next(model for model in form_models() if model.external)
    path = model.write(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}
    one = tmp_path / "one.onnx"
    onnx.save_model(model.proto, one)
    images = model.images(2)
    assert (reference_scores(path, images) == reference_scores(one, images)).all()


def test_the_table_names_each_outcome(tmp_path: Path) -> None:
    """Through the harness: one model is equal, one is refused with the reason."""
    cells = tmp_path / "cells.json"
    done = subprocess.run(
        child(
            "models",
            *("--only", "A plain classifier;Takes uint8", "--backend", "onnx"),
            *("--json", str(cells), "--markdown", "--keep", str(tmp_path / "k")),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {cell["model"]: cell for cell in json.loads(cells.read_text())}
    assert found["A plain classifier, opset 13"]["outcome"] == "equal"
    assert found["Takes uint8, opset 13"]["outcome"] == "refused"
    assert "uint8" in found["Takes uint8, opset 13"]["why"]
    assert "| onnx | 3 | 1 | 0 | 0 | 0 |" in done.stdout
    assert "| Takes uint8, opset 13 | **refused** |" in done.stdout


# What a backend once got wrong in silence, or still does by itself; and a right one.
_TELLING = (
    "Softmax by default, opset 11",
    "MaxPool without strides, opset 11",
    "LRN, opset 13",
    "ConvTranspose output shape, opset 11",
    "Takes uint8, opset 13",
    "Gemm scaled, opset 11",
)


@pytest.mark.parametrize("backend", ["openvino", "pytorch"])
def test_what_is_not_equal_is_refused(backend: str, tmp_path: Path) -> None:
    """As a user runs it, with the agreement check: no score of another model is ever logged."""
    if importlib.util.find_spec({"pytorch": "torch"}.get(backend, backend)) is None:
        pytest.skip(f"{backend} is not installed")
    cells = tmp_path / "cells.json"
    subprocess.run(
        child(
            "models",
            *("--only", ";".join(_TELLING), "--backend", backend),
            *("--agreement-check", "--json", str(cells)),
        ),
        capture_output=True,
        check=False,
    )
    found = {cell["model"]: cell for cell in json.loads(cells.read_text())}
    assert set(found) == set(_TELLING)
    assert {c["model"]: c["why"] for c in found.values() if c["outcome"] not in _RIGHT} == {}
    assert found["Gemm scaled, opset 11"]["outcome"] == "equal"
