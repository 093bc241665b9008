"""Small GGUF files with a given header."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_STRING, _ARRAY, _INT32, _UINT32, _FLOAT, _BOOL = 8, 9, 5, 4, 6, 7
# Bytes of a block and numbers in it: fp32, Q4_1, Q8_0.
_SIZES = {0: (4, 1), 3: (20, 32), 8: (34, 32)}
Tensors = Mapping[str, tuple[Sequence[int], int]]


def gguf_bytes(
    values: Mapping[str, object] | None = None, tensors: Tensors | None = None, version: int = 3
) -> bytes:
    """Return a file with metadata and tensors: shape and ggml's type by name."""
    values, tensors = values or {}, tensors or {}
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, value in values.items():
        head += _text(key) + _value(value)
    at = 0
    for name, (shape, kind) in tensors.items():
        size, block = _SIZES[kind]
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, at)
        count = 1
        for side in shape:
            count *= side
        at += -(-count // block) * size
        at = -(-at // 32) * 32
    return head + bytes(-len(head) % 32) + bytes(at)


def language_model(tokens: Sequence[str], **values: object) -> dict[str, object]:
    """Return the metadata of a language model with a byte-level vocabulary."""
    return {
        "general.architecture": "llama",
        "llama.context_length": 64,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.token_type": [3 if token.startswith("<|") else 1 for token in tokens],
        **values,
    }


def write_gguf(path: Path, values: Mapping[str, object], tensors: Tensors | None = None) -> Path:
    """Write a file; return its path."""
    path.write_bytes(gguf_bytes(values, tensors))
    return path


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: object) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT, value)
    assert isinstance(value, list)
    inner = _STRING if value and isinstance(value[0], str) else _INT32
    head = struct.pack("<IIQ", _ARRAY, inner, len(value))
    if inner == _STRING:
        return head + b"".join(map(_text, value))
    return head + struct.pack(f"<{len(value)}i", *value)
