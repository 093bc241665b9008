"""SQuAD's samples and scores, against a second implementation written from the definition."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry
from mlrepo.workloads.squad import RandomQuestions
from mlrepo.workloads.squad.answers import plain_words, projected
from mlrepo.workloads.squad.features import LENGTH, Features, make_features
from mlrepo.workloads.squad.questions import AnsweredQuestion, Paragraph, read_questions
from mlrepo.workloads.squad.scores import f1_of, normalized
from mlrepo.workloads.squad.task import QuestionAnswering
from mlrepo.workloads.squad.unpadded import Unpadded
from mlrepo.workloads.squad.vocabulary import Vocabulary, read_vocabulary
from mlrepo.workloads.weights.graph import Tensor
from tests import squad_definition as definition
from tests.squad import squad_json, vocabulary


class _Set(NamedTuple):
    paragraphs: Sequence[Paragraph]
    vocabulary: Vocabulary
    features: Features


@cache
def _set() -> _Set:
    paragraphs = read_questions(squad_json(), "dev-v1.1.json")
    pieces = Vocabulary(vocabulary())
    return _Set(paragraphs, pieces, make_features(paragraphs, pieces))


def _asked() -> list[tuple[str, str]]:
    return [
        (q.text, paragraph.text) for paragraph in _set().paragraphs for q in paragraph.questions
    ]


@cache
def _samples() -> list[definition.Sample]:
    return definition.samples_of(_asked(), _set().vocabulary.ids)


def test_samples_are_those_of_the_definition() -> None:
    """Tokens, words and context, of short, long, strange and empty paragraphs."""
    features, ids = _set().features, _set().vocabulary.ids
    assert len(features.ids) == len(_samples()) > len(_asked())
    for at, sample in enumerate(_samples()):
        tokens = [ids[token] for token in sample.tokens]
        assert features.ids[at].tolist() == tokens + [0] * (LENGTH - len(tokens))
        assert features.lengths[at] == len(tokens)
        assert features.starts[at] == min(sample.words)
        assert features.questions[at] == sample.question
        words = [sample.words.get(token, -1) for token in range(LENGTH)]
        assert features.words[at].tolist() == words
        assert features.best[at].tolist() == [sample.best.get(t, False) for t in range(LENGTH)]


def test_letters_make_the_tokens_of_the_definition() -> None:
    """All letters whose kind has not changed since Unicode 3.2; of ideographs, every 97th."""
    letters = [
        chr(code)
        for code in (*range(0x3400), *range(0x3400, 0x30000, 97))
        if unicodedata.category(chr(code)) == unicodedata.ucd_3_2_0.category(chr(code))
        and unicodedata.category(chr(code)) not in ("Cn", "Cs")
    ]
    ids = {piece: at for at, piece in enumerate([*_set().vocabulary.pieces, *letters])}
    ids |= {f"##{letter}": len(ids) + at for at, letter in enumerate(letters)}
    text = Paragraph(
        " ".join(f"a{letter}b" for letter in letters), (AnsweredQuestion("1", "Why?", ()),)
    )
    found = make_features([text], Vocabulary(list(ids)))
    tokens: dict[int, list[str]] = {}
    names = list(ids)
    for row, best, words in zip(found.ids, found.best, found.words, strict=True):
        for place in np.flatnonzero(best):
            tokens.setdefault(int(words[place]), []).append(names[row[place]])
    wrong = [
        word
        for at, word in enumerate(text.words)
        if tokens.get(at, []) != definition.tokens_of(word, ids)
    ]
    assert len(tokens) > 8000
    assert wrong == []


class _Dataset(NamedTuple):
    features: Features
    paragraphs: Sequence[Paragraph]
    vocabulary: Vocabulary


def _judged(logits: npt.NDArray[np.float32]) -> tuple[float, float, str]:
    entries = (AccuracyEntry(at, row.tobytes()) for at, row in enumerate(logits))
    dataset = _Dataset(_set().features, _set().paragraphs, _set().vocabulary)
    accuracy = QuestionAnswering().judge(entries, dataset)
    assert accuracy.judged == len(logits)
    exact, f1 = accuracy.metrics["exact_match"].value, accuracy.metrics["F1"].value
    assert exact is not None and f1 == accuracy.value
    return exact, f1, accuracy.text


def _by_definition(logits: npt.NDArray[np.float32]) -> tuple[float, float]:
    exact = f1 = 0.0
    asked = [(q, p.text) for p in _set().paragraphs for q in p.questions]
    for number, (question, paragraph) in enumerate(asked):
        own = [
            (sample, logits[at].astype(float).tolist())
            for at, sample in enumerate(_samples())
            if sample.question == number
        ]
        answer = definition.answer_of(own, paragraph)
        scores = [definition.scores_of(answer, wanted) for wanted in question.answers]
        exact += max(same for same, _ in scores)
        f1 += max(score for _, score in scores)
    return 100 * exact / len(asked), 100 * f1 / len(asked)


@pytest.mark.long
@given(
    seed=st.integers(0, 2**32 - 1),
    # Few different values make equal scores, whose order decides.
    levels=st.sampled_from((2, 5, 10**6)),
    hint=st.floats(0, 1),
)
def test_f1_and_exact_match_are_those_of_the_definition(
    seed: int, levels: int, hint: float
) -> None:
    """Whatever the scores are, and with the text of MLPerf's script."""
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, levels, (len(_samples()), LENGTH, 2)).astype(np.float32)
    for at in range(len(logits)):
        if rng.random() < hint:  # a model that knows some answers
            start, end = _span_of_answer(at, rng)
            logits[at, start, 0] = logits[at, end, 1] = 2 * levels
    exact, f1, text = _judged(logits)
    assert (exact, f1) == pytest.approx(_by_definition(logits), abs=1e-9)
    assert text == f'{{"exact_match": {exact!r}, "f1": {f1!r}}}\n'


