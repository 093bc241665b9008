"""When each query was due, sent and answered: LoadGen's own times, read from its list of queries.

Taking times in Python would cost each query 0.1 µs or more, which is 5 % of a SingleStream with a
backend that does nothing, and would not be the times by which LoadGen judges: a query of Server is
late from the moment it was due. LoadGen keeps three times with each query (``QueryMetadata`` of
issue_query_controller.h) in a list that lives until its call to flush has returned. The list is
read there, after the last query, so that nothing is added to the measured path.

The ids that LoadGen gives are addresses (loadgen.cc), and the first one leads to the list. How its
fields lie in memory depends on the compiler, so it is found out, each field by what it must hold:
the address of the query's first sample, a number counted up, three times of this run in order.
Memory is read through ``/proc/self/mem``, where a wrong address is an error, never a crash. What
was read counts only if it agrees with LoadGen's own percentiles (:mod:`~mlrepo.harness.timing`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_WORD = 8
# A query is at most so many words, and so are its fields apart from its beginning.
_REACH = 64
_CHUNK = 8192
_FIELDS = 3
_SET_BACK = "their times are not in order: the clock was set back"
_Words = npt.NDArray[np.int64]


class Unreadable(Exception):
    """LoadGen's list is not as expected; the text says what is not."""


@dataclass(frozen=True)
class Clocks:
    """One moment by the clocks that LoadGen may use, in nanoseconds.

    ``std::chrono::high_resolution_clock`` is the time of day with GNU's library, a steady clock
    with others.
    """

    day: int
    steady: int

    @classmethod
    def now(cls) -> Clocks:
        """Return this moment."""
        return cls(time.time_ns(), time.monotonic_ns())


@dataclass(frozen=True)
class QueryTimes:
    """The times of all queries that were sent, in the order of LoadGen's list.

    Attributes
    ----------
    due, done:
        Nanoseconds since 1970, shape [queries].
    """

    due: _Words
    done: _Words

    @property
    def latencies(self) -> _Words:
        """As LoadGen counts them: from when a query was due; nanoseconds, shape [queries]."""
        return self.done - self.due


@dataclass(frozen=True)
class _Layout:
    """Where a query's fields are, in words from its beginning; 0 words apart if it is the only one.

    ``offset`` is what to add to its times to have nanoseconds since 1970.
    """

    first: int
    apart: int
    number: int
    due: int
    done: int
    offset: int


