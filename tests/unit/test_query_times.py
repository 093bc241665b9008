"""LoadGen's list of queries is found in memory however it is laid out, or refused in words.

The lists here are made of arrays; ``tests/e2e/test_distribution.py`` reads LoadGen's own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlrepo.harness.query_times import Clocks, Unreadable, queries_of, read_query_times


@dataclass(frozen=True)
class _List:
    """A list as LoadGen's: the words of its queries, and of two samples for each of them."""

    words: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    began: Clocks
    due: npt.NDArray[np.int64]
    done: npt.NDArray[np.int64]

    def sample(self, query: int, which: int = 0) -> int:
        return int(self.samples[2 * query + which].ctypes.data)


def _list(
    count: int = 300,
    sent: int = 200,
    *,
    apart: int = 17,
    fields: tuple[int, int, int, int, int] = (14, 5, 7, 8, 9),
    steady: bool = False,
) -> _List:
    """Make a list: ``fields`` are those of the first sample, the number, and the three times."""
    first, number, due, issued, done = fields
    words = np.zeros((count, apart), np.int64)
    samples = np.zeros((2 * count, 4), np.int64)
    samples[:, 0] = words.ctypes.data + 8 * apart * (np.arange(2 * count) // 2)
    words[:, first] = samples.ctypes.data + 8 * 4 * 2 * np.arange(count)
    words[:, number] = np.arange(count)
    began = Clocks.now()
    time.sleep(0.002)
    start = began.steady if steady else began.day
    times = start + np.sort(np.random.default_rng(0).integers(1, 10**6, sent))
    words[:sent, due], words[:sent, issued] = times, times + 10
    words[:sent, done] = times + 20 + np.arange(sent) % 7
    words[:, 0] = 1000 * np.arange(count)  # a planned time, which is no moment of the run
    offset = time.time_ns() - time.monotonic_ns() if steady else 0
    return _List(words, samples, began, words[:sent, due] + offset, words[:sent, done] + offset)


def _never() -> None:
    raise AssertionError("nothing is open")


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"apart": 31, "fields": (2, 29, 11, 12, 20)},
        {"apart": 8, "fields": (7, 1, 2, 3, 4)},
        {"count": 20_000, "sent": 17_000},
        {"count": 2, "sent": 1},
        {"count": 2, "sent": 2},
        {"steady": True},
    ],
)
def test_all_queries_that_were_sent_are_found(layout: dict[str, Any]) -> None:
    """Wherever a compiler puts the fields, and with either clock."""
    made = _list(**layout)
    found = read_query_times(made.sample(0), made.began, only=False, wait=_never)
    slack = 10**7 if layout.get("steady") else 0  # the offset of two clocks is read twice
    assert np.abs(found.due - made.due).max() <= slack
    assert np.array_equal(found.latencies, made.done - made.due)
    ids = np.array([made.sample(0, 1), made.sample(len(made.due) - 1)], np.int64)
    assert queries_of(ids, made.sample(0), len(made.due)).tolist() == [0, len(made.due) - 1]


def test_one_query_is_found_by_any_of_its_samples() -> None:
    """Offline may begin with any sample, and no second query follows."""
    made = _list(1, 1)
    found = read_query_times(made.sample(0, 1), made.began, only=True, wait=_never)
    assert (found.due.tolist(), found.done.tolist()) == (made.due.tolist(), made.done.tolist())


def test_queries_that_are_not_answered_are_waited_for() -> None:
    """The last one, and one among the others."""
    made = _list()
    last, other = made.words[199, 9], made.words[50, 9]
    made.words[199, 9] = made.words[50, 9] = 0
    answers = [(50, other), (199, last)]

    def wait() -> None:
        place, moment = answers.pop()
        made.words[place, 9] = moment

    found = read_query_times(made.sample(0), made.began, only=False, wait=wait)
    assert np.array_equal(found.done, made.done)
    assert not answers


def _broken(how: str) -> tuple[_List, int]:
    made = _list()
    match how:
        case "times":
            made.words[:, 9] = 0
        case "old":
            made.words[:, 7:10] -= 10**12
        case "back":
            made.words[7, 9] = made.words[7, 7] - 5
        case "step":
            made.words[90, 7:10] -= 10**5
        case "number":
            made.words[:, 5] = 3
        case "gap":
            made.words[77, 5] = 78
        case "list":
            made.samples[2:, 0] = 0
        case "null":
            return made, 0
        case "odd":
            return made, 2**62 + 8
        case "negative":
            return made, -8
    return made, made.sample(0)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("times", "three times of this run"),
        ("old", "three times of this run"),
        ("back", "the clock was set back"),
        ("step", "the clock was set back"),
        ("number", "not numbered"),
        ("gap", "not numbered"),
        ("list", "no second query"),
        ("null", "no memory at 0x0"),
        ("odd", "no memory at"),
        ("negative", "no memory at"),
    ],
)
def test_another_list_is_refused(how: str, words: str) -> None:
    """A wrong address is an error as well, never a crash."""
    made, sample = _broken(how)
    with pytest.raises(Unreadable, match=words):
        read_query_times(sample, made.began, only=False, wait=_never)


def test_samples_of_no_query_are_refused() -> None:
    """They would be counted for a query that they do not belong to."""
    made, other = _list(), _list()
    for strange in (other.sample(3), made.sample(250)):
        with pytest.raises(Unreadable):
            queries_of(np.array([strange], np.int64), made.sample(0), 200)
