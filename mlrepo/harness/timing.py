"""Record how long the queries of a performance run took, without timing them in its path.

What LoadGen knows comes from its own list after the last query (:mod:`query_times`). It forgets
when each sample of Offline's one query and each first token was answered; answers of those are
stamped here before LoadGen gets them, once for each call.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.harness.query_times import (
    Clocks,
    QueryTimes,
    Unreadable,
    queries_of,
    read_query_times,
)
from mlrepo.harness.responses import Answering, VariableAnswers
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.latencies.documents import (
    FIRST_TOKEN,
    LATENCIES_FILE,
    PER_TOKEN,
    QUERY,
    SAMPLE,
    TRACE_FILE,
    Latencies,
    Trace,
)
from mlrepo.latencies.histogram import Histogram
from mlrepo.latencies.thinned import thinned
from mlrepo.logs.detail import DetailLog, parse_detail
from mlrepo.scenarios import Scenario

# A distribution that differs more than so from LoadGen's percentiles is not that of its latencies.
BOUND = 0.01
# The percentiles that LoadGen logs, as it writes them.
SHARES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
# What LoadGen calls the percentiles (results.cc); of queries, those of MultiStream come first.
_NAMES: Mapping[str, Sequence[str]] = {
    QUERY: ("{}_percentile_per_query_latency_ns", "{}_percentile_latency_ns"),
    SAMPLE: ("{}_percentile_latency_ns",),
    FIRST_TOKEN: ("first_token_{}_percentile_latency_ns",),
    PER_TOKEN: ("time_per_output_token_{}_percentile_ns",),
}
_PAUSE_SECONDS = 0.001
_Integers = npt.NDArray[np.int64]


class Stamped:
    """Answers that are stamped with the time of day (nanoseconds) as they go to LoadGen."""

    def __init__(self, answers: Answering) -> None:
        self._answers = answers
        self.checked = answers.checked
        self.times: list[int] = []
        self.samples: list[int] = []

    def complete(self, ids: Sequence[int], answers: Any) -> None:
        """Pass checked answers to LoadGen."""
        self.times.append(time.time_ns())
        self.samples.append(len(ids))
        self._answers.complete(ids, answers)


class StampedTokens:
    """Answers of tokens: by sample id the time of the first one (ns), and how many there are."""

    def __init__(self, answers: VariableAnswers) -> None:
        self._answers = answers
        self.checked = answers.checked
        self.first: dict[int, int] = {}
        self.tokens: dict[int, int] = {}
        self._now = 0
        mark = answers.mark

        def stamp(responses: list[Any]) -> None:
            self._now = time.time_ns()
            mark(responses)

        answers.mark = stamp

    def first_tokens(
        self, ids: Sequence[int], answers: tuple[Sequence[bytes], Sequence[int]]
    ) -> None:
        """Mark the first tokens of samples."""
        self._answers.first_tokens(ids, answers)
        self.first.update(dict.fromkeys(ids, self._now))

    def complete(self, ids: Sequence[int], answers: tuple[Sequence[bytes], Sequence[int]]) -> None:
        """Pass checked answers to LoadGen."""
        self._answers.complete(ids, answers)
        self.tokens.update(zip(ids, answers[1], strict=False))


class Timing:
    """The times of one run, and the files that are made of them.

    Nothing that fails here may touch the run: then the file says why there is no distribution.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._began = Clocks.now()  # before LoadGen starts
        self._sample: int | None = None
        self._times: QueryTimes | None = None
        self._queries: _Integers | None = None
        self._why = ""
        self.answers: Stamped | StampedTokens | None = None

    def stamped(self, answers: Answering) -> Answering:
        """Return what answers go through: it stamps those whose times LoadGen forgets."""
        if self._scenario.at_once:
            self.answers = Stamped(answers)
        elif isinstance(answers, VariableAnswers) and answers.has_tokens:
            self.answers = StampedTokens(answers)
        return self.answers or answers

    def first_query(self, sample: int) -> None:
        """Note the id of the first query's first sample."""
        self._sample = sample

    def flush(self) -> None:
        """Read LoadGen's list; its callback after the last query was sent."""
        try:
            self._read()
        except Unreadable as error:
            self._why = f"LoadGen's list of queries cannot be read: {error}"
        except Exception as error:  # it must not go through LoadGen, and the run is complete
            self._why = f"LoadGen's list of queries cannot be read: {error!r}"

    def _read(self) -> None:
        if self._sample is None:
            raise Unreadable("no query was sent")
        self._times = read_query_times(
            self._sample,
            self._began,
            only=self._scenario.at_once,
            wait=lambda: time.sleep(_PAUSE_SECONDS),
        )
        if isinstance(self.answers, StampedTokens) and self.answers.first:
            ids = np.fromiter(self.answers.first, np.int64, len(self.answers.first))
            self._queries = queries_of(ids, self._sample, len(self._times.due))

    def write(self, directory: Path) -> None:
        """Write the files, once LoadGen has written its logs; on a full disk there are none."""
        try:
            detail = parse_detail((directory / DETAIL_LOG).read_bytes(), DETAIL_LOG)
            latencies, trace = self._documents(detail)
        except Exception as error:  # also of a damaged log: what judges the run says it
            latencies, trace = Latencies(why=f"It cannot be computed: {error!r}"), None
        with contextlib.suppress(OSError):
            (directory / LATENCIES_FILE).write_bytes(latencies.to_json())
            if trace is not None:
                (directory / TRACE_FILE).write_bytes(trace.to_json())

    def _documents(self, detail: DetailLog) -> tuple[Latencies, Trace | None]:
        times = self._times
        if times is None:
            return Latencies(why=self._why or "LoadGen did not say when it had sent all"), None
        found = dict(self._histograms(times))
        reasons = {name: disagreement(one, name, detail) for name, one in found.items()}
        sound = {name: one for name, one in found.items() if not reasons[name]}
        why = "; ".join(reason for reason in reasons.values() if reason)
        whole = next(iter(found))
        if whole not in sound:  # then the times are not those of the run either
            return Latencies(why=why), None
        return Latencies(sound, why), self._trace(times)

    def _histograms(self, times: QueryTimes) -> Iterator[tuple[str, Histogram]]:
        if isinstance(self.answers, Stamped):
            stamps = np.array(self.answers.times, np.int64)
            yield (
                SAMPLE,
                Histogram.of(
                    np.maximum(stamps - times.due[0], 0), np.array(self.answers.samples, np.int64)
                ),
            )
            return
        yield QUERY, Histogram.of(times.latencies)
        if isinstance(self.answers, StampedTokens) and self._queries is not None:
            yield from _of_tokens(self.answers, times, self._queries)

    def _trace(self, times: QueryTimes) -> Trace:
        if isinstance(self.answers, Stamped):
            stamps = np.array(self.answers.times, np.int64)
            samples = np.array(self.answers.samples, np.int64)
            return thinned(times.due, times.done, answered=(stamps, samples), one=True)
        queued = self._scenario.at_random
        return thinned(times.due, times.done, queued=queued)


