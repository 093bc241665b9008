"""Sort the samples of an Offline query by length, so that batches need little padding.

It happens after LoadGen has sent the query, in the measured time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.harness.events import Reporter
from mlrepo.harness.sut import InlineSut, Pipeline
from mlrepo.workloads import Workload


def unpadded_form(workload: Workload) -> Workload:
    """Return a benchmark with samples of different lengths.

    Raises
    ------
    UserError
        All its samples have one size.
    """
    if workload.unpadded is None:
        raise UserError(
            f"The samples of {workload.name} have one size: they cannot be sorted by length.",
            hint="Leave out --way by-length.",
        )
    return workload.unpadded


def lengths_of(dataset: object) -> npt.NDArray[np.int64]:
    """Return the length of each sample, shape [total]; refuse a data set that does not say it."""
    lengths = getattr(dataset, "lengths", None)
    if lengths is None:
        raise UserError(
            f"The data set {type(dataset).__name__} does not say how long its samples are.",
            hint="Without padding it needs `lengths`, one for each sample.",
        )
    return np.asarray(lengths, np.int64)


class SortingSut(InlineSut):
    """Offline: a query's samples are executed in the order of their lengths, the longest first.

    ``lengths`` has that of each sample of the data set, shape [total].
    """

    def __init__(
        self, pipeline: Pipeline, reporter: Reporter, lengths: npt.NDArray[np.int64]
    ) -> None:
        super().__init__(pipeline, reporter)
        self._lengths = lengths

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Execute a query; LoadGen's callback."""
        order = np.argsort(-self._lengths[indices], kind="stable").tolist()
        super().issue([ids[place] for place in order], [indices[place] for place in order])
