"""Requests in flight: a backend takes samples and answers later, in any order, from any thread.

Whatever a backend does wrong with a request ends the run as FAILED: a run whose answers are not
those of its samples is never recorded as VALID.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

from mlrepo.backends import SampleRequest, SubmitBackend
from mlrepo.errors import UserError
from mlrepo.harness import warmup
from mlrepo.harness.events import Reporter
from mlrepo.harness.responses import Answering, MarkingTokens, answering
from mlrepo.harness.samples import load_objects, load_samples
from mlrepo.scenarios import Scenario
from mlrepo.workloads import Dataset, Task, VariableResponses
from mlrepo.workloads.tensors import has_objects

# A backend that answers nothing for so long while requests wait hangs; its attribute
# ``stall_seconds`` is another limit.
_STALL_SECONDS = 600.0
# How many answers are handed to LoadGen at a time.
_TOGETHER = 1024
_AUTHORS = "This is a bug of the backend: report it to its authors."


class RequestLibrary:
    """The samples that LoadGen loaded, as a backend gets them with its requests.

    Samples that are tensors are rows without the batch: an array, or a dictionary of them by name.
    """

    def __init__(self, dataset: Dataset, backend: SubmitBackend) -> None:
        self._dataset = dataset
        self._prepare: Callable[[Any, str], Any] | None = getattr(backend, "prepare", None)
        self._samples: dict[int, object] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Load samples.

        Raises
        ------
        UserError
            The data set gives anything but the samples that were asked for.
        """
        unique = list(dict.fromkeys(indices))
        self._samples = dict(zip(unique, self._loaded(unique), strict=True))

    def unload(self, indices: Sequence[int]) -> None:
        """Forget all samples: LoadGen unloads a set before it loads the next one."""
        self._samples = {}

    def of(self, indices: Sequence[int]) -> list[object]:
        """Return loaded samples."""
        return list(map(self._samples.__getitem__, indices))

    def _loaded(self, indices: Sequence[int]) -> list[Any]:
        if has_objects(self._dataset):
            objects = load_objects(self._dataset, indices)
            if self._prepare is None:
                return objects
            name_of = getattr(self._dataset, "name_of", str)
            return [
                self._prepare(one, str(name_of(index)))
                for one, index in zip(objects, indices, strict=True)
            ]
        tensors = load_samples(self._dataset, indices)
        if len(tensors) == 1:
            (array,) = tensors.values()
            return list(array)
        return [
            {name: array[row] for name, array in tensors.items()} for row in range(len(indices))
        ]


