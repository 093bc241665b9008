"""The query sample library: loaded samples in one contiguous array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads import Dataset
from mlrepo.workloads.tensors import tensors_of


def _shape(dataset: Dataset) -> tuple[int, ...]:
    tensors = tensors_of(dataset)
    return tensors[0].shape if len(tensors) == 1 else ()


def load_samples(dataset: Dataset, indices: Sequence[int]) -> npt.NDArray[Any]:
    """Return samples after checking shape and type: gathering would cast them silently.

    Raises
    ------
    UserError
        The data set gives anything but one float32 array of the samples that were asked for.
    """
    samples: object = dataset.load(indices)
    wanted = (len(indices), *_shape(dataset))
    if not isinstance(samples, np.ndarray):
        raise UserError(
            f"The data set gives samples as {type(samples).__name__}.",
            hint="One array is needed: a benchmark of several input tensors cannot run yet.",
        )
    if samples.shape != wanted or samples.dtype != np.float32:
        raise UserError(
            f"The data set gives samples of {samples.dtype} {list(samples.shape)} where "
            f"float32 {list(wanted)} was requested.",
            hint="`load` must return each sample once, in the order of the indices.",
        )
    return samples


class SampleLibrary:
    """The samples that LoadGen loaded, in the order in which it loaded them.

    A query of one sample or of consecutive ones (SingleStream, MultiStream) is a view; other
    batches are gathered into one reused buffer. ``cast`` converts float32 samples to the model's
    type once, when they are loaded: this is preprocessing, which is not measured.
    """

    def __init__(
        self,
        dataset: Dataset,
        max_batch: int,
        cast: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = lambda samples: samples,
    ) -> None:
        self._dataset, self._cast = dataset, cast
        self._row_of = np.full(dataset.total, -1, dtype=np.int64)
        shape = _shape(dataset)
        self._samples = cast(np.empty((0, *shape), np.float32))
        self._scratch = np.empty((max_batch, *shape), self._samples.dtype)

    def load(self, indices: Sequence[int]) -> None:
        """Load samples; a sample named twice (MultiStream wraps around) is loaded once.

        Raises
        ------
        UserError
            The data set gives anything but one float32 array of the samples that were asked for.
        """
        unique = list(dict.fromkeys(indices))
        self._samples = self._cast(load_samples(self._dataset, unique))
        self._row_of[:] = -1
        self._row_of[np.asarray(unique, dtype=np.int64)] = np.arange(len(unique))

    def unload(self, indices: Sequence[int]) -> None:
        """Forget all samples: LoadGen unloads a set before it loads the next one."""
        self._samples = self._samples[:0]

    def rows(self, indices: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the rows of the samples, shape [len(indices)]."""
        return self._row_of[np.fromiter(indices, np.int64, len(indices))]

    def one(self, index: int) -> npt.NDArray[Any]:
        """Return one sample as a batch of one: a view."""
        row = self._row_of[index]
        return self._samples[row : row + 1]

    def batch(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the samples at ``rows`` as a batch; valid until the next call."""
        count = len(rows)
        first = int(rows[0])
        if int(rows[-1]) - first == count - 1 and bool((np.diff(rows) == 1).all()):
            return self._samples[first : first + count]
        batch = self._scratch[:count]
        # "clip" lets numpy write straight into the buffer; rows are within bounds by construction.
        np.take(self._samples, rows, axis=0, out=batch, mode="clip")
        return batch
