"""A record's model is found by its digest, whatever version wrote the record."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest

from mlrepo.bench.inputs import find_same_model
from mlrepo.errors import UserError
from mlrepo.model_files import find_model_files
from mlrepo.record import ModelFacts, ModelFileFacts
from mlrepo.workloads.digits import DIGITS


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The digits model with its weights in two files."""
    assert DIGITS.model is not None
    path = tmp_path / "m.onnx"
    onnx.save_model(
        onnx.load(DIGITS.model.path),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        size_threshold=30_000,
    )
    assert len(find_model_files(path).files) > 2
    return path


def _recorded(path: Path) -> ModelFacts:
    files = find_model_files(path)
    listed = tuple(ModelFileFacts(one.name, one.size, one.sha256) for one in files.files)
    return ModelFacts(file=path.name, sha256=files.digest, files=listed)


def test_a_record_without_a_list_of_files_names_a_model_of_one_file(tmp_path: Path) -> None:
    """As mlrepo 0.1 wrote it."""
    assert DIGITS.model is not None
    sha256 = hashlib.sha256(DIGITS.model.path.read_bytes()).hexdigest()
    found = find_same_model(tmp_path, DIGITS, ModelFacts(file="x.onnx", sha256=sha256), None)
    assert found.path == DIGITS.model.path


def test_the_files_that_differ_are_named(tmp_path: Path, model: Path) -> None:
    """The graph and the other weights are those of the record."""
    recorded = _recorded(model)
    assert find_same_model(tmp_path, DIGITS, recorded, model).path == model
    changed = next(p for p in find_model_files(model).paths() if p != model)
    changed.write_bytes(changed.read_bytes()[::-1])
    with pytest.raises(UserError, match=f"other or missing: {changed.name}"):
        find_same_model(tmp_path, DIGITS, recorded, model)
    changed.unlink()
    with pytest.raises(UserError, match=f"{changed.name}.*does not exist"):
        find_same_model(tmp_path, DIGITS, recorded, model)


def test_a_record_of_the_graph_alone_matches_no_weights(tmp_path: Path, model: Path) -> None:
    """mlrepo 0.1 hashed the named file only: which weights it ran, nobody knows."""
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    recorded = ModelFacts(file=model.name, sha256=sha256)
    with pytest.raises(UserError, match="names only one of its files"):
        find_same_model(tmp_path, DIGITS, recorded, model)
