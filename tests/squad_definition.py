"""Question answering on SQuAD a second time, slowly and from its definition.

The rules are those that create_squad_data.py and accuracy-squad.py of mlcommons/inference, the
uncased tokenizer of BERT and SQuAD's evaluation follow. Nothing is shared with mlrepo: one letter,
one token, one pair of tokens after the other.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SPECIAL = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
_CJK = (
    "\u4e00\u9fff\u3400\u4dbf\U00020000\U0002a6df\U0002a700\U0002b73f\U0002b740\U0002b81f"
    "\U0002b820\U0002ceaf\uf900\ufaff\U0002f800\U0002fa1f"
)


def basic_words(text: str) -> list[str]:
    """Split a text into lower-case words and signs."""
    spread = ""
    for letter in text:
        kind = unicodedata.category(letter)
        if letter in " \t\n\r" or kind == "Zs":
            spread += " "
        elif kind[0] == "C" or letter == "\ufffd":
            continue
        elif any(low <= letter <= high for low, high in zip(_CJK[::2], _CJK[1::2], strict=True)):
            spread += " " + letter + " "
        else:
            spread += letter
    words = []
    for word in spread.split():
        current = ""
        for letter in unicodedata.normalize("NFD", word.lower()):
            if unicodedata.category(letter) == "Mn":
                continue
            ascii_sign = letter in string.punctuation
            if ascii_sign or unicodedata.category(letter)[0] == "P":
                words += [current, letter]
                current = ""
            else:
                current += letter
        words.append(current)
    return [word for whole in words for word in whole.split()]


def word_pieces(word: str, vocabulary: Mapping[str, int]) -> list[str]:
    """Take the longest piece from the left, again and again."""
    if len(word) > 100:
        return ["[UNK]"]
    pieces: list[str] = []
    rest = word
    while rest:
        mark = "##" if pieces else ""
        size = next((n for n in range(len(rest), 0, -1) if mark + rest[:n] in vocabulary), 0)
        if not size:
            return ["[UNK]"]
        pieces.append(mark + rest[:size])
        rest = rest[size:]
    return pieces


def tokens_of(text: str, vocabulary: Mapping[str, int]) -> list[str]:
    """Tokenize a text; special tokens in it are kept as they are."""
    for special in SPECIAL:
        if special in text:
            before, _, after = text.partition(special)
            return [*tokens_of(before, vocabulary), special, *tokens_of(after, vocabulary)]
    return [piece for word in basic_words(text) for piece in word_pieces(word, vocabulary)]


class Sample(NamedTuple):
    """One sample: its tokens, and for those of the paragraph their word and context."""

    question: int
    tokens: list[str]
    words: dict[int, int]
    best: dict[int, bool]


def words_of(text: str) -> list[str]:
    """Split a paragraph at blanks, tabs, line ends and narrow no-break spaces only."""
    words = [""]
    for letter in text:
        if letter in " \t\r\n\u202f":
            words.append("")
        else:
            words[-1] += letter
    return [word for word in words if word]


def samples_of(
    questions: Sequence[tuple[str, str]], vocabulary: Mapping[str, int], length: int = 384
) -> list[Sample]:
    """Make the samples of questions, each with its paragraph."""
    samples = []
    for number, (question, paragraph) in enumerate(questions):
        asked = tokens_of(question, vocabulary)[:64]
        tokens, word_of = [], []
        for place, word in enumerate(words_of(paragraph)):
            for piece in tokens_of(word, vocabulary):
                tokens.append(piece)
                word_of.append(place)
        room = length - len(asked) - 3
        parts: list[tuple[int, int]] = []
        start = 0
        while start < len(tokens):
            end = min(start + room, len(tokens))
            parts.append((start, end))
            if end == len(tokens):
                break
            start += 128
        for here in parts:
            row = ["[CLS]", *asked, "[SEP]"]
            words, best = {}, {}
            for token in range(*here):
                scores = [
                    (min(token - a, b - 1 - token) + 0.01 * (b - a)) if a <= token < b else -1.0
                    for a, b in parts
                ]
                words[len(row)] = word_of[token]
                best[len(row)] = parts[scores.index(max(scores))] == here
                row.append(tokens[token])
            samples.append(Sample(number, [*row, "[SEP]"], words, best))
    return samples


def answer_of(samples: Sequence[tuple[Sample, Sequence[Sequence[float]]]], paragraph: str) -> str:
    """Return the answer to a question from its samples with the scores of their tokens."""
    found: list[tuple[float, Sample, int, int]] = []
    for sample, scores in samples:
        starts = sorted(range(len(scores)), key=lambda token: -scores[token][0])[:20]
        ends = sorted(range(len(scores)), key=lambda token: -scores[token][1])[:20]
        for start in starts:
            for end in ends:
                inside = start in sample.words and end in sample.words and sample.best[start]
                if inside and start <= end <= start + 29:
                    found.append((scores[start][0] + scores[end][1], sample, start, end))
    if not found:
        return "empty"
    _, sample, start, end = max(found, key=lambda one: one[0])
    text = ""
    for token in sample.tokens[start : end + 1]:
        text += token[2:] if token.startswith("##") else " " + token
    text = " ".join(text.replace("##", "").split())
    words = words_of(paragraph)[sample.words[start] : sample.words[end] + 1]
    return final_text(text, " ".join(words))


def final_text(found: str, original: str) -> str:
    """Put the letters of a text in lower case and of its original side by side."""
    plain = " ".join(basic_words(original))
    start = plain.find(found)
    there = [place for place, letter in enumerate(original) if letter != " "]
    here = [place for place, letter in enumerate(plain) if letter != " "]
    if start == -1 or not found or len(there) != len(here):
        return original
    pairs = dict(zip(here, there, strict=True))
    return original[pairs[start] : pairs[start + len(found) - 1] + 1]


def plain_answer(answer: str) -> list[str]:
    """Return the words that count."""
    letters = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    words, word = "", ""
    for letter in letters + " ":
        if letter.isalnum() or letter == "_":
            word += letter
            continue
        words += (" " if word in ("a", "an", "the") else word) + letter
        word = ""
    return words.split()


def scores_of(given: str, wanted: str) -> tuple[bool, float]:
    """Return whether two answers are the same, and their F1."""
    one, other = plain_answer(given), plain_answer(wanted)
    rest, same = list(other), 0
    for word in one:
        if word in rest:
            rest.remove(word)
            same += 1
    return one == other, 2 * same / (len(one) + len(other)) if same else 0.0
