"""The kinds of model files, with which backends declare what they read."""

from __future__ import annotations

from pathlib import Path

ONNX = "onnx"
PYTORCH = "pytorch"
"""Exported programs, and state dicts of a known architecture."""
TORCHSCRIPT = "torchscript"
OPENVINO = "openvino"
GGUF = "gguf"
"""A language model with its tokenizer, as llama.cpp writes it."""
OPENVINO_GENAI = "openvino-genai"
"""A directory with the IR of a language model and those of its tokenizer."""
CTRANSLATE2 = "ctranslate2"
"""A directory with a model converted for CTranslate2, and its vocabulary."""
DIRECTORY = "directory"
"""Several files in a directory that is itself the model."""

_SUFFIXES = {
    ".pt2": PYTORCH,
    ".pth": PYTORCH,
    ".safetensors": PYTORCH,
    ".pt": TORCHSCRIPT,
    ".xml": OPENVINO,
    ".gguf": GGUF,
}
# The files by which a directory is recognized as a model of a kind.
_IN_DIRECTORIES = {
    OPENVINO_GENAI: ("openvino_model.xml", "openvino_tokenizer.xml", "openvino_detokenizer.xml"),
    CTRANSLATE2: ("model.bin", "config.json"),
}


def kind_of(file: Path) -> str:
    """Return the kind of a model file by its name; any unknown name counts as ONNX.

    A directory is recognized by its files.
    """
    if file.is_dir():
        names = {entry.name for entry in file.iterdir()}
        kinds = (kind for kind, needed in _IN_DIRECTORIES.items() if names.issuperset(needed))
        return next(kinds, DIRECTORY)
    found = (_SUFFIXES.get(suffix.lower()) for suffix in file.suffixes)
    return next(filter(None, found), ONNX)
