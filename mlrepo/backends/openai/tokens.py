"""The model's own tokenizer, for servers that return neither token ids nor their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlrepo.errors import Unusable, UserError

# From a text to token ids.
Encode = Callable[[str], Sequence[int]]


def tokenizer_of(file: Path) -> Encode:
    """Return the function from a generated text to token ids of a ``tokenizer.json``.

    Raises
    ------
    Unusable
        The package tokenizers is not installed, or the file is not a tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Unusable(
            "--backend-opt tokenizer needs the package tokenizers.",
            hint="`mlrepo bench prereq --backend openai` installs it.",
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain exceptions
        raise UserError.caused_by(
            f"The tokenizer {file} cannot be read",
            error,
            hint="Give the tokenizer.json of the model.",
        ) from error

    def encode(text: str) -> Sequence[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode
