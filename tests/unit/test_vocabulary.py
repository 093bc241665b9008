"""Token ids become text by the vocabulary in the model's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.workloads.vocabulary import vocabulary_of
from tests.gguf_files import language_model, write_gguf


def test_a_byte_level_vocabulary_joins_characters_of_several_tokens(tmp_path: Path) -> None:
    """ "ü" is two bytes, which a vocabulary may have in two tokens; a space is written as Ġ."""
    tokens = ["<|end|>", "Gr", "Ã", "¼", "ÃŁe", "Ġan", "Ċ"]
    path = write_gguf(tmp_path / "model.gguf", language_model(tokens))
    found = vocabulary_of(path)
    assert found.decode([1, 2, 3, 4, 5, 6, 0]) == "Grüße an\n"
    assert found.decode([2]) == "�"
    assert found.decode([99, -3, 1]) == "Gr"
    assert found.id_of("<|end|>") == 0
    assert found.id_of("none") is None


def test_a_sentencepiece_vocabulary_has_tokens_of_one_byte(tmp_path: Path) -> None:
    """Llama 2 writes bytes without a token of their own as <0x0A>."""
    values = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": ["<s>", "▁Hello", ",", "▁you", "<0x0A>"],
        "tokenizer.ggml.token_type": [3, 1, 1, 1, 6],
    }
    path = write_gguf(tmp_path / "model.gguf", values)
    assert vocabulary_of(path).decode([0, 1, 2, 3, 4]) == " Hello, you\n"


def test_a_tokenizer_file_beside_the_model_is_read(tmp_path: Path) -> None:
    """The library writes and reads it."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"[UNK]": 0, "yes": 1, "no": 2}, "[UNK]")
    tokenizers.Tokenizer(model).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    for place in (tmp_path, tmp_path / "openvino_model.xml"):
        found = vocabulary_of(place)
        assert found.decode([1, 2]) == "yes no"
        assert found.id_of("no") == 2


@pytest.mark.parametrize("name", ["model.gguf", "directory"])
def test_a_model_without_a_vocabulary_is_refused_in_words(tmp_path: Path, name: str) -> None:
    """A GGUF file cut short, and a directory without a tokenizer."""
    pytest.importorskip("tokenizers")
    path = tmp_path / name
    if name == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"GGUF\3\0\0\0")
    with pytest.raises(UserError) as refused:
        vocabulary_of(path)
    assert str(path) in refused.value.message
    assert refused.value.hint