class _Memory:
    """This process's memory."""

    def __init__(self) -> None:
        try:
            self._descriptor = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(f"/proc/self/mem cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._descriptor)

    def words(self, address: int, count: int) -> _Words:
        """Return the words at an address, or as many of them as there are."""
        try:
            data = os.pread(self._descriptor, count * _WORD, address)
        except (OSError, OverflowError, ValueError) as error:
            raise Unreadable(f"there is no memory at {address:#x}") from error
        return np.frombuffer(data, np.int64, len(data) // _WORD)

    def word(self, address: int) -> int:
        found = self.words(address, 1)
        if not len(found):
            raise Unreadable(f"there is no memory at {address:#x}")
        return int(found[0])


def read_query_times(
    sample: int, began: Clocks, *, only: bool, wait: Callable[[], None]
) -> QueryTimes:
    """Return the times of all queries that were sent, once they are answered.

    Parameters
    ----------
    sample:
        The id of the first sample of the first query, or if there is only one query, of any.
    began:
        A moment before the first query.
    only:
        Whether LoadGen sends one query.
    wait:
        Called between looks at queries that are not answered yet.

    Raises
    ------
    Unreadable
        The list is not as expected.
    """
    memory = _Memory()
    try:
        layout = _layout(memory, sample, began, only=only)
        count = 1 if only else _sent(memory, layout)
        while not memory.word(layout.first + _WORD * ((count - 1) * layout.apart + layout.done)):
            wait()
        due, done = np.empty(count, np.int64), np.empty(count, np.int64)
        for start in range(0, count, _CHUNK):
            end = min(start + _CHUNK, count)
            due[start:end], done[start:end] = _times(memory, layout, start, end, wait)
        if (due[1:] < due[:-1]).any():
            raise Unreadable(_SET_BACK)
        due += layout.offset
        done += layout.offset
        return QueryTimes(due, done)
    finally:
        memory.close()


def queries_of(samples: _Words, first: int, count: int) -> _Words:
    """Return the numbers of the queries that samples belong to, by their ids; shape as given.

    ``first`` is the id of the first query's first sample, and ``count`` the number of queries.

    Raises
    ------
    Unreadable
        As :func:`read_query_times`.
    """
    memory = _Memory()
    try:
        begin = memory.word(first)
        apart = _apart(memory, begin, first) * _WORD
        found = np.array([memory.word(sample) for sample in samples.tolist()], np.int64) - begin
    finally:
        memory.close()
    if (found % apart).any() or (found < 0).any() or (found >= apart * count).any():
        raise Unreadable("a sample belongs to no query of the list")
    return found // apart


def _layout(memory: _Memory, sample: int, began: Clocks, *, only: bool) -> _Layout:
    first = memory.word(sample)  # a sample begins with the address of its query
    head = memory.words(first, 2 * _REACH)
    apart = 0 if only else _apart(memory, first, sample)
    here = head[: apart or _REACH]
    now = Clocks.now()
    for since, until, offset in (
        (began.day, now.day, 0),
        (began.steady, now.steady, now.day - now.steady),
    ):
        times = np.flatnonzero((here >= since) & (here <= until))[:_FIELDS].tolist()
        if len(times) == _FIELDS and bool((np.diff(here[times]) >= 0).all()):
            due, _, done = times
            number = 0 if only else _number(head, apart)
            return _Layout(first, apart, number, due, done, offset)
    raise Unreadable("its queries do not have three times of this run")


def _apart(memory: _Memory, first: int, sample: int) -> int:
    """Return how many words a query takes.

    The field that holds the address of its first sample leads from the next query to a sample that
    leads back to that query.
    """
    head = memory.words(first, 2 * _REACH)
    for field in np.flatnonzero(head[:_REACH] == sample).tolist():
        for apart in range(field + 1, min(_REACH, len(head) - field)):
            with contextlib.suppress(Unreadable):
                if memory.word(int(head[apart + field])) == first + apart * _WORD:
                    return apart
    raise Unreadable("no second query follows the first")


def _number(head: _Words, apart: int) -> int:
    """Return which field is counted up from 0."""
    for field in range(min(apart, len(head) - apart)):
        if head[field] == 0 and head[field + apart] == 1:
            return field
    raise Unreadable("its queries are not numbered")


def _sent(memory: _Memory, layout: _Layout) -> int:
    """Return how many queries were sent: each one's number is its place, and it has a time."""

    def is_sent(place: int) -> bool:
        try:
            query = memory.words(layout.first + _WORD * place * layout.apart, layout.apart)
        except Unreadable:
            return False
        return (
            len(query) == layout.apart
            and int(query[layout.number]) == place
            and int(query[layout.due]) > 0
        )

    least, most = 1, 2
    while is_sent(most - 1):
        least, most = most, 2 * most
    while most - least > 1:  # `least` are sent, `most` are not
        middle = (least + most) // 2
        least, most = (middle, most) if is_sent(middle - 1) else (least, middle)
    return least


def _times(
    memory: _Memory, layout: _Layout, start: int, end: int, wait: Callable[[], None]
) -> tuple[_Words, _Words]:
    """Return when the queries from ``start`` to ``end`` were due and done."""
    apart = layout.apart or layout.done + 1
    place = layout.first + _WORD * start * apart
    size = (end - start) * apart
    while True:
        words = memory.words(place, size)
        if len(words) != size:
            raise Unreadable("it ends before its last query")
        due, done = words[layout.due :: apart], words[layout.done :: apart]
        if (done > 0).all():
            break
        wait()
    if layout.apart and not np.array_equal(words[layout.number :: apart], np.arange(start, end)):
        raise Unreadable("its queries are not numbered")
    if (done < due).any():
        raise Unreadable(_SET_BACK)
    return due, done