class RequestsInFlight:
    """LoadGen's queries as requests, and the answers to them: the system under test, and Answers.

    Parameters
    ----------
    marks:
        Whether LoadGen measures the first token of each answer.
    """

    def __init__(
        self,
        library: RequestLibrary,
        backend: SubmitBackend,
        task: Task,
        reporter: Reporter,
        *,
        marks: bool,
    ) -> None:
        self.library = library
        self.max_batch = _TOGETHER
        self._backend, self._reporter = backend, reporter
        self._postprocess: Callable[..., Any] = task.postprocess
        self._answers: Answering = answering(task, _TOGETHER)
        self._marks = marks
        self._stall = float(getattr(backend, "stall_seconds", _STALL_SECONDS))
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[int, int]] = {}
        self._begun: set[int] = set()
        self._next = 0
        self._moved = time.monotonic()
        self._before: Callable[[int], None] | None = None
        threading.excepthook = self._thread_raised

    def at_first_query(self, call: Callable[[int], None]) -> None:
        """Call ``call`` with a sample's id before the first query is sent."""
        self._before = call

    def answer_through(self, wrap: Callable[[Answering], Answering]) -> None:
        """Pass answers to LoadGen through what ``wrap`` makes of the way they go now."""
        self._answers = wrap(self._answers)

    def watch(self) -> None:
        """End the run if nothing is answered for too long while requests wait."""
        threading.Thread(target=self._watch, name="request-watch", daemon=True).start()

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Send the samples of a query; LoadGen's callback."""
        try:
            if (before := self._before) is not None:
                self._before = None
                before(ids[0])
            self._submit(ids, indices)
        except BaseException as error:
            self._reporter.fail(error)

    def _submit(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        samples = self.library.of(indices)
        with self._lock:
            first = self._next
            self._next += len(ids)
            keys = range(first, self._next)
            if not self._pending:
                self._moved = time.monotonic()
            self._pending.update(zip(keys, zip(ids, indices, strict=True), strict=True))
        self._backend.submit(list(map(SampleRequest, keys, samples, indices)), self)

    def first_token(self, key: int, output: object) -> None:
        """Mark the first token of an answer; LoadGen measures when it came."""
        if not self._marks:
            return
        try:
            with self._lock:
                if key in self._begun:
                    raise UserError(
                        f"The backend marked the first token of request {key} twice.",
                        hint=_AUTHORS,
                    )
                pending = self._pending.get(key)
                if pending is None:
                    raise self._wrong(key, "marked a first token for")
                self._begun.add(key)
            answers = self._answers.checked(self._postprocess([output], [pending[1]]), 1)
            marking = cast(MarkingTokens, self._answers)
            with self._lock:
                self._moved = time.monotonic()
                marking.first_tokens(pending[:1], answers)
        except BaseException as error:
            self._reporter.fail(error)

    def complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        """Pass the answers to some requests to LoadGen."""
        try:
            if len(keys) != len(outputs):
                raise UserError(
                    f"The backend gave {len(outputs)} answers to {len(keys)} requests.",
                    hint=_AUTHORS,
                )
            for start in range(0, len(keys), _TOGETHER):
                part = slice(start, start + _TOGETHER)
                self._complete(keys[part], outputs[part])
        except BaseException as error:
            self._reporter.fail(error)

    def _complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        with self._lock:
            found = list(map(self._pending.pop, keys, repeat(None)))
            if None in found:
                raise self._wrong(keys[found.index(None)], "answered")
            if self._marks:
                self._refuse_unmarked(keys)
        ids, indices = zip(*filter(None, found), strict=True)
        answers = self._answers.checked(self._postprocess(outputs, indices), len(keys))
        with self._lock:
            self._moved = time.monotonic()
            self._answers.complete(ids, answers)
            self._reporter.count(len(ids))

    def fail(self, key: int, error: BaseException) -> None:
        """End the run: a request was not answered."""
        self._reporter.fail(error)

    def rehearsal(self, indices: Sequence[int]) -> Callable[[], object]:
        """Return a call that sends samples and waits for their answers, without LoadGen."""
        samples = self.library.of(indices)
        requests = list(map(SampleRequest, range(len(indices)), samples, indices))

        def once() -> None:
            waiting = _Rehearsed(self, indices)
            self._backend.submit(requests, waiting)
            waiting.wait(self._stall)

        return once

    def close(self) -> None:
        """Let the backend cancel what is in flight, and stop."""
        self._backend.close()

    def check(self, outputs: Sequence[object], indices: Sequence[int]) -> None:
        """Raise :class:`UserError` if outputs do not make answers as the task declares them."""
        self._answers.checked(self._postprocess(outputs, indices), len(indices))

    def stopped_with(self, error: BaseException) -> None:
        """End the run."""
        self._reporter.fail(error)

    def _refuse_unmarked(self, keys: Sequence[int]) -> None:
        for key in keys:
            if key not in self._begun:
                raise UserError(
                    f"The backend answered request {key} without marking its first token, whose "
                    "time LoadGen measures.",
                    hint="It must call answers.first_token(key, output) when the token is there.",
                )
        self._begun.difference_update(keys)

    def _wrong(self, key: int, what: str) -> UserError:
        sent = isinstance(key, int) and 0 <= key < self._next
        when = ", which it had already answered" if sent else ", which was never sent"
        if sent and what == "answered":
            when = " twice"
        return UserError(f"The backend {what} request {key!r}{when}.", hint=_AUTHORS)

    def _thread_raised(self, raised: threading.ExceptHookArgs) -> None:
        if raised.exc_value is not None and not isinstance(raised.exc_value, SystemExit):
            self._reporter.fail(raised.exc_value)

    def _watch(self) -> None:
        pause = min(1.0, self._stall / 4)
        while True:
            time.sleep(pause)
            waiting = len(self._pending)
            if waiting and time.monotonic() - self._moved > self._stall:
                self._reporter.fail(_stalled(waiting, self._next, self._stall))


class _Rehearsed:
    """Answers of the warm-up: counted and checked, not logged."""

    def __init__(self, requests: RequestsInFlight, indices: Sequence[int]) -> None:
        self._requests, self._indices = requests, indices
        self._waiting = set(range(len(indices)))
        self._done = threading.Event()

    def first_token(self, key: int, output: object) -> None:
        """Nothing is measured yet."""

    def complete(self, keys: Sequence[int], outputs: Sequence[object]) -> None:
        """Count answers."""
        try:
            self._requests.check(outputs, [self._indices[key] for key in keys])
        except BaseException as error:
            self._requests.stopped_with(error)
        self._waiting.difference_update(keys)
        if not self._waiting:
            self._done.set()

    def fail(self, key: int, error: BaseException) -> None:
        """End the run."""
        self._requests.stopped_with(error)

    def wait(self, seconds: float) -> None:
        """Wait for all answers; raise :class:`UserError` if they do not come."""
        total = len(self._indices)
        left = total
        while not self._done.wait(seconds):
            if len(self._waiting) == left:
                raise _stalled(left, total, seconds)
            left = len(self._waiting)


def _stalled(waiting: int, sent: int, seconds: float) -> UserError:
    return UserError(
        f"The backend answered nothing for {seconds:g} s: {waiting} of {sent} requests wait for "
        "their answers.",
        hint="See whether it hangs or its requests were lost; a system that is slower than that "
        "needs a larger limit.",
    )


class SubmittingSystem:
    """A model in a backend that takes requests; nothing is compared, and nothing is batched here.

    ``fixed`` is the batch size that the user chose: there is none.
    """

    fixed: int | None = None

    def __init__(
        self,
        task: Task,
        backend: SubmitBackend,
        dataset: Dataset,
        reporter: Reporter,
        *,
        marks: bool,
    ) -> None:
        if marks and not _has_tokens(task):
            raise UserError(
                "LoadGen measures tokens here, and the answers of this benchmark are none.",
                hint="Its task must declare VariableResponses(tokens=True).",
            )
        self.library = RequestLibrary(dataset, backend)
        self._requests = RequestsInFlight(self.library, backend, task, reporter, marks=marks)

    def prepare(self, loaded: Sequence[int]) -> RequestsInFlight:
        """Load samples and return what answers them."""
        self.library.load(loaded)
        return self._requests

    def measure(self, loaded: Sequence[int], query: int, *, estimates: bool) -> dict[int, float]:
        """Return the seconds by the number of requests sent at once."""
        return warmup.measure_requests(self._requests, loaded, query, thorough=estimates)

    def sut(self, scenario: Scenario) -> RequestsInFlight:
        """Return what LoadGen's queries go to, in every scenario."""
        self._requests.watch()
        return self._requests

    def compare(self, scenario: Scenario, query: int) -> Mapping[str, object]:
        """Return what the record says about the agreement with another framework."""
        why = "this backend takes requests, whose outputs no other framework computes here"
        return {"reference": "", "why": why, "waived": False}

    def describe_input(self) -> dict[str, Any]:
        """Return nothing: samples go to the backend as they are."""
        return {}


def _has_tokens(task: Task) -> bool:
    declared = task.responses
    return isinstance(declared, VariableResponses) and declared.tokens


def takes_requests(backend: object, name: str, dataset: Dataset, task: Task) -> bool:
    """Return whether a backend gets requests, not batches: if it can, and cannot do otherwise.

    Raises
    ------
    UserError
        It can do neither.
    """
    predicts, submits = hasattr(backend, "predict"), hasattr(backend, "submit")
    if not predicts and not submits:
        raise UserError(
            f"The backend {name} has neither predict nor submit: it cannot answer anything.",
            hint="docs/backends.md shows what a backend must have.",
        )
    return submits and not (predicts and (not has_objects(dataset) or hasattr(task, "collate")))
