"""Question answering on SQuAD v1.1: MLPerf's bert-99 and bert-99.9, and generated questions with
random models for measuring speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes
from mlrepo.workloads import SampleTensor, Workload
from mlrepo.workloads.squad import models
from mlrepo.workloads.squad.features import LENGTH
from mlrepo.workloads.squad.prepared import ALL_SAMPLES, TENSORS, SquadSamples, as_tensors
from mlrepo.workloads.squad.registered import Squad
from mlrepo.workloads.squad.task import QuestionAnswering
from mlrepo.workloads.squad.unpadded import Unpadded
from mlrepo.workloads.squad.vocabulary import BERT_PIECES

# The first word piece that is a word in BERT's vocabulary, and those that frame a sample.
_FIRST_WORD, _CLS, _SEP = 999, 101, 102


@dataclass(frozen=True)
class RandomQuestions:
    """Generated word pieces: for measuring speed, never accuracy.

    Sample ``i`` depends on ``i`` alone. Lengths are spread about as those of SQuAD: 40 to 384
    tokens, half of them below 165.
    """

    total: int = ALL_SAMPLES

    @property
    def tensors(self) -> Sequence[SampleTensor]:
        """Those of SQuAD."""
        return TENSORS

    @cached_property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The number of tokens of each sample before its padding, shape [total]."""
        return np.array([self._shape(index)[1] for index in range(self.total)], np.int32)

    def load(self, indices: Sequence[int]) -> Mapping[str, npt.NDArray[np.int64]]:
        """Return the samples, three int64 arrays [len(indices), 384]."""
        ids = np.zeros((len(indices), LENGTH), np.int32)
        lengths, starts = (np.empty(len(indices), np.int32) for _ in range(2))
        for row, index in enumerate(indices):
            rng, lengths[row], starts[row] = self._shape(index)
            ids[row, : lengths[row]] = rng.integers(_FIRST_WORD, BERT_PIECES, lengths[row])
            ids[row, 0], ids[row, [starts[row] - 1, lengths[row] - 1]] = _CLS, _SEP
        return as_tensors(ids, lengths, starts)

    @staticmethod
    def _shape(index: int) -> tuple[np.random.Generator, int, int]:
        """Return length and start of a sample's second segment, and what its tokens come from."""
        rng = np.random.default_rng([2, index])
        return rng, min(LENGTH, 40 + int(rng.gamma(2.5, 55))), int(rng.integers(8, 24))

    def describe(self) -> Mapping[str, object]:
        """Return facts that say that the questions are generated."""
        first = self.load(range(min(self.total, 64)))
        return {
            "name": "generated word pieces",
            "samples": self.total,
            "sequence_length": LENGTH,
            "fingerprint": sha256_bytes(b"".join(first[one.name].tobytes() for one in TENSORS)),
        }


BERT_99 = Workload(
    name=models.BERT_99,
    task=QuestionAnswering(),
    follows=models.BERT_99,
    loadgen_model="bert",
    performance_samples=ALL_SAMPLES,
    model=None,
    open_dataset=SquadSamples,
    dataset=Squad(),
    tensors=TENSORS,
    models=models.models_of(models.BERT_99),
)
BERT_99 = replace(
    BERT_99,
    unpadded=replace(
        BERT_99,
        open_dataset=lambda path: Unpadded(SquadSamples(path)),
        task=QuestionAnswering(shortened=True),
    ),
)
BERT_99_9 = replace(
    BERT_99,
    name=models.BERT_99_9,
    follows=models.BERT_99_9,
    models=models.models_of(models.BERT_99_9),
)
BERT_LARGE_RANDOM = replace(
    BERT_99,
    name=models.BERT_LARGE_RANDOM,
    remark="random weights, for speed only",
    open_dataset=RandomQuestions,
    dataset=None,
    unpadded=replace(
        BERT_99,
        open_dataset=lambda: Unpadded(RandomQuestions()),
        dataset=None,
        task=QuestionAnswering(shortened=True),
    ),
    models=models.random_models(models.BERT_LARGE_RANDOM, "BERT-Large (24 layers)"),
    make_model=models.make_random,
    model_requirements=("onnx>=1.17",),
)
BERT_SMALL_RANDOM = replace(
    BERT_LARGE_RANDOM,
    name=models.BERT_SMALL_RANDOM,
    models=models.random_models(models.BERT_SMALL_RANDOM, "BERT-Small (4 layers)"),
)