def _span_of_answer(at: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return a span of few tokens in the paragraph of a sample."""
    first = int(_set().features.starts[at])
    last = int(_set().features.lengths[at]) - 2
    start = int(rng.integers(first, last + 1))
    return start, min(last, start + int(rng.integers(0, 8)))


def test_a_model_that_gives_every_token_the_same_is_judged() -> None:
    """The order of equal scores decides."""
    logits = np.zeros((len(_samples()), LENGTH, 2), np.float32)
    exact, f1, _ = _judged(logits)
    assert (exact, f1) == pytest.approx(_by_definition(logits))


def test_minus_infinity_rules_tokens_out() -> None:
    """Also where a whole sample is ruled out."""
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((len(_samples()), LENGTH, 2)).astype(np.float32)
    logits[:, ::2] = -np.inf
    logits[3] = -np.inf
    exact, f1, _ = _judged(logits)
    assert (exact, f1) == pytest.approx(_by_definition(logits))


@given(st.text(alphabet=st.sampled_from("aAthe nTHE_é.,-'’\t\u00a01ß—中"), max_size=40))
def test_answers_are_normalized_as_defined(text: str) -> None:
    """Lower case, no punctuation, no articles."""
    assert normalized(text).split() == definition.plain_answer(text)


_FEW_WORDS = ["the", "dog", "a", "cats", ",", "runs"]


@given(
    st.lists(st.sampled_from(_FEW_WORDS), max_size=8),
    st.lists(st.sampled_from(_FEW_WORDS), max_size=8),
)
def test_f1_is_symmetric_and_that_of_the_definition(one: list[str], other: list[str]) -> None:
    """Words that occur several times count as often as in both."""
    given_, wanted = " ".join(one), " ".join(other)
    assert f1_of(given_, wanted) == pytest.approx(f1_of(wanted, given_))
    assert f1_of(given_, wanted) == pytest.approx(definition.scores_of(given_, wanted)[1])


_LETTERS = "abSÉßΣ ’.,(-)\u0301\u00ad\u202f中1\ufffd\u0130"


@given(st.text(alphabet=st.sampled_from(_LETTERS), max_size=30))
def test_a_text_is_simplified_as_defined(text: str) -> None:
    """Accents, control characters, ideographs and signs."""
    assert plain_words(text) == " ".join(definition.basic_words(text))


@given(st.text(alphabet=st.sampled_from(_LETTERS), max_size=30), st.data())
def test_an_answer_is_projected_as_defined(original: str, data: st.DataObject) -> None:
    """Whatever part of a text was found."""
    words = plain_words(original).split()
    first = data.draw(st.integers(0, len(words)))
    last = data.draw(st.integers(first, len(words)))
    found = " ".join(words[first:last])
    assert projected(found, original) == definition.final_text(found, original)


def test_an_answer_is_a_part_of_the_original() -> None:
    """Without the signs around it, in the original's case."""
    assert projected("steve smith", "(Steve Smith's") == "Steve Smith"
    # Letters that are written with two others cannot be put side by side.
    assert projected("strasse", "Straße") == "Straße"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([np.zeros((3, LENGTH, 2), np.float32)], (3, LENGTH, 2)),
        ([np.zeros((3, LENGTH), np.float16)] * 2, (3, LENGTH, 2)),
    ],
)
def test_outputs_become_what_the_reference_logs(
    outputs: list[npt.NDArray[np.float32]], expected: tuple[int, ...]
) -> None:
    """One output or two, of any float type."""
    made = QuestionAnswering().postprocess(outputs, range(3))
    assert made.shape == expected and made.dtype == np.float32


