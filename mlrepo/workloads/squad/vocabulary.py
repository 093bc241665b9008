"""The vocabulary of an uncased BERT: word pieces, one a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlrepo.errors import UserError

# The number of word pieces of BERT-Large uncased, MLPerf's model.
BERT_PIECES = 30522
CLS, SEP, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
# A text that contains one of these is split there, and it is not put in lower case.
SPECIAL = (UNKNOWN, SEP, "[PAD]", CLS, "[MASK]")


@dataclass(frozen=True)
class Vocabulary:
    """The word pieces in the order of their ids."""

    pieces: Sequence[str]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def ids(self) -> dict[str, int]:
        """The id of each word piece."""
        return {piece: number for number, piece in enumerate(self.pieces)}


def read_vocabulary(data: bytes, name: str) -> Vocabulary:
    """Return the vocabulary in a file.

    Parameters
    ----------
    name:
        What messages call the file.

    Raises
    ------
    UserError
        It is not UTF-8, lacks a piece that every sample needs, or has one twice.
    """
    hint = "Give the vocab.txt of the model: one word piece a line, in the order of their ids."
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8: {error}.", hint=hint) from error
    if lines[-1] == "":
        lines.pop()
    pieces = tuple(line.removesuffix("\r") for line in lines)
    counts = Counter(pieces)
    if missing := [piece for piece in SPECIAL if piece not in counts]:
        raise UserError(f"{name} lacks {', '.join(missing)}.", hint=hint)
    piece, times = counts.most_common(1)[0]
    if times > 1:
        raise UserError(f"{name} has the word piece {piece!r} {times} times.", hint=hint)
    if counts["[PAD]"] and pieces[0] != "[PAD]":
        # The reference pads with 0, whatever the vocabulary says.
        raise UserError(f"{name} has {pieces[0]!r} as its first word piece, not [PAD].", hint=hint)
    return Vocabulary(pieces)
