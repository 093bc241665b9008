"""Hand answers to LoadGen, and keep their bytes alive until it has copied them.

The only module that touches LoadGen's responses. They are reusable objects whose fields are set by
the setters of the binding itself: mapped over a batch these cost two thirds of an assignment in a
loop, and making a new response costs three times as much. LoadGen copies what it logs before
``QuerySamplesComplete`` returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Protocol

import mlperf_loadgen as lg
import numpy as np
import numpy.typing as npt

from mlrepo.errors import UserError
from mlrepo.workloads import FixedResponses, Response, Task, VariableResponses

_set_id = lg.QuerySampleResponse.id.fset
_set_data = lg.QuerySampleResponse.data.fset
_set_size = lg.QuerySampleResponse.size.fset
_set_tokens = lg.QuerySampleResponse.n_tokens.fset
# Answers are joined before they are handed over; longer ones go in parts, so that the bytes of a
# batch are never held twice.
_JOINED = 1 << 24


class Answering(Protocol):
    """Checks the answers of a task, and completes samples with them."""

    def checked(self, answers: Any, samples: int) -> Any:
        """Return the answers for ``samples`` samples as :meth:`complete` takes them.

        Raises
        ------
        UserError
            They are not what the task declares.
        """

    def complete(self, ids: Sequence[int], answers: Any) -> None:
        """Pass checked answers to LoadGen for its samples ``ids``."""


class MarkingTokens(Answering, Protocol):
    """Answers of tokens, of which the first ones are marked."""

    def first_tokens(
        self, ids: Sequence[int], answers: tuple[Sequence[bytes], Sequence[int]]
    ) -> None:
        """Mark the first tokens of LoadGen's samples ``ids``."""


def answering(task: Task, most: int) -> Answering:
    """Return what completes samples with the answers of a task, at most ``most`` at a time.

    Raises
    ------
    UserError
        The task declares a type that has no fixed size.
    """
    declared = task.responses
    if isinstance(declared, VariableResponses):
        return VariableAnswers(declared)
    return FixedAnswers(declared, most)


class FixedAnswers:
    """Answers of one size, copied into one buffer."""

    def __init__(self, declared: FixedResponses, most: int) -> None:
        self._dtype, self._shape = np.dtype(declared.dtype), declared.shape
        # An array of objects holds pointers, and a text is padded to the longest of its batch: both
        # would be recorded as answers.
        if self._dtype.hasobject or self._dtype.kind in "SU" or self._dtype.itemsize == 0:
            raise UserError(
                f"The benchmark declares answers of the type {self._dtype}, which has no fixed "
                "size.",
                hint="Declare numbers or a structured type of numbers; for texts and objects, "
                "VariableResponses.",
            )
        self._results: npt.NDArray[Any] = np.zeros((most, *self._shape), self._dtype)
        address, size = self._results.ctypes.data, self._results[:1].nbytes
        self._all = [
            lg.QuerySampleResponse(0, address + number * size, size) for number in range(most)
        ]
        self._pool = self._all

    def checked(self, answers: Any, samples: int) -> npt.NDArray[Any]:
        """Return the answers: an array [samples, *shape] of the declared type."""
        if (
            isinstance(answers, np.ndarray)
            and answers.dtype == self._dtype
            and answers.shape == (samples, *self._shape)
        ):
            return answers
        raise self._unfit(answers, samples)

    def complete(self, ids: Sequence[int], answers: npt.NDArray[Any]) -> None:
        """Copy the answers into the buffer and complete the samples."""
        count = len(ids)
        self._results[:count] = answers
        if len(self._pool) != count:
            self._pool = self._all[:count]
        deque(map(_set_id, self._pool, ids), maxlen=0)
        lg.QuerySamplesComplete(self._pool)

    def _unfit(self, answers: object, samples: int) -> UserError:
        found = type(answers).__name__
        if isinstance(answers, np.ndarray):
            found = f"{answers.dtype} {list(answers.shape)}"
            if answers.dtype == self._dtype and answers.shape[1:] == self._shape:
                return UserError(
                    f"The model gave {len(answers)} outputs for a batch of {samples} samples.",
                    hint="Its outputs must have the batch as first dimension.",
                )
        wanted = f"{self._dtype} {[samples, *self._shape]}"
        return UserError(
            f"The benchmark's postprocess gave {found} for {samples} samples; its `responses` "
            f"declare {wanted}.",
            hint="Return an array with one answer for each sample, or declare VariableResponses "
            "and return bytes.",
        )


