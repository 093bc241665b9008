"""Samples without padding, for runs that sort them by length (``--way by-length``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mlrepo.record import BY_LENGTH
from mlrepo.workloads import SampleTensor
from mlrepo.workloads.squad.prepared import TENSORS

Int64s = npt.NDArray[np.int64]


class PaddedSamples(Protocol):
    """A data set of the tensors :data:`TENSORS` that knows the lengths of its samples."""

    @property
    def total(self) -> int:
        """The number of samples."""

    @property
    def tensors(self) -> Sequence[SampleTensor]:
        """The tensors of a sample."""

    @property
    def lengths(self) -> npt.NDArray[np.integer]:
        """The number of tokens of each sample, shape [total]."""

    def load(self, indices: Sequence[int]) -> Mapping[str, Int64s]:
        """Return samples with their padding."""

    def describe(self) -> Mapping[str, object]:
        """Return name, sample count and fingerprint."""


@dataclass(frozen=True)
class Unpadded:
    """A data set's samples as objects: int64 arrays [tensors, tokens]."""

    padded: PaddedSamples
    objects: bool = True

    @property
    def total(self) -> int:
        """The number of samples."""
        return self.padded.total

    @property
    def lengths(self) -> npt.NDArray[np.integer]:
        """The number of tokens of each sample, shape [total]."""
        return self.padded.lengths

    def load(self, indices: Sequence[int]) -> Sequence[Int64s]:
        """Return the samples in the order of the indices."""
        loaded = self.padded.load(indices)
        whole = np.stack([loaded[tensor.name] for tensor in TENSORS], axis=1)
        lengths = self.lengths[np.asarray(indices, np.int64)]
        return [row[:, :length].copy() for row, length in zip(whole, lengths, strict=True)]

    def describe(self) -> Mapping[str, object]:
        """Return the data set's description, and the way."""
        return {**self.padded.describe(), "preprocessing": BY_LENGTH}


def collate(samples: Sequence[Int64s]) -> Mapping[str, Int64s]:
    """Return samples as the tensors of a batch, padded with 0 to the longest of them."""
    longest = max(sample.shape[1] for sample in samples)
    batch = np.zeros((len(TENSORS), len(samples), longest), np.int64)
    for row, sample in enumerate(samples):
        batch[:, row, : sample.shape[1]] = sample
    return {tensor.name: batch[at] for at, tensor in enumerate(TENSORS)}
