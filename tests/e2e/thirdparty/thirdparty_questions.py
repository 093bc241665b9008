"""A third party's benchmark of a language model: questions as text, answers as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Accuracy, Dataset, Response, VariableResponses, Workload

TOTAL = 24
ASKED = 8


@dataclass(frozen=True)
class QuestionsDataset:
    """Questions that a server which was told can answer."""

    objects: bool = True
    total: int = TOTAL

    def load(self, indices: Sequence[int]) -> Sequence[object]:
        """Return the questions."""
        return [
            {"prompt": f"What comes after {index}?", "max_new_tokens": ASKED} for index in indices
        ]

    def describe(self) -> Mapping[str, object]:
        """Return what is said about data sets."""
        return {"name": "questions", "samples": TOTAL, "fingerprint": "0" * 64}


class Questions:
    """An answer is right if it has any text."""

    name = "question answering"
    responses = VariableResponses(tokens=True)

    def postprocess(
        self, outputs: Sequence[Any], indices: Sequence[int]
    ) -> Sequence[Response | bytes]:
        """Return the texts with the numbers of their tokens; outputs are ``Generated``."""
        return [Response(one.text.encode(), one.tokens) for one in outputs]

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Dataset) -> Accuracy:
        """Return the share of answers that have a text."""
        right = {entry.sample_index: bool(entry.data.strip()) for entry in entries}
        share = 100 * sum(right.values()) / len(right)
        return Accuracy(share, "%", len(right), f"answered={share:.2f}%\n")

    def misfit(self, outputs: Sequence[object]) -> str:
        """Any model that generates text fits."""
        return ""


QUESTIONS = Workload(
    name="questions",
    task=Questions(),
    follows="llama3.1-8b-edge",
    loadgen_model="llama3_1-8b-edge",
    performance_samples=TOTAL,
    model=None,
    open_dataset=QuestionsDataset,
)
