"""A model is all of its files; its identity changes with each of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
from models import tiny_classifier

from mlrepo.model_files import find_model_files


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_one_file_is_its_own_identity(tmp_path: Path) -> None:
    """Its plain SHA-256, as in the records before there were lists of files."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    found = find_model_files(path)
    assert found.digest == _sha(path.read_bytes())
    assert [file.name for file in found.files] == ["tiny.onnx"]
    assert found.size == path.stat().st_size


def test_weights_in_a_second_file_belong_to_the_identity(tmp_path: Path) -> None:
    """The digest is that of the output of sha256sum over both; other weights, another model."""
    path = tiny_classifier(tmp_path / "tiny.onnx")
    (tmp_path / "sub").mkdir()
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="sub/weights.bin")
    first = find_model_files(path)
    assert [file.name for file in first.files] == ["sub/weights.bin", "tiny.onnx"]
    listed = "".join(f"{_sha((tmp_path / f.name).read_bytes())}  {f.name}\n" for f in first.files)
    assert first.digest == _sha(listed.encode())
    weights = tmp_path / "sub/weights.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert find_model_files(path).digest != first.digest
