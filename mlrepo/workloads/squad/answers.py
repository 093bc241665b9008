"""The answers that a model's scores mean, as MLPerf's accuracy-squad.py reads them.

A sample's answer is the span of the paragraph whose first and last token have the highest sum of
scores. Its text is that of the paragraph itself, which the word pieces are projected back to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlrepo.workloads.squad.features import Features
from mlrepo.workloads.squad.questions import Paragraph
from mlrepo.workloads.squad.vocabulary import Vocabulary

# How many beginnings and ends of a sample are considered, and the most tokens of an answer.
_CANDIDATES, _MAX_TOKENS = 20, 30
# The reference's answer to a question none of whose samples has a possible span.
NO_ANSWER = "empty"


@dataclass(frozen=True)
class Span:
    """A part of a sample that may be the answer: tokens ``first`` to ``last``, both included."""

    sample: int
    first: int
    last: int
    score: float


def best_span(sample: int, features: Features, logits: npt.NDArray[np.float32]) -> Span | None:
    """Return the best answer in a sample, None if there is no possible one.

    The first of equal ones is taken, in the order of the scores of their beginnings, then of their
    ends, where the earlier token of equal ones comes first.

    Parameters
    ----------
    logits:
        The scores of each token as beginning and as end, [LENGTH, 2].
    """
    scores = logits.astype(np.float64)
    starts, ends = (np.argsort(-side, kind="stable")[:_CANDIDATES] for side in scores.T)
    inside = features.words[sample] >= 0
    first, last = starts[:, None], ends[None, :]
    possible = (
        (inside & features.best[sample])[first]
        & inside[last]
        & (first <= last)
        & (last - first < _MAX_TOKENS)
    )
    if not possible.any():
        return None
    sums = np.where(possible, scores[first, 0] + scores[last, 1], -np.inf)
    # A model may give -inf to what it rules out; such a span is possible all the same.
    at = int(sums.argmax()) if np.isfinite(sums).any() else int(possible.argmax())
    row, column = divmod(at, len(ends))
    return Span(sample, int(starts[row]), int(ends[column]), float(sums[row, column]))


def answer_texts(
    paragraphs: Sequence[Paragraph],
    features: Features,
    vocabulary: Vocabulary,
    spans: Mapping[int, Span],
) -> dict[str, str]:
    """Return the answer to each question by its id.

    Parameters
    ----------
    spans:
        The best span of each sample that has one, by the sample's number. The best of a question's
        samples counts, the first of equal ones.
    """
    best: dict[int, Span] = {}
    for sample in sorted(spans):
        span, question = spans[sample], int(features.questions[sample])
        if question not in best or span.score > best[question].score:
            best[question] = span
    asked = ((paragraph, question) for paragraph in paragraphs for question in paragraph.questions)
    return {
        question.id: _text(paragraph, features, vocabulary, best[number])
        if number in best
        else NO_ANSWER
        for number, (paragraph, question) in enumerate(asked)
    }


def _text(paragraph: Paragraph, features: Features, vocabulary: Vocabulary, span: Span) -> str:
    row = features.ids[span.sample, span.first : span.last + 1]
    joined = " ".join(vocabulary.pieces[piece] for piece in row)
    pieces = " ".join(joined.replace(" ##", "").replace("##", "").split())
    words = features.words[span.sample]
    original = " ".join(paragraph.words[words[span.first] : words[span.last] + 1])
    return projected(pieces, original)


def projected(pieces: str, original: str) -> str:
    """Return the part of ``original`` that joined word pieces stand for.

    "steve smith" of "Steve Smith's" is "Steve Smith". It is the whole original if the letters of
    the original and of its plain form cannot be put side by side.
    """
    plain = plain_words(original)
    start = plain.find(pieces)
    if start < 0:
        return original
    letters = [place for place, letter in enumerate(original) if letter != " "]
    if len(letters) != len(plain) - plain.count(" "):
        return original
    # A position of the plain form, by how many letters there are before it.
    before = start - plain.count(" ", 0, start)
    end = start + len(pieces) - 1
    if not pieces or plain[start] == " " or plain[end] == " ":
        return original
    last = end - plain.count(" ", 0, end)
    return original[letters[before] : letters[last] + 1]


def plain_words(text: str) -> str:
    """Return a text as the basic tokenizer of an uncased BERT writes it, words between blanks.

    Written out because ``tokenizers`` differs in rare letters (unassigned ones, Greek capitals),
    on which the length of the text depends here.
    """
    cleaned = "".join(_cleaned(text))
    words: list[str] = []
    for word in cleaned.split():
        lower = unicodedata.normalize("NFD", word.lower())
        kept = (letter for letter in lower if unicodedata.category(letter) != "Mn")
        words.append("".join(f" {one} " if _is_punctuation(one) else one for one in kept))
    return " ".join(" ".join(words).split())


def _cleaned(text: str) -> Iterator[str]:
    """Yield the letters without control characters, and ideographs between blanks."""
    for letter in text:
        kind = unicodedata.category(letter)
        if letter in "\t\n\r" or kind == "Zs":
            yield " "
        elif letter != "\ufffd" and kind not in ("Cc", "Cf"):
            yield f" {letter} " if _is_ideograph(ord(letter)) else letter


# The blocks of CJK ideographs: also those which no word of another script contains.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _is_ideograph(code: int) -> bool:
    return code >= _IDEOGRAPHS[1][0] and any(low <= code <= high for low, high in _IDEOGRAPHS)


def _is_punctuation(letter: str) -> bool:
    code = ord(letter)
    if code < 128:  # BERT takes signs such as $ and ^ for punctuation, Unicode does not
        return letter.isprintable() and not letter.isalnum() and letter != " "
    return unicodedata.category(letter).startswith("P")
