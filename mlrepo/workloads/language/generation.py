"""Text generation: answers are token ids, and what they mean is judged from their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from mlrepo.errors import InvalidResult
from mlrepo.generated import Generated
from mlrepo.record import AccuracyEntry
from mlrepo.workloads.responses import Response, VariableResponses
from mlrepo.workloads.task import Accuracy
from mlrepo.workloads.vocabulary import TokenVocabulary, vocabulary_of

if TYPE_CHECKING:
    from mlrepo.workloads.weights.graph import Tensor

# The logged type of a token id (``--dtype int32`` of evaluation.py and of TEST06).
TOKEN_DTYPE = "<i4"
# Where a token id would be, in an answer that is a text in UTF-8: no token has it.
_TEXT = np.array([-1], TOKEN_DTYPE).tobytes()


class TextJudge(Protocol):
    """Computes an accuracy from texts."""

    def preflight(self) -> None:
        """Raise :class:`UserError` if something that it needs is not installed."""

    def judge(self, texts: Iterable[tuple[int, str]], dataset: Any) -> Accuracy:
        """Return the accuracy of texts, each with the index of its sample."""


@dataclass(frozen=True)
class Generation:
    """A model continues a prompt.

    Attributes
    ----------
    judges:
        Computes the accuracy from the texts of the answers.
    model:
        The model whose vocabulary turns ids into text; None for one that nobody here has, such as
        that of an endpoint: then the text that came with the ids is logged instead of them.
    """

    judges: TextJudge
    name: str = "text generation"
    model: Path | None = None

    @property
    def responses(self) -> VariableResponses:
        """Token ids, with their number."""
        return VariableResponses(tokens=True)

    @property
    def end_token(self) -> int | None:
        """The id of the token that ends an answer; None if it is not known."""
        return self._vocabulary.end if self._vocabulary else None

    def of_model(self, model: Path | None) -> Self:
        """Return the task for the answers of a model, None if its files are not here."""
        return replace(self, model=model)

    def preflight(self, dataset: Any) -> None:
        """Raise :class:`UserError` if the accuracy could not be computed afterwards."""
        self.judges.preflight()

    def postprocess(self, outputs: Sequence[Any], indices: Sequence[int]) -> list[Response]:
        """Return the ids of each answer as int32, or its text after -1 if it has no ids."""
        return [self._response(one) for one in outputs]

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return the accuracy of the texts of the answers.

        Raises
        ------
        InvalidResult
            An answer is not one of this benchmark, or there is none.
        """
        return self.judges.judge(self._texts(entries), dataset)

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return ''; engines say what they can run when they load it."""
        return ""

    @cached_property
    def _vocabulary(self) -> TokenVocabulary | None:
        return vocabulary_of(self.model) if self.model else None

    def _response(self, generated: Generated) -> Response:
        ids = generated.ids
        if len(ids) and (self.model is not None or not generated.text):
            return Response(np.asarray(ids, TOKEN_DTYPE).tobytes(), len(ids))
        return Response(_TEXT + generated.text.encode(), generated.tokens)

    def _texts(self, entries: Iterable[AccuracyEntry]) -> Iterator[tuple[int, str]]:
        for entry in entries:
            if entry.data.startswith(_TEXT):
                yield entry.sample_index, entry.data[len(_TEXT) :].decode("utf-8", "replace")
                continue
            if len(entry.data) % len(_TEXT):
                raise InvalidResult(
                    f"The answer to sample {entry.sample_index} has {len(entry.data)} bytes, which "
                    "are not token ids of 4 bytes.",
                    hint="The log belongs to another benchmark.",
                )
            if self._vocabulary is None:
                raise InvalidResult(
                    "The answers are token ids, and the model with their vocabulary is not here.",
                    hint="Judge them where the model is.",
                )
            ids = np.frombuffer(entry.data, TOKEN_DTYPE).tolist()
            yield entry.sample_index, self._vocabulary.decode(ids)
