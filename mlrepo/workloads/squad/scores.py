"""F1 and exact match of answers, as SQuAD's evaluation script v1.1 defines them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

from mlrepo.workloads.squad.questions import Paragraph

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized(answer: str) -> str:
    """Return an answer in lower case, without ASCII punctuation, articles and extra blanks."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_NO_PUNCTUATION)).split())


def f1_of(given: str, wanted: str) -> float:
    """Return the harmonic mean of precision and recall over the words of two answers, 0 to 1.

    Words that occur several times count as often as in both. Two answers without a word have 0.
    """
    given_words, wanted_words = normalized(given).split(), normalized(wanted).split()
    same = sum((Counter(given_words) & Counter(wanted_words)).values())
    if not same:
        return 0.0
    precision, recall = same / len(given_words), same / len(wanted_words)
    return 2 * precision * recall / (precision + recall)


def exact_and_f1(paragraphs: Sequence[Paragraph], given: Mapping[str, str]) -> tuple[float, float]:
    """Return exact match and F1 over all questions, in percent.

    Each question counts with the best of its answers; one that nothing was given for counts 0.
    Sums are taken in the order of the file, so that the last digit is that of MLPerf's script
    (evaluate_v1.1.py).
    """
    exact, f1, total = 0, 0.0, 0
    for question in (q for paragraph in paragraphs for q in paragraph.questions):
        total += 1
        if question.id not in given:
            continue
        answer = given[question.id]
        plain = normalized(answer)
        exact += any(plain == normalized(wanted) for wanted in question.answers)
        f1 += max(f1_of(answer, wanted) for wanted in question.answers)
    return 100.0 * exact / total, 100.0 * f1 / total
