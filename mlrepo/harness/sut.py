"""The system under test: what happens between LoadGen's query and its completion."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from mlrepo.backends import Array, Backend, Batch
from mlrepo.backends.inputs import samples_in
from mlrepo.harness.events import Reporter
from mlrepo.harness.feed import filled, outputs_of, unfilled
from mlrepo.harness.responses import Answering, VariableAnswers, answering
from mlrepo.harness.samples import SampleLibrary
from mlrepo.workloads import Task

# How many answers of any length wait for others of the same query, and how long at most.
_HELD_SAMPLES, _HELD_SECONDS = 64, 0.01


class Pipeline:
    """Batch, inference, post-processing and completion of samples."""

    def __init__(
        self,
        library: SampleLibrary,
        backend: Backend,
        task: Task,
        max_batch: int,
        reporter: Reporter,
        static_batch: int | None = None,
    ) -> None:
        self.library = library
        self.max_batch = max_batch
        self._static_batch = static_batch
        self._backend = backend
        self._postprocess = task.postprocess
        self._answers: Answering = answering(task, max_batch)
        self._reporter = reporter

    def at_first_query(self, call: Callable[[int], None]) -> None:
        """Call ``call`` with a sample's id before the first query is executed.

        Later queries cost nothing more.
        """

        def first(name: str, ids: Any, *arguments: Any) -> None:
            for shadow in ("run_one", "run"):
                vars(self).pop(shadow, None)
            call(ids if isinstance(ids, int) else ids[0])
            getattr(self, name)(ids, *arguments)

        for name in ("run_one", "run"):
            vars(self)[name] = functools.partial(first, name)

    def answer_through(self, wrap: Callable[[Answering], Answering]) -> None:
        """Pass answers to LoadGen through what ``wrap`` makes of the way they go now."""
        self._answers = wrap(self._answers)

    def infer(self, batch: Batch, indices: Sequence[int]) -> Any:
        """Return the answers for a batch of the samples ``indices``.

        For a model with one batch size, a short last batch is padded with zeros.

        Raises
        ------
        UserError
            The answers are not what the task declares.
        """
        if self._static_batch is None:
            outputs = self._backend.predict(batch)
        else:
            outputs = self._of_filled(batch, len(indices))
        return self._answers.checked(self._postprocess(outputs, indices), len(indices))

    def _of_filled(self, batch: Batch, count: int) -> list[Array]:
        whole = filled(batch, self._static_batch)
        return unfilled(self._backend.predict(whole), count, samples_in(whole))

    def outputs(self, indices: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Return copies of the model's outputs for loaded samples, as :meth:`infer` gets them."""
        batch = self.library.batch(self.library.rows(indices))
        return outputs_of(self._backend, batch, self._static_batch)

    def rehearsal(self, indices: Sequence[int]) -> Callable[[], object]:
        """Return a call that computes one batch of loaded samples, without LoadGen."""
        rows = self.library.rows(indices)
        return lambda: self.infer(self.library.batch(rows), indices)

    def complete(self, ids: Sequence[int], answers: Any) -> None:
        """Pass the answers to the samples ``ids`` to LoadGen."""
        self._answers.complete(ids, answers)
        self._reporter.count(len(ids))

    def run_one(self, sample_id: int, index: int) -> None:
        """Infer and complete one sample."""
        self.complete((sample_id,), self.infer(self.library.one(index), (index,)))

    def run(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Infer and complete any number of samples in batches."""
        if isinstance(self._answers, VariableAnswers):
            self._run_holding(self._answers, ids, indices)
            return
        rows = self.library.rows(indices)
        step = self.max_batch
        for start in range(0, len(ids), step):
            end = start + step
            batch = self.library.batch(rows[start:end])
            self.complete(ids[start:end], self.infer(batch, indices[start:end]))

    def _run_holding(
        self, answers: VariableAnswers, ids: Sequence[int], indices: Sequence[int]
    ) -> None:
        """Complete the samples of small batches together.

        Each call of LoadGen wakes its log writer, which for a batch of a millisecond costs as much
        as a hundredth of it. Answers are bytes: they stay as they are while others are computed.
        """
        rows = self.library.rows(indices)
        step, count = self.max_batch, len(ids)
        held: list[tuple[Sequence[bytes], Sequence[int]]] = []
        first, since = 0, time.perf_counter()
        for start in range(0, count, step):
            end = min(start + step, count)
            batch = self.library.batch(rows[start:end])
            held.append(self.infer(batch, indices[start:end]))
            late = time.perf_counter() - since > _HELD_SECONDS
            if late or end - first >= _HELD_SAMPLES or end == count:
                self.complete(ids[first:end], answers.joined(held))
                first, since = end, time.perf_counter()
                held.clear()


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
