"""Questions and paragraphs as samples of BERT.

A sample is ``[CLS] question [SEP] part of the paragraph [SEP]``, padded to :data:`LENGTH` tokens. A
paragraph that is too long makes several samples, each of which begins :data:`STRIDE` tokens after
the one before. The rules are those of the reference (create_squad_data.py and squad_QSL.py of
language/bert in mlcommons/inference); the word pieces come from the library ``tokenizers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mlrepo.workloads.squad.questions import Paragraph
from mlrepo.workloads.squad.vocabulary import CLS, SEP, SPECIAL, UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

# Tokens of a sample, tokens between the beginnings of two parts of a paragraph, and the most tokens
# of a question.
LENGTH, STRIDE, MAX_QUESTION = 384, 128, 64
# How many paragraphs are given to the tokenizer at once, between two reports of progress.
_CHUNK = 256
# Called with how many questions are done, and how many there are.
OnProgress = Callable[[int, int], None]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Features:
    """The samples, one row each.

    Attributes
    ----------
    ids:
        The numbers of the word pieces, int32 [n, LENGTH], 0 after the end.
    lengths:
        The number of tokens before the padding, int32 [n].
    starts:
        The position of the paragraph's first token, int32 [n]; from there to the end the segment
        is 1, before it 0.
    questions:
        The number of the question in the order of the file, int32 [n].
    words:
        The number of the paragraph's word to which a token belongs, int32 [n, LENGTH]; -1 for
        tokens outside of the paragraph.
    best:
        Whether no other sample of the question shows a paragraph's token with more context on its
        poorer side, bool [n, LENGTH].
    """

    ids: Ints
    lengths: Ints
    starts: Ints
    questions: Ints
    words: Ints
    best: npt.NDArray[np.bool_]


def make_features(
    paragraphs: Sequence[Paragraph],
    vocabulary: Vocabulary,
    on_progress: OnProgress = lambda done, total: None,
) -> Features:
    """Return the samples of all questions, in the order of the file.

    ``tokenizers`` spreads the texts over the processors by itself (``RAYON_NUM_THREADS``).
    """
    tokenizer, known = _tokenizer(vocabulary), vocabulary.ids
    cls, sep = known[CLS], known[SEP]
    rows: list[_Row] = []
    number, total = 0, sum(len(paragraph.questions) for paragraph in paragraphs)
    for first in range(0, len(paragraphs), _CHUNK):
        on_progress(number, total)
        chunk = paragraphs[first : first + _CHUNK]
        contexts = _encoded(tokenizer, [paragraph.words for paragraph in chunk])
        texts = [[q.text] for paragraph in chunk for q in paragraph.questions]
        asked = iter(_encoded(tokenizer, texts))
        for paragraph, context in zip(chunk, contexts, strict=True):
            tokens = np.asarray(context.ids, np.int32)
            words = np.asarray(context.word_ids, np.int32)
            for _ in paragraph.questions:
                question = np.asarray(next(asked).ids[:MAX_QUESTION], np.int32)
                rows += _rows(number, question, tokens, words)
                number += 1
    on_progress(total, total)
    return _table(rows, cls, sep)


@dataclass(frozen=True)
class _Row:
    """One sample: its question, and its part of the paragraph."""

    number: int
    question: Ints
    tokens: Ints
    words: Ints
    best: npt.NDArray[np.bool_]


def _rows(number: int, question: Ints, tokens: Ints, words: Ints) -> Iterator[_Row]:
    parts = list(_parts(len(tokens), LENGTH - len(question) - 3))
    best = _best_part(len(tokens), parts)
    for at, part in enumerate(parts):
        yield _Row(number, question, tokens[part], words[part], best[part] == at)


def _parts(tokens: int, room: int) -> Iterator[slice]:
    """Yield the parts of a paragraph that fit into ``room`` tokens; none if it is empty."""
    for start in range(0, tokens, STRIDE):
        yield slice(start, min(start + room, tokens))
        if start + room >= tokens:
            return


def _best_part(tokens: int, parts: Sequence[slice]) -> Ints:
    """Return the number of the part with most context for each token: the first of equal ones.

    Context is the smaller of the numbers of tokens to both sides, and a hundredth of the part's
    length decides between equal ones, as in the reference.
    """
    if len(parts) < 2:
        return np.zeros(tokens, np.int32)
    score = np.full((len(parts), tokens), -1.0)
    for row, part in zip(score, parts, strict=True):
        length = part.stop - part.start
        place = np.arange(length)
        row[part] = np.minimum(place, length - 1 - place) + 0.01 * length
    best: Ints = score.argmax(axis=0).astype(np.int32)
    return best


def _table(rows: Sequence[_Row], cls: int, sep: int) -> Features:
    shape = (len(rows), LENGTH)
    ids, words = np.zeros(shape, np.int32), np.full(shape, -1, np.int32)
    best = np.zeros(shape, np.bool_)
    lengths, starts, questions = (np.zeros(len(rows), np.int32) for _ in range(3))
    for at, row in enumerate(rows):
        start = len(row.question) + 2
        end = start + len(row.tokens)
        ids[at, 0], ids[at, start - 1], ids[at, end] = cls, sep, sep
        ids[at, 1 : start - 1], ids[at, start:end] = row.question, row.tokens
        words[at, start:end], best[at, start:end] = row.words, row.best
        lengths[at], starts[at], questions[at] = end + 1, start, row.number
    return Features(ids, lengths, starts, questions, words, best)


def _tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Return the tokenizer of an uncased BERT (``BertTokenizer`` with its defaults)."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    pieces = WordPiece(vocabulary.ids, unk_token=UNKNOWN, max_input_chars_per_word=100)
    tokenizer = Tokenizer(pieces)
    tokenizer.normalizer = BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(one, normalized=False) for one in SPECIAL])
    return tokenizer


def _encoded(tokenizer: Tokenizer, texts: Sequence[Sequence[str]]) -> list[Encoding]:
    """Return the word pieces of texts that are split into words; ``word_ids`` are their numbers."""
    ready = [[_with_final_sigma(word) for word in words] for words in texts]
    return tokenizer.encode_batch(ready, is_pretokenized=True, add_special_tokens=False)


def _with_final_sigma(text: str) -> str:
    """Return a text with Greek words in lower case, whose last sigma has a form of its own.

    Python, in which the reference's tokenizer is written, knows that; ``tokenizers`` does not.
    """
    sigma = "\N{GREEK CAPITAL LETTER SIGMA}"
    if sigma not in text:
        return text
    return " ".join(word.lower() if sigma in word else word for word in text.split(" "))