def test_start_and_end_are_side_by_side() -> None:
    """As accuracy-squad.py reads them."""
    start, end = np.random.default_rng(0).random((2, 3, LENGTH), np.float32)
    made = QuestionAnswering().postprocess([start, end], range(3))
    assert np.array_equal(made[..., 0], start) and np.array_equal(made[..., 1], end)


@cache
def _generated() -> RandomQuestions:
    return RandomQuestions(400)


@given(st.lists(st.integers(3, LENGTH), min_size=1, max_size=5))
def test_unpadded_samples_make_a_batch_of_the_longest(lengths: list[int]) -> None:
    """Padding them further gives what the data set itself gives; scores are filled up."""
    padded = _generated()
    known = padded.lengths
    indices = [int(np.argmax(known >= length)) for length in lengths]
    whole = padded.load(indices)
    batch = QuestionAnswering().collate(Unpadded(padded).load(indices))
    longest = max(int(known[index]) for index in indices)
    for name, array in batch.items():
        assert array.shape == (len(indices), longest)
        missing = ((0, 0), (0, LENGTH - longest))
        assert np.array_equal(np.pad(array, missing), whole[name])
    scores = np.random.default_rng(0).random((len(indices), longest, 2), np.float32)
    task = QuestionAnswering(shortened=True)
    for outputs in ([scores], [scores[..., 0], scores[..., 1]]):
        filled = task.postprocess(outputs, indices)
        assert np.array_equal(filled[:, :longest], scores)
        assert (filled[:, longest:] == -10000).all()


@pytest.mark.parametrize(
    "shapes", [[(3, 10)], [(3, LENGTH)], [(3, LENGTH)] * 3, [(3, LENGTH, 3)], []]
)
def test_other_outputs_are_refused_in_words(shapes: list[tuple[int, ...]]) -> None:
    """Other sizes, other numbers of outputs."""
    with pytest.raises(UserError, match="start and end logits are needed"):
        QuestionAnswering().postprocess([np.zeros(shape, np.float32) for shape in shapes], range(3))


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ([Tensor("logits", "fp32", (None, 1000))], "It gives logits [n, 1000]"),
        (
            [Tensor("end", "fp32", (None, 384)), Tensor("start", "fp32", (None, 384))],
            "the end logits come first",
        ),
        ([Tensor("start", "fp32", (None, None)), Tensor("end", "fp32", (None, 384))], ""),
        ([Tensor("logits", "fp32", (1, 384, 2))], ""),
        ([Tensor("logits", "fp32", ())], ""),
        ([], ""),
    ],
)
def test_a_model_that_cannot_answer_is_named(outputs: list[Tensor], problem: str) -> None:
    """By its outputs' names and sizes; open sizes are no reason."""
    said = QuestionAnswering().misfit(outputs)
    assert (problem in said) if problem else said == ""


