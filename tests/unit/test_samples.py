"""The query sample library: views of contiguous samples, gathered copies of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlrepo.harness.samples import SampleLibrary


class _Numbers:
    """Sample number i is filled with i."""

    total = 20
    sample_shape = (2, 3)
    labels = np.zeros(20, np.int64)

    def __init__(self) -> None:
        self.loads: list[list[int]] = []

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        self.loads.append(list(indices))
        samples = np.zeros((len(indices), 2, 3), np.float32)
        samples[:] = np.asarray(indices)[:, None, None]
        return samples

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def library() -> SampleLibrary:
    """A library that loaded some samples in LoadGen's shuffled order."""
    library = SampleLibrary(_Numbers(), 8)
    library.load([7, 3, 12, 5, 19, 0])
    return library


def _ids(batch: npt.NDArray[Any]) -> list[int]:
    return [int(sample[0, 0]) for sample in batch]


@pytest.mark.parametrize("index", [7, 3, 12, 5, 19, 0])
def test_one_sample_is_a_view(library: SampleLibrary, index: int) -> None:
    """A query of one sample copies nothing."""
    one = library.one(index)
    assert one.shape == (1, 2, 3)
    assert _ids(one) == [index]
    assert np.shares_memory(one, library.one(index))


@pytest.mark.parametrize(
    ("indices", "view"),
    [
        ([7, 3, 12, 5, 19, 0], True),
        ([3, 12, 5], True),
        ([19], True),
        ([12, 3], False),
        ([7, 12, 5], False),
        ([3, 3, 3], False),
        ([3, 12, 12, 5], False),
        ([3, 5, 12, 19], False),
        ([3, 3, 5, 5], False),
        ([0, 19, 5, 12, 3, 7, 0, 7], False),
    ],
)
def test_neighbours_are_a_view_and_others_are_gathered(
    library: SampleLibrary, indices: list[int], view: bool
) -> None:
    """Samples loaded one after the other are handed on in place; any others in asked order."""
    batch = library.batch(library.rows(indices))
    assert _ids(batch) == indices
    assert batch.flags.c_contiguous
    shares = any(np.shares_memory(batch, library.one(index)) for index in set(indices))
    assert shares is view


def test_a_sample_named_twice_is_loaded_once() -> None:
    """MultiStream wraps around: LoadGen names the first samples again at the end."""
    numbers = _Numbers()
    library = SampleLibrary(numbers, 8)
    library.load([4, 9, 1, 4, 9])
    assert numbers.loads == [[4, 9, 1]]
    assert _ids(library.batch(library.rows([1, 4, 9]))) == [1, 4, 9]


def test_the_next_set_replaces_the_last_one(library: SampleLibrary) -> None:
    """Accuracy runs load the data set in parts; a row of an older part is forgotten."""
    library.unload([7, 3, 12, 5, 19, 0])
    library.load([1, 2])
    assert _ids(library.batch(library.rows([2, 1]))) == [2, 1]
    assert library.rows([7]).tolist() == [-1]


def test_a_gather_reuses_one_buffer(library: SampleLibrary) -> None:
    """No memory is taken while LoadGen measures."""
    first = library.batch(library.rows([12, 3]))
    second = library.batch(library.rows([0, 7]))
    assert np.shares_memory(first, second)
    assert _ids(second) == [0, 7]
