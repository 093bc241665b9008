"""The system under test: what happens between LoadGen's query and its completion."""

from __future__ import annotations

import functools
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import mlperf_loadgen as lg
import numpy as np
import numpy.typing as npt

from mlrepo.backends import Array, Backend
from mlrepo.errors import UserError
from mlrepo.harness.events import Reporter
from mlrepo.harness.feed import filled, outputs_of
from mlrepo.harness.samples import SampleLibrary

# The setter of ``QuerySampleResponse.id`` itself: mapped over a batch it costs two thirds of an
# assignment in a loop, and making a new response costs three times as much.
_set_id = lg.QuerySampleResponse.id.fset


class Pipeline:
    """Batch, inference, post-processing and completion of samples.

    Responses are kept in one buffer and described by reusable ``QuerySampleResponse`` objects.
    LoadGen copies the data before ``QuerySamplesComplete`` returns.
    """

    def __init__(
        self,
        library: SampleLibrary,
        backend: Backend,
        postprocess: Callable[[Sequence[Array]], npt.NDArray[Any]],
        max_batch: int,
        reporter: Reporter,
        static_batch: int | None = None,
    ) -> None:
        self.library = library
        self.max_batch = max_batch
        self._static_batch = static_batch
        self._backend = backend
        self._postprocess = postprocess
        self._reporter = reporter
        self._results: npt.NDArray[Any] | None = None
        self._pool: list[Any] = []
        self._response_type: np.dtype[Any] | None = None

    def at_first_query(self, call: Callable[[], None]) -> None:
        """Call ``call`` before the first query is executed; later ones cost nothing more."""

        def first(name: str, *arguments: Any) -> None:
            for shadow in ("run_one", "run"):
                vars(self).pop(shadow, None)
            call()
            getattr(self, name)(*arguments)

        for name in ("run_one", "run"):
            vars(self)[name] = functools.partial(first, name)

    def infer(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return one response per sample of the batch, shape [len(batch)].

        For a model with one batch size, a short last batch is padded with zeros.

        Raises
        ------
        UserError
            The answers are not one item of a fixed size per sample.
        """
        count = len(batch)
        if self._static_batch is not None:
            batch = filled(batch, self._static_batch)
        responses = self._postprocess(self._backend.predict(batch))
        self._check(responses, len(batch))
        return responses[:count]

    def outputs(self, indices: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Return copies of the model's outputs for loaded samples, as :meth:`infer` gets them."""
        batch = self.library.batch(self.library.rows(indices))
        return outputs_of(self._backend, batch, self._static_batch)

    def complete(self, ids: Sequence[int], responses: npt.NDArray[Any]) -> None:
        """Pass the responses to the samples ``ids`` to LoadGen."""
        if self._results is None:
            self._results = self._make_pool(responses.dtype)
        count = len(ids)
        self._results[:count] = responses
        pool = self._pool if count == self.max_batch else self._pool[:count]
        deque(map(_set_id, pool, ids), maxlen=0)
        lg.QuerySamplesComplete(pool)
        self._reporter.count(count)

    def run_one(self, sample_id: int, index: int) -> None:
        """Infer and complete one sample."""
        self.complete((sample_id,), self.infer(self.library.one(index)))

    def run(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Infer and complete any number of samples in batches."""
        rows = self.library.rows(indices)
        step = self.max_batch
        for start in range(0, len(ids), step):
            part = rows[start : start + step]
            self.complete(ids[start : start + step], self.infer(self.library.batch(part)))

    def _check(self, responses: object, samples: int) -> None:
        """Refuse answers that LoadGen's log could not hold: it copies bytes from an address.

        An array of objects holds pointers at that address, and a text shorter than the longest in
        its batch is padded; both would be recorded as answers.
        """
        if not isinstance(responses, np.ndarray) or responses.ndim != 1:
            shape = getattr(responses, "shape", None)
            found = f"shape {list(shape)}" if shape is not None else type(responses).__name__
            raise UserError(
                f"The benchmark's postprocess gave {found} for {samples} samples.",
                hint="It must return one item per sample: an array of shape [samples].",
            )
        if len(responses) != samples:
            raise UserError(
                f"The model gave {len(responses)} outputs for a batch of {samples} samples.",
                hint="Its first output must have the batch as first dimension.",
            )
        kind = responses.dtype
        if kind == self._response_type:
            return
        if kind.hasobject or kind.kind in "SU" or kind.itemsize == 0:
            raise UserError(
                f"The benchmark's answers have the type {kind}, which has no fixed size.",
                hint="Answers of variable size cannot be recorded; return numbers, or a "
                "structured type of numbers.",
            )
        if self._response_type is not None:
            raise UserError(
                f"The benchmark's answers changed their type from {self._response_type} to {kind}.",
                hint="Every batch must give answers of the same type.",
            )
        self._response_type = kind

    def _make_pool(self, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        results: npt.NDArray[Any] = np.zeros(self.max_batch, dtype)
        address, size = results.ctypes.data, dtype.itemsize
        self._pool = [
            lg.QuerySampleResponse(0, address + number * size, size)
            for number in range(self.max_batch)
        ]
        return results


class InlineSut:
    """Offline, SingleStream, MultiStream: the query is executed in LoadGen's own thread."""

    def __init__(self, pipeline: Pipeline, reporter: Reporter) -> None:
        self._pipeline = pipeline
        self._reporter = reporter

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Execute a query; LoadGen's callback."""
        try:
            if len(ids) == 1:
                self._pipeline.run_one(ids[0], indices[0])
            else:
                self._pipeline.run(ids, indices)
        except BaseException as error:
            self._reporter.fail(error)

    def close(self) -> None:
        """Nothing to stop."""


class ServerSut:
    """Server: queries wait in a queue; one worker takes all waiting ones, up to the batch limit.

    ``max_batch`` is chosen so that a batch takes at most half of the latency bound: a query that
    arrives just after a batch began waits for that batch and is served in the next one.
    """

    def __init__(self, pipeline: Pipeline, reporter: Reporter) -> None:
        self._pipeline = pipeline
        self._reporter = reporter
        self._queue: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="server-worker", daemon=True)
        self._worker.start()

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Queue a query; LoadGen's callback."""
        for pair in zip(ids, indices, strict=True):
            self._queue.put(pair)

    def close(self) -> None:
        """Stop the worker after the queued queries."""
        self._queue.put(None)
        self._worker.join()

    def _work(self) -> None:
        take, take_now = self._queue.get, self._queue.get_nowait
        limit = self._pipeline.max_batch
        try:
            while (item := take()) is not None:
                if limit == 1 or self._queue.empty():
                    self._pipeline.run_one(*item)
                    continue
                batch = [item]
                ended = False
                while len(batch) < limit:
                    try:
                        following = take_now()
                    except queue.Empty:
                        break
                    if following is None:
                        ended = True
                        break
                    batch.append(following)
                ids, indices = zip(*batch, strict=True)
                self._pipeline.run(ids, indices)
                if ended:
                    return
        except BaseException as error:
            self._reporter.fail(error)
