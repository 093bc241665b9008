"""What a GGUF file says about itself, and files that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlrepo.gguf import BadGguf, read_gguf
from mlrepo.model_kinds import GGUF, kind_of
from mlrepo.workloads.weights import read_facts
from tests.gguf_files import gguf_bytes, language_model, write_gguf

_MODEL = language_model(["<|end|>", "a"])
_TENSORS = {"embed": ((64, 4), 8), "norm": ((64,), 0), "layer": ((64, 64), 3)}
_WHOLE = gguf_bytes(_MODEL, _TENSORS)


def test_a_file_says_its_architecture_and_the_types_of_its_matrices(tmp_path: Path) -> None:
    """Vectors, such as normalizations, are no weights: they are fp32 in every file."""
    path = write_gguf(tmp_path / "model.gguf", _MODEL, _TENSORS)
    found = read_gguf(path)
    assert found.architecture == "llama"
    assert found.of_architecture("context_length") == 64
    assert found.values["tokenizer.ggml.tokens"] == ["<|end|>", "a"]
    assert found.values["tokenizer.ggml.token_type"] == [3, 1]
    assert [tensor.name for tensor in found.tensors] == ["embed", "norm", "layer"]
    assert found.weights == ("int4", "int8")
    assert found.tensors[-1].end == len(_WHOLE)
    assert kind_of(path) == GGUF
    assert read_facts(path).weight_data_types == "int4,int8"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(_WHOLE) - 1))
def test_a_file_that_was_cut_short_is_refused_wherever_it_ends(end: int) -> None:
    """Its tensors are not there, or its header is not whole."""
    path = Path(_folder.name) / "cut.gguf"
    path.write_bytes(_WHOLE[:end])
    with pytest.raises(BadGguf, match=r"cut short|not a GGUF file"):
        read_gguf(path)


@settings(deadline=None, max_examples=60)
@given(st.integers(4, len(gguf_bytes(_MODEL)) - 1), st.integers(0, 255))
def test_a_damaged_header_gives_no_other_error(at: int, byte: int) -> None:
    """Nor does it take memory for counts that no file has."""
    path = Path(_folder.name) / "damaged.gguf"
    data = bytearray(_WHOLE)
    data[at] = byte
    path.write_bytes(data)
    try:
        read_gguf(path)
    except BadGguf as error:
        assert str(error)


def test_another_version_is_named(tmp_path: Path) -> None:
    """Version 1 counts with 32 bits."""
    path = tmp_path / "old.gguf"
    path.write_bytes(gguf_bytes(_MODEL, version=1))
    with pytest.raises(BadGguf, match="its version of GGUF is 1, not 3"):
        read_gguf(path)


@pytest.fixture(scope="module", autouse=True)
def _folder_of_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    _folder.name = str(tmp_path_factory.mktemp("gguf"))


class _Folder:
    name = ""


_folder = _Folder()
