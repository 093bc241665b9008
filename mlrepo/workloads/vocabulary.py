"""The vocabulary of a language or speech model, which turns its token ids into text.

It is read from the model's own files, so that answers can be judged without the engine that gave
them: a GGUF file has it in its header, other models have a ``tokenizer.json`` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from mlrepo.errors import UserError
from mlrepo.gguf import SUFFIX, BadGguf, Gguf, read_gguf

TOKENIZER = "tokenizer.json"
# Types of tokens in a GGUF file: control tokens are no text, byte tokens are one byte.
_CONTROL, _BYTE = 3, 6
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece writes a space so


class TokenVocabulary(Protocol):
    """Turns token ids into text."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without control tokens; unknown ids are left out."""

    def id_of(self, token: str) -> int | None:
        """Return the id of a token by its name, such as ``<|endoftext|>``."""

    @property
    def end(self) -> int | None:
        """The id of the token that ends an answer; None if the files do not say."""


def vocabulary_of(model: Path) -> TokenVocabulary:
    """Return the vocabulary of a model: a GGUF file, or a directory or file with a tokenizer.

    Raises
    ------
    UserError
        There is none, or it is damaged.
    """
    if model.suffix.lower() == SUFFIX:
        try:
            return GgufVocabulary(read_gguf(model))
        except BadGguf as error:
            raise UserError(
                f"The model {model} cannot be read: {error}.", hint="Copy or download it again."
            ) from error
    return TokenizerVocabulary((model if model.is_dir() else model.parent) / TOKENIZER)


class GgufVocabulary:
    """The vocabulary of a GGUF file: byte-level (GPT-2, Llama 3), or sentencepiece (Llama 2)."""

    def __init__(self, file: Gguf) -> None:
        tokens, types = (
            file.values.get(f"tokenizer.ggml.{one}") for one in ("tokens", "token_type")
        )
        if not isinstance(tokens, list):
            raise UserError(
                "The GGUF file has no vocabulary.", hint="Convert the model with its tokenizer."
            )
        self._tokens: list[str] = tokens
        self._types: list[int] = types if isinstance(types, list) else []
        end = file.values.get("tokenizer.ggml.eos_token_id")
        self.end: int | None = end if isinstance(end, int) else None
        self._byte_level = file.values.get("tokenizer.ggml.model") == "gpt2"

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self._tokens)}

    def id_of(self, token: str) -> int | None:
        """Return the id of a token; see :class:`TokenVocabulary`."""
        return self._ids.get(token)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; see :class:`TokenVocabulary`."""
        return b"".join(map(self._bytes, ids)).decode("utf-8", "replace")

    def _bytes(self, number: int) -> bytes:
        if not 0 <= number < len(self._tokens):
            return b""
        token = self._tokens[number]
        kind = self._types[number] if number < len(self._types) else 0
        if kind == _CONTROL:
            return b""
        if self._byte_level:
            return b"".join(map(_byte_of, token))
        if kind == _BYTE:  # <0x0A>
            return bytes([int(token[3:-1], 16)])
        return token.replace(_SPACE, " ").encode()


class TokenizerVocabulary:
    """The vocabulary of a ``tokenizer.json``, read by the library tokenizers."""

    def __init__(self, file: Path) -> None:
        self.end = _end_in(file.parent)
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise UserError(
                f"Reading {file} needs the package tokenizers.",
                hint="`pip install tokenizers` installs it.",
            ) from error
        if not file.is_file():
            raise UserError(
                f"The model has no vocabulary: {file} does not exist.",
                hint="Copy the tokenizer.json of the model into its directory.",
            )
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain exceptions
            raise UserError.caused_by(f"{file} cannot be read as a tokenizer", error) from error

    def id_of(self, token: str) -> int | None:
        """Return the id of a token; see :class:`TokenVocabulary`."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; see :class:`TokenVocabulary`."""
        text: str = self._tokenizer.decode([int(one) for one in ids], skip_special_tokens=True)
        return text


def _end_in(directory: Path) -> int | None:
    """Return the id of the end token by the files that come with a model of Hugging Face.

    Of several, as of a chat model, the first one is returned.
    """
    for name in ("generation_config.json", "config.json"):
        try:
            found = json.loads((directory / name).read_text(encoding="utf-8"))["eos_token_id"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, int):
            return found
    return None


def _byte_table() -> dict[str, bytes]:
    """Return the byte of each character in which byte-level vocabularies write bytes.

    Printable characters of Latin-1 mean themselves; the 68 other bytes follow from U+0100 on, in
    their order (``bytes_to_unicode`` of GPT-2).
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): bytes([byte]) for byte in plain}
    return table | {chr(256 + place): bytes([byte]) for place, byte in enumerate(others)}


_BYTES = _byte_table()


def _byte_of(char: str) -> bytes:
    return _BYTES.get(char) or char.encode()