class VariableAnswers:
    """Answers of any length, joined in one piece of memory for LoadGen."""

    def __init__(self, declared: VariableResponses) -> None:
        self.has_tokens = declared.tokens
        self._all: list[Any] = []
        self._pool: list[Any] = []
        # What first tokens are handed to; who times them puts a clock before it.
        self.mark: Callable[[list[Any]], None] = lg.FirstTokenComplete

    def checked(self, answers: Any, samples: int) -> tuple[Sequence[bytes], Sequence[int]]:
        """Return the bytes of the answers, and the number of tokens of each if they have such."""
        if isinstance(answers, (bytes, bytearray, str)) or not isinstance(answers, Sequence):
            found = (
                f"{answers.dtype} {list(answers.shape)}"
                if isinstance(answers, np.ndarray)
                else type(answers).__name__
            )
            raise UserError(
                f"The benchmark's postprocess gave {found} for {samples} samples.",
                hint="With VariableResponses it must return a list with the bytes of each answer.",
            )
        if len(answers) != samples:
            raise UserError(
                f"The benchmark's postprocess gave {len(answers)} answers for a batch of "
                f"{samples} samples.",
                hint="It must return one answer for each sample.",
            )
        kinds = set(map(type, answers))
        if kinds == {bytes} and not self.has_tokens:
            return answers, ()
        if kinds == {Response}:
            data = [one.data for one in answers]
            if set(map(type, data)) == {bytes}:
                return data, [one.tokens for one in answers] if self.has_tokens else ()
        return self._each(answers)

    def _each(self, answers: Sequence[object]) -> tuple[Sequence[bytes], Sequence[int]]:
        """Return answers of several kinds; refuse the first one that is none."""
        data, tokens = [], []
        for number, one in enumerate(answers):
            content = one.data if isinstance(one, Response) else one
            if not isinstance(content, bytes):
                raise UserError(
                    f"The benchmark's answer {number} of a batch of {len(answers)} is "
                    f"{type(content).__name__}, not bytes.",
                    hint="Encode it: LoadGen logs bytes (`text.encode()`, `array.tobytes()`).",
                )
            if self.has_tokens and not isinstance(one, Response):
                raise UserError(
                    f"The benchmark's answer {number} of a batch of {len(answers)} does not say "
                    "how many tokens it has.",
                    hint="Return Response(data, tokens): the benchmark declares tokens.",
                )
            data.append(content)
            tokens.append(one.tokens if isinstance(one, Response) else 0)
        return data, tokens if self.has_tokens else ()

    @staticmethod
    def joined(
        parts: Sequence[tuple[Sequence[bytes], Sequence[int]]],
    ) -> tuple[Sequence[bytes], Sequence[int]]:
        """Return the checked answers of several batches as those of one."""
        if len(parts) == 1:
            return parts[0]
        return [one for data, _ in parts for one in data], [n for _, found in parts for n in found]

    def complete(self, ids: Sequence[int], answers: tuple[Sequence[bytes], Sequence[int]]) -> None:
        """Join the answers and complete the samples."""
        data, tokens = answers
        sizes = list(map(len, data))
        if sum(sizes) <= _JOINED:
            self._complete(ids, data, sizes, tokens)
            return
        start = held = 0
        for number, size in enumerate(sizes):
            if held and held + size > _JOINED:
                part = slice(start, number)
                self._complete(ids[part], data[part], sizes[part], tokens[part])
                start, held = number, 0
            held += size
        part = slice(start, len(sizes))
        self._complete(ids[part], data[part], sizes[part], tokens[part])

    def first_tokens(
        self, ids: Sequence[int], answers: tuple[Sequence[bytes], Sequence[int]]
    ) -> None:
        """Mark the first tokens of the samples ``ids``."""
        data, _ = answers
        self._fill(ids, data, list(map(len, data)), (), self.mark)

    def _complete(
        self,
        ids: Sequence[int],
        data: Sequence[bytes],
        sizes: Sequence[int],
        tokens: Sequence[int],
    ) -> None:
        self._fill(ids, data, sizes, tokens, lg.QuerySamplesComplete)

    def _fill(
        self,
        ids: Sequence[int],
        data: Sequence[bytes],
        sizes: Sequence[int],
        tokens: Sequence[int],
        send: Callable[[list[Any]], None],
    ) -> None:
        """Describe the answers in reused objects and hand them over; the bytes live until then."""
        joined = b"".join(data) or b"\0"
        begin = np.frombuffer(joined, np.uint8).ctypes.data
        count = len(ids)
        if len(self._pool) != count:
            missing = count - len(self._all)
            self._all += [lg.QuerySampleResponse(0, 0, 0) for _ in range(missing)]
            self._pool = self._all[:count]
        deque(map(_set_id, self._pool, ids), maxlen=0)
        deque(map(_set_data, self._pool, accumulate(sizes, initial=begin)), maxlen=0)
        deque(map(_set_size, self._pool, sizes), maxlen=0)
        if tokens:
            deque(map(_set_tokens, self._pool, tokens), maxlen=0)
        send(self._pool)