def test_scores_that_say_nothing_are_named_by_their_sample() -> None:
    """NaN is an error, minus infinity is not."""
    scores = np.zeros((3, LENGTH, 2), np.float32)
    assert QuestionAnswering().unreadable([scores], (7, 8, 9)) == ""
    scores[0] = -np.inf
    assert QuestionAnswering().unreadable([scores], (7, 8, 9)) == ""
    scores[1, 5, 1] = np.nan
    assert "sample 8" in QuestionAnswering().unreadable([scores], (7, 8, 9))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (AccuracyEntry(10**6, b""), "has sample 1000000"),
        (AccuracyEntry(0, b"\0\0\0\0"), "has 4 bytes"),
        (AccuracyEntry(0, np.full((LENGTH, 2), np.nan, "<f4").tobytes()), "sample 0 contains NaN"),
        (None, "contains no response"),
    ],
)
def test_a_log_of_something_else_is_refused(entry: AccuracyEntry | None, problem: str) -> None:
    """Another data set, another size, NaN, nothing."""
    dataset = _Dataset(_set().features, _set().paragraphs, _set().vocabulary)
    with pytest.raises(InvalidResult, match=problem):
        QuestionAnswering().judge([entry] if entry else [], dataset)


_QUESTION = {"id": "1", "question": "Why?", "answers": [{"text": "so"}]}


def _file(*questions: object) -> bytes:
    return json.dumps({"data": [{"paragraphs": [{"context": "so", "qas": questions}]}]}).encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[]", "the file has no list 'data'"),
        (b'{"data": [{}]}', "article 1 has no list 'paragraphs'"),
        (b'{"data": [{"paragraphs": [7]}]}', "paragraph 1 of article 1 has no text 'context'"),
        (_file(), "has no questions"),
        (_file(_QUESTION | {"answers": []}), "The question '1' of dev.json has no answer"),
        (_file(_QUESTION | {"id": 1}), "a question of paragraph 1 of article 1 has no text 'id'"),
        (_file(_QUESTION, _QUESTION), "has the question '1' twice"),
    ],
)
def test_a_file_of_another_form_is_refused(data: bytes, problem: str) -> None:
    """The message names the place, the hint the right file."""
    with pytest.raises(UserError, match=problem) as refused:
        read_questions(data, "dev.json")
    assert "dev-v1.1.json" in (refused.value.hint or "")


_PIECES = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff", "is not UTF-8"),
        (b"", r"lacks \[UNK\], \[SEP\], \[PAD\], \[CLS\], \[MASK\]"),
        (b"[PAD]\n[UNK]\n[CLS]\n", r"lacks \[SEP\], \[MASK\]"),
        (f"{_PIECES}dog\ndog\n".encode(), "has the word piece 'dog' 2 times"),
        (f"dog\n{_PIECES}".encode(), "has 'dog' as its first word piece"),
    ],
)
def test_a_vocabulary_of_another_form_is_refused(data: bytes, problem: str) -> None:
    """The message says which piece is wrong."""
    with pytest.raises(UserError, match=problem):
        read_vocabulary(data, "vocab.txt")


def test_line_ends_of_windows_are_none_of_a_word_piece() -> None:
    """A checkout may have changed the line ends."""
    pieces = read_vocabulary(_PIECES.replace("\n", "\r\n").encode(), "vocab.txt").pieces
    assert list(pieces) == _PIECES.split()