def _of_tokens(
    answers: StampedTokens, times: QueryTimes, queries: _Integers
) -> Iterator[tuple[str, Histogram]]:
    """Yield the times to the first token, and of each further one (PerformanceSummary, LoadGen).

    ``queries`` has for each sample that had a first token the number of its query.
    """
    first = np.fromiter(answers.first.values(), np.int64, len(answers.first))
    yield FIRST_TOKEN, Histogram.of(np.maximum(first - times.due[queries], 0))
    further = np.array([answers.tokens.get(one, 0) - 1 for one in answers.first], np.int64)
    several = further > 0
    if several.any():
        spent = np.maximum(times.done[queries] - first, 0)[several]
        yield PER_TOKEN, Histogram.of(spent // further[several])


def disagreement(found: Histogram, name: str, detail: DetailLog) -> str:
    """Return how a distribution differs from what LoadGen logged of it; '' if it does not."""
    logged = detail.number("result_query_count")
    if name == QUERY and logged is not None and logged != found.count:
        return f"{found.count} queries were found, and LoadGen counted {logged:.0f}"
    compared = 0
    for percentile in SHARES:
        numbers = (detail.number(f"result_{form.format(percentile)}") for form in _NAMES[name])
        wanted = next((number for number in numbers if number), None)
        if wanted is None:
            continue
        compared += 1
        here = found.percentile(float(percentile) / 100)
        if abs(here - wanted) > BOUND * wanted:
            return (
                f"the {percentile}th percentile of the {name.replace('_', ' ')} latencies found is "
                f"{here:.0f} ns, and LoadGen logged {wanted:.0f} ns"
            )
    return "" if compared else f"LoadGen logged nothing to compare the {name} latencies with"
