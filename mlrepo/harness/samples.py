"""The query sample library: the samples that LoadGen loaded, as batches for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.backends import Batch
from mlrepo.errors import UserError
from mlrepo.harness.feed import Feed, Samples, rows_of
from mlrepo.workloads import Dataset, Workload
from mlrepo.workloads.tensors import SampleTensor, has_objects, tensors_of

Collate = Callable[[Sequence[object]], Samples]
_ONCE = "`load` must return each sample once, in the order of the indices."


def load_samples(dataset: Dataset, indices: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of samples after checking shape and type: gathering would cast them.

    Raises
    ------
    UserError
        The data set gives anything but arrays of the samples that were asked for.
    """
    tensors = tensors_of(dataset)
    samples: object = dataset.load(indices)
    if isinstance(samples, np.ndarray) and len(tensors) == 1:
        samples = {tensors[0].name: samples}
    names = [tensor.name for tensor in tensors]
    if not isinstance(samples, Mapping):
        raise UserError(
            f"The data set gives samples as {type(samples).__name__}.",
            hint="`load` must return one array, or an array for each of its `tensors` by name.",
        )
    if set(samples) != set(names):
        raise UserError(
            f"The data set gives the tensors {_listed(samples)} where {_listed(names)} were "
            "declared.",
            hint="`load` must return one array, or an array for each of its `tensors` by name.",
        )
    return {one.name: _checked(samples[one.name], one, len(indices)) for one in tensors}


def _checked(array: object, tensor: SampleTensor, count: int) -> npt.NDArray[Any]:
    wanted = (count, *tensor.shape)
    named = f" in {tensor.name}" if tensor.name else ""
    if not isinstance(array, np.ndarray):
        raise UserError(
            f"The data set gives samples as {type(array).__name__}{named}.",
            hint="`load` must return arrays.",
        )
    if array.shape != wanted or array.dtype != np.dtype(tensor.dtype):
        raise UserError(
            f"The data set gives samples of {array.dtype} {list(array.shape)}{named} where "
            f"{tensor.dtype} {list(wanted)} was requested.",
            hint=_ONCE,
        )
    return np.ascontiguousarray(array)


def load_objects(dataset: Dataset, indices: Sequence[int]) -> list[object]:
    """Return samples that are Python objects, one for each index.

    Raises
    ------
    UserError
        The data set gives anything but a sequence of so many objects.
    """
    samples: object = dataset.load(indices)
    if isinstance(samples, (str, bytes)) or not isinstance(samples, Sequence):
        raise UserError(
            f"The data set gives samples as {type(samples).__name__}.",
            hint="`load` of a data set with objects must return a sequence of them.",
        )
    if len(samples) != len(indices):
        raise UserError(
            f"The data set gives {len(samples)} samples where {len(indices)} were requested.",
            hint=_ONCE,
        )
    return list(samples)


def source_of(dataset: Dataset, workload: Workload) -> SampleSource:
    """Return the samples of a data set as tensors, which the task may have to make.

    Raises
    ------
    UserError
        The samples are objects, and the task makes no tensors of them.
    """
    if not has_objects(dataset):
        return SampleSource(dataset, None, ())
    collate: Collate | None = getattr(workload.task, "collate", None)
    if collate is None:
        raise UserError(
            "The samples of this benchmark are no tensors, and its task does not make any of them.",
            hint="Use a backend that takes requests, or give the task a method `collate`.",
        )
    return SampleSource(dataset, collate, workload.tensors)


@dataclass(frozen=True)
class SampleSource:
    """The samples of a benchmark as tensors.

    Attributes
    ----------
    collate:
        How objects become a batch of tensors; None if the data set gives tensors.
    declared:
        What the benchmark says of the tensors made of objects: the aliases of their names.
    """

    dataset: Dataset
    collate: Collate | None
    declared: tuple[SampleTensor, ...]

    @cached_property
    def tensors(self) -> tuple[SampleTensor, ...]:
        """Its tensors; those made of objects have the sizes of the first sample."""
        return tensors_of(self.dataset) or tensors_in(self.load([0]), self.declared)

    def load(self, indices: Sequence[int]) -> Samples:
        """Return samples as tensors by name."""
        if self.collate is None:
            return load_samples(self.dataset, indices)
        return collated(self.collate, load_objects(self.dataset, indices))

    def library(self, feed: Feed, max_batch: int) -> SampleLibrary:
        """Return the library that serves a model."""
        if self.collate is not None:
            return ObjectLibrary(self.dataset, self.collate, feed)
        kind = SampleLibrary if len(feed.inputs) == 1 else TensorLibrary
        return kind(self.dataset, max_batch, feed.cast)


def collated(collate: Collate, samples: Sequence[object]) -> Samples:
    """Return the tensors of a batch of objects.

    Raises
    ------
    UserError
        They are not arrays with one row for each sample.
    """
    found: object = collate(samples)
    if not isinstance(found, Mapping) or not all(
        isinstance(one, np.ndarray) and one.shape[:1] == (len(samples),) for one in found.values()
    ):
        raise UserError(
            f"The task's collate does not give arrays by name for {len(samples)} samples.",
            hint="It must return a mapping from names to arrays with the batch first.",
        )
    return found


