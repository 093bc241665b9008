"""The word error rate as MLPerf's ``speech2text/accuracy_eval.py`` computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlrepo.errors import UserError

REQUIREMENTS = ("tokenizers>=0.20", "whisper-normalizer==0.1.15")
# What a transcript may consist of; a letter's place is the number by which it is logged
# (speech2text/reference_SUT.py).
LETTERS = " abcdefghijklmnopqrstuvwxyz'0123456789$%+-"
# How many words may be written together in one text and apart in the other.
_TOGETHER = 3


def letters_of(text: str) -> list[int]:
    """Return the numbers of a transcript's letters in lower case; other characters are left out."""
    return [_NUMBERS[char] for char in text.lower().strip() if char in _NUMBERS]


def text_of(letters: Sequence[int]) -> str:
    """Return a transcript; raise :class:`ValueError` for a number that is not a letter's."""
    if any(not 0 <= one < len(LETTERS) for one in letters):
        raise ValueError("a number is not that of a letter")
    return "".join(LETTERS[one] for one in letters)


class WordErrors:
    """Counts errors in words after Whisper's normalization of English texts."""

    def __init__(self) -> None:
        try:
            from whisper_normalizer.english import EnglishTextNormalizer
        except ImportError as error:
            raise UserError(
                "The word error rate needs the package whisper-normalizer.",
                hint="`mlrepo bench prereq --dataset speech-clips` installs it.",
            ) from error
        self._normalized: Any = EnglishTextNormalizer()

    def count(self, heard: str, spoken: str) -> tuple[int, int]:
        """Return the errors in a transcript, and the words that were spoken."""
        found, wanted = (str(self._normalized(text)).split() for text in (heard, spoken))
        return distance(*joined(found, wanted)), len(wanted)


def joined(heard: Sequence[str], spoken: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both texts with words joined that the other one writes as one.

    Words that differ are taken as they are, one of each: ``compute_wer_with_concatenation``.
    """
    left: list[str] = []
    right: list[str] = []
    i = j = 0
    while i < len(heard) and j < len(spoken):
        one, other = _match(heard, i, spoken, j)
        left.append("".join(heard[i : i + one]))
        right.append("".join(spoken[j : j + other]))
        i, j = i + one, j + other
    return left + list(heard[i:]), right + list(spoken[j:])


def _match(heard: Sequence[str], i: int, spoken: Sequence[str], j: int) -> tuple[int, int]:
    """Return how many words of each text are the same word."""
    if heard[i] == spoken[j]:
        return 1, 1
    for count in range(1, _TOGETHER + 1):
        if j + count <= len(spoken) and "".join(spoken[j : j + count]) == heard[i]:
            return 1, count
        if i + count <= len(heard) and "".join(heard[i : i + count]) == spoken[j]:
            return count, 1
    return 1, 1


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return Levenshtein's distance: how many words to insert, remove or replace."""
    current = list(range(len(one) + 1))
    for row, word in enumerate(other, 1):
        previous, current = current, [row]
        for column, mine in enumerate(one, 1):
            changed = previous[column - 1] + (mine != word)
            current.append(min(previous[column] + 1, current[column - 1] + 1, changed))
    return current[-1]


_NUMBERS = {letter: number for number, letter in enumerate(LETTERS)}
