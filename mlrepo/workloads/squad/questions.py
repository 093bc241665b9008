"""Questions and paragraphs of SQuAD v1.1, read from its JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlrepo.errors import UserError

# Where the reference splits a paragraph into words (create_squad_data.py of language/bert in
# mlcommons/inference); other spaces stay inside of a word.
_BETWEEN_WORDS = str.maketrans(dict.fromkeys("\t\r\n\u202f", " "))
_HINT = "Give the file dev-v1.1.json of SQuAD v1.1, unchanged."


@dataclass(frozen=True)
class AnsweredQuestion:
    """One question: its id, its text, and the texts of its answers (at least one)."""

    id: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of an article and the questions about it."""

    text: str
    questions: tuple[AnsweredQuestion, ...]

    @cached_property
    def words(self) -> list[str]:
        """Its words: what stands between blanks, tabs, line ends and narrow no-break spaces."""
        return [word for word in self.text.translate(_BETWEEN_WORDS).split(" ") if word]


def read_questions(data: bytes, name: str) -> tuple[Paragraph, ...]:
    """Return the paragraphs of a SQuAD file in their order.

    Parameters
    ----------
    name:
        What messages call the file.

    Raises
    ------
    UserError
        It is not SQuAD v1.1: not JSON, a part is missing or of another type, a question has no
        answer (as in SQuAD 2.0), or two questions have the same id.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid JSON: {error}.", hint=_HINT) from error
    paragraphs = tuple(_paragraphs(content, name))
    seen: set[str] = set()
    for question in (q for paragraph in paragraphs for q in paragraph.questions):
        if question.id in seen:
            raise UserError(f"{name} has the question {question.id!r} twice.", hint=_HINT)
        seen.add(question.id)
        if not question.answers:
            raise UserError(
                f"The question {question.id!r} of {name} has no answer, so that nothing given to "
                "it can be judged.",
                hint=f"SQuAD 2.0 has such questions, the benchmark uses v1.1. {_HINT}",
            )
    if not seen:
        raise UserError(f"{name} has no questions.", hint=_HINT)
    return paragraphs


def _paragraphs(content: object, name: str) -> Iterator[Paragraph]:
    for number, article in enumerate(_list(content, "data", name, "the file")):
        place = f"article {number + 1}"
        for other, paragraph in enumerate(_list(article, "paragraphs", name, place)):
            here = f"paragraph {other + 1} of {place}"
            yield Paragraph(
                _text(paragraph, "context", name, here),
                tuple(_question(one, name, here) for one in _list(paragraph, "qas", name, here)),
            )


def _question(content: object, name: str, place: str) -> AnsweredQuestion:
    here = f"a question of {place}"
    answers = _list(content, "answers", name, here)
    return AnsweredQuestion(
        _text(content, "id", name, here),
        _text(content, "question", name, here),
        tuple(_text(answer, "text", name, here) for answer in answers),
    )


def _list(content: object, key: str, name: str, place: str) -> Sequence[object]:
    found = content.get(key) if isinstance(content, Mapping) else None
    if isinstance(found, list):
        return found
    raise UserError(f"{name} is not of SQuAD's form: {place} has no list {key!r}.", hint=_HINT)


def _text(content: object, key: str, name: str, place: str) -> str:
    found = content.get(key) if isinstance(content, Mapping) else None
    if isinstance(found, str):
        return found
    raise UserError(f"{name} is not of SQuAD's form: {place} has no text {key!r}.", hint=_HINT)