def tensors_in(samples: Samples, declared: Sequence[SampleTensor] = ()) -> tuple[SampleTensor, ...]:
    """Return names, types and shapes of some samples' tensors, with the ``declared`` aliases."""
    aliases = {one.name: one.aliases for one in declared}
    return tuple(
        SampleTensor(name, str(array.dtype), array.shape[1:], aliases.get(name, ()))
        for name, array in samples.items()
    )


def _only(samples: Samples) -> Batch:
    (array,) = samples.values()
    return array


class SampleLibrary:
    """The samples that LoadGen loaded, in the order in which it loaded them: one tensor.

    A query of one sample or of consecutive ones (SingleStream, MultiStream) is a view; other
    batches are gathered into one reused buffer. ``cast`` converts samples to the model's type once,
    when they are loaded: this is preprocessing, which is not measured.
    """

    def __init__(
        self, dataset: Dataset, max_batch: int, cast: Callable[[Samples], Any] = _only
    ) -> None:
        self._dataset, self._max_batch, self._cast = dataset, max_batch, cast
        self._row_of = np.full(dataset.total, -1, dtype=np.int64)
        self._samples: Any = None
        self._scratch: Any = None

    def load(self, indices: Sequence[int]) -> None:
        """Load samples; a sample named twice (MultiStream wraps around) is loaded once.

        Raises
        ------
        UserError
            The data set gives anything but the samples that were asked for.
        """
        unique = list(dict.fromkeys(indices))
        self._samples = self._loaded(unique)
        if self._scratch is None:
            self._scratch = self._buffers()
        self._row_of[:] = -1
        self._row_of[np.asarray(unique, dtype=np.int64)] = np.arange(len(unique))

    def unload(self, indices: Sequence[int]) -> None:
        """Forget all samples: LoadGen unloads a set before it loads the next one."""
        self._samples = None

    def rows(self, indices: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the rows of the samples, shape [len(indices)]."""
        return self._row_of[np.fromiter(indices, np.int64, len(indices))]

    def one(self, index: int) -> Any:
        """Return one sample as a batch of one: a view."""
        row = self._row_of[index]
        return self._samples[row : row + 1]

    def batch(self, rows: npt.NDArray[np.int64]) -> Any:
        """Return the samples at ``rows`` as a batch; valid until the next call."""
        first = _consecutive(rows)
        if first is not None:
            return self._samples[first : first + len(rows)]
        return _gathered(self._samples, rows, self._scratch)

    def _loaded(self, indices: Sequence[int]) -> Any:
        return self._cast(load_samples(self._dataset, indices))

    def _buffers(self) -> Any:
        return _buffer(self._samples, self._max_batch)


class TensorLibrary(SampleLibrary):
    """Samples of several tensors, each as in :class:`SampleLibrary`; batches are dictionaries."""

    def one(self, index: int) -> Any:
        """Return one sample as a batch of one: views."""
        row = self._row_of[index]
        return rows_of(self._samples, slice(row, row + 1))

    def batch(self, rows: npt.NDArray[np.int64]) -> Any:
        """Return the samples at ``rows`` as a batch; valid until the next call."""
        first = _consecutive(rows)
        if first is not None:
            return rows_of(self._samples, slice(first, first + len(rows)))
        return {
            name: _gathered(array, rows, self._scratch[name])
            for name, array in self._samples.items()
        }

    def _buffers(self) -> dict[str, npt.NDArray[Any]]:
        return {name: _buffer(array, self._max_batch) for name, array in self._samples.items()}


class ObjectLibrary(SampleLibrary):
    """Samples that are Python objects, of which the task makes batches of tensors.

    That is part of the measured time: how a batch is padded depends on what is in it.
    """

    def __init__(self, dataset: Dataset, collate: Collate, feed: Feed) -> None:
        super().__init__(dataset, 0, feed.cast)
        self._collate = collate

    def one(self, index: int) -> Any:
        """Return one sample as a batch of one."""
        return self._cast(collated(self._collate, [self._samples[self._row_of[index]]]))

    def batch(self, rows: npt.NDArray[np.int64]) -> Any:
        """Return the samples at ``rows`` as a batch."""
        return self._cast(collated(self._collate, [self._samples[row] for row in rows]))

    def _loaded(self, indices: Sequence[int]) -> list[object]:
        return load_objects(self._dataset, indices)

    def _buffers(self) -> None:
        """Keep none: each batch has a size of its own."""


def _consecutive(rows: npt.NDArray[np.int64]) -> int | None:
    """Return the first of consecutive rows; None if they are not consecutive."""
    first = int(rows[0])
    if int(rows[-1]) - first == len(rows) - 1 and bool((np.diff(rows) == 1).all()):
        return first
    return None


def _buffer(samples: npt.NDArray[Any], max_batch: int) -> npt.NDArray[Any]:
    return np.empty((max_batch, *samples.shape[1:]), samples.dtype)


def _gathered(
    samples: npt.NDArray[Any], rows: npt.NDArray[np.int64], buffer: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    batch = buffer[: len(rows)]
    # "clip" lets numpy write straight into the buffer; rows are within bounds by construction.
    np.take(samples, rows, axis=0, out=batch, mode="clip")
    return batch


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(repr, names)) or "none"
