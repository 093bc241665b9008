"""Question answering: the scores of each token as beginning and end of the answer; F1."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads.responses import FixedResponses
from mlrepo.workloads.squad.answers import Span, answer_texts, best_span
from mlrepo.workloads.squad.features import LENGTH
from mlrepo.workloads.squad.scores import exact_and_f1
from mlrepo.workloads.squad.unpadded import collate
from mlrepo.workloads.task import Accuracy
from mlrepo.workloads.weights.graph import Tensor

# The score of a token that a shorter sample does not have.
_PADDED = -10000.0
_RESPONSES = FixedResponses("<f4", (LENGTH, 2))
_HINT = (
    "Export the model with its start and end logits as two outputs [batch, 384], start first, or "
    "as one [batch, 384, 2]."
)


@dataclass(frozen=True)
class QuestionAnswering:
    """Answers are spans of a paragraph; the data set is a ``SquadSamples``.

    Attributes
    ----------
    shortened:
        Whether batches are padded to their longest sample only.
    responses:
        As the reference logs them (language/bert): start and end side by side for each token.
    """

    shortened: bool = False
    name: str = "question answering"
    responses: FixedResponses = _RESPONSES

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> npt.NDArray[Any]:
        """Return the scores, float32 [n, 384, 2].

        Raises
        ------
        UserError
            The outputs are not such scores.
        """
        length = outputs[0].shape[1] if self.shortened and outputs[0].ndim > 1 else LENGTH
        if len(outputs) == 1 and outputs[0].shape[1:] == (length, 2):
            return _filled(outputs[0].astype(np.float32, copy=False))
        if len(outputs) == 2 and all(one.shape[1:] == (length,) for one in outputs):
            sides = [one.astype(np.float32, copy=False) for one in outputs]
            return _filled(np.stack(sides, axis=-1))
        found = ", ".join(f"{one.dtype} {list(one.shape)}" for one in outputs) or "nothing"
        raise UserError(f"The model gives {found}; start and end logits are needed.", hint=_HINT)

    def collate(self, samples: Sequence[Any]) -> Mapping[str, npt.NDArray[np.int64]]:
        """Return unpadded samples as a batch, padded to the longest of them."""
        return collate(samples)

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return why outputs with these names and shapes are not start and end logits."""
        shapes = [one.shape for one in outputs]
        if not shapes or not all(shapes):
            return ""  # checked when the model runs
        text = ", ".join(f"{one.name} {_sizes(one.shape)}".strip() for one in outputs)
        length = None if self.shortened else LENGTH
        pair = len(shapes) == 2 and all(_fits(shape, (length,)) for shape in shapes)
        if not pair and not (len(shapes) == 1 and _fits(shapes[0], (length, 2))):
            return f"It gives {text}; start and end logits are needed. {_HINT}"
        if pair and "end" in outputs[0].name and "start" in outputs[1].name:
            return f"It gives {text}: the end logits come first. {_HINT}"
        return ""

    def unreadable(self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]) -> str:
        """Return for which sample the scores say nothing, and why."""
        try:
            scores = self.postprocess(outputs, indices)
        except UserError as error:
            return str(error)
        bad = _senseless(scores)
        if not bad.any():
            return ""
        row = int(np.argmax(bad))
        return f"The model gives NaN or infinity for sample {indices[row]}: no answer can be read"

    def agrees(self, one: bytes, other: bytes) -> bool:
        """Return whether two answers have the same most probable beginning and end."""
        spans = [
            np.frombuffer(data, "<f4").reshape(LENGTH, 2).argmax(axis=0) for data in (one, other)
        ]
        return bool((spans[0] == spans[1]).all())

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return F1 and exact match, computed as MLPerf's accuracy-squad.py does.

        Raises
        ------
        InvalidResult
            There is no answer, or one is not of a sample of the data set, not of the right size, or
            without a sense.
        """
        features = dataset.features
        size = LENGTH * 2 * np.dtype("<f4").itemsize
        spans: dict[int, Span | None] = {}
        for entry in entries:
            sample = entry.sample_index
            if not 0 <= sample < len(features.ids):
                raise InvalidResult(
                    f"The accuracy log has sample {sample}, but the data set has "
                    f"{len(features.ids)} samples.",
                    hint="The log belongs to another data set.",
                )
            if len(entry.data) != size:
                raise InvalidResult(
                    f"The response to sample {sample} has {len(entry.data)} bytes; scores of "
                    f"{LENGTH} tokens have {size}.",
                    hint="The backend's output does not fit the benchmark.",
                )
            logits = np.frombuffer(entry.data, "<f4").reshape(LENGTH, 2)
            if _senseless(logits[None])[0]:
                raise InvalidResult(
                    f"The response to sample {sample} contains NaN or infinity.",
                    hint="The model computes nothing meaningful for it; try another precision.",
                )
            spans[sample] = best_span(sample, features, logits)
        if not spans:
            raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
        found = {sample: span for sample, span in spans.items() if span is not None}
        texts = answer_texts(dataset.paragraphs, features, dataset.vocabulary, found)
        exact, f1 = exact_and_f1(dataset.paragraphs, texts)
        return Accuracy(
            value=f1,
            unit="F1",
            judged=len(spans),
            text=json.dumps({"exact_match": exact, "f1": f1}) + "\n",
            details={"questions": len(texts)},
            metrics={"F1": Metric(f1, "F1"), "exact_match": Metric(exact, "%")},
        )


def _filled(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return scores [n, tokens, 2] of shorter samples as [n, LENGTH, 2].

    What is added is what the reference adds to shorter responses (accuracy-squad.py).
    """
    missing = LENGTH - scores.shape[1]
    if not missing:
        return scores
    return np.pad(scores, ((0, 0), (0, missing), (0, 0)), constant_values=_PADDED)


def _senseless(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whether a score of a sample is NaN or plus infinity; [n, 384, 2] to [n].

    Some models give minus infinity to tokens that they rule out.
    """
    bad: npt.NDArray[Any] = np.asarray(np.logical_not(scores < np.inf).any(axis=(1, 2)))
    return bad


def _fits(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) + 1 and all(
        None in (have, want) or have == want for have, want in zip(shape[1:], wanted, strict=True)
    )


def _sizes(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"
