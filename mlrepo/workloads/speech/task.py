"""Transcription: the text of recorded speech, and its word error rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads.responses import Response, VariableResponses
from mlrepo.workloads.speech.features import log_mel
from mlrepo.workloads.speech.words import WordErrors, letters_of, text_of
from mlrepo.workloads.task import Accuracy
from mlrepo.workloads.vocabulary import TokenVocabulary, vocabulary_of
from mlrepo.workloads.weights.ctranslate2 import variable_shapes

if TYPE_CHECKING:
    from mlrepo.workloads.weights.graph import Tensor

# English, transcribed, without time stamps: the prompt of the reference (QSL.py).
_PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
# Transcripts are logged as the numbers of their letters (reference_SUT.py: array 'q').
_LETTER = "<i8"
_FIRST_LAYER = "encoder/conv1/weight"
_MELS = 80


@dataclass(frozen=True)
class Transcription:
    """A model of the Whisper family writes down what it hears.

    Attributes
    ----------
    model:
        The model, whose vocabulary turns token ids into text.
    """

    name: str = "speech recognition"
    model: Path | None = None

    @property
    def responses(self) -> VariableResponses:
        """The letters of a transcript, with the number of tokens that the model wrote."""
        return VariableResponses(tokens=True)

    def of_model(self, model: Path | None) -> Self:
        """Return the task for the answers of a model."""
        return replace(self, model=model)

    def collate(self, samples: Sequence[npt.NDArray[np.float32]]) -> Mapping[str, Any]:
        """Return ``mel``, float32 [n, mels, 3000], and ``prompt``, int64 [n, 4]."""
        return {
            "mel": np.stack([log_mel(sound, self._mels) for sound in samples]),
            "prompt": np.tile(self._prompt, (len(samples), 1)),
        }

    def preflight(self, dataset: Any) -> None:
        """Raise :class:`UserError` if the word error rate could not be computed afterwards."""
        WordErrors()

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> list[Response]:
        """Return the letters of each transcript.

        ``outputs`` begin with token ids [n, longest], without the token that ends an answer;
        shorter answers end with negative ones.
        """
        vocabulary = self._vocabulary
        answers = []
        for row in outputs[0].tolist():
            ids = [number for number in row if number >= 0]
            letters = letters_of(vocabulary.decode(ids))
            # The model also wrote the token that ends the answer, which is not among the ids.
            answers.append(Response(np.array(letters, _LETTER).tobytes(), len(ids) + 1))
        return answers

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return the accuracy in percent: 100 minus the word error rate.

        Raises
        ------
        InvalidResult
            The log belongs to another data set, or has no answer.
        """
        errors = words = judged = 0
        count = WordErrors().count
        for entry in entries:
            if not 0 <= entry.sample_index < dataset.total:
                raise InvalidResult(
                    f"The accuracy log has sample {entry.sample_index}, but the data set has "
                    f"{dataset.total} samples.",
                    hint="The log belongs to another data set.",
                )
            try:
                heard = text_of(np.frombuffer(entry.data, _LETTER).tolist())
            except ValueError as error:
                raise InvalidResult(
                    f"The answer to sample {entry.sample_index} is not a transcript: {error}.",
                    hint="The log belongs to another benchmark.",
                ) from error
            wrong, spoken = count(heard, dataset.transcript(entry.sample_index))
            errors, words, judged = errors + wrong, words + spoken, judged + 1
        if not words:
            raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
        rate = errors / words
        return Accuracy(
            value=round(100 * (1 - rate), 4),
            unit="%",
            judged=judged,
            text=f"Word Error Rate: {rate * 100}%, accuracy={(1 - rate) * 100}%\n",
            details={"errors": errors, "words": words},
            metrics={
                "ACCURACY": Metric(round(100 * (1 - rate), 4), "%"),
                "WER": Metric(round(100 * rate, 4), "%"),
            },
        )

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Return ''; engines say what they can run when they load it."""
        return ""

    @cached_property
    def _vocabulary(self) -> TokenVocabulary:
        if self.model is None:
            raise UserError("Transcripts need the vocabulary of a model that is here.")
        return vocabulary_of(self.model)

    @cached_property
    def _prompt(self) -> npt.NDArray[np.int64]:
        ids = {token: self._vocabulary.id_of(token) for token in _PROMPT}
        if lacking := [token for token, number in ids.items() if number is None]:
            raise UserError(
                f"The vocabulary of {self.model} has no token {lacking[0]}.",
                hint="Use a multilingual model of the Whisper family with its tokenizer.json.",
            )
        return np.array(list(ids.values()), np.int64)

    @cached_property
    def _mels(self) -> int:
        """How many bands of the spectrum the model hears: 80, or 128 in large-v3."""
        shapes = variable_shapes(self.model) if self.model else {}
        shape = shapes.get(_FIRST_LAYER, ())
        return shape[1] if len(shape) == 3 else _MELS
