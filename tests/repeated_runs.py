"""Records of runs that repeat each other, with noise that is the same in each test run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlrepo.record import Metric, RunRecord
from tests.samples import sample_record, sample_run_id


class RepeatedRuns:
    """Makes records in the order of their commits, one second after the other."""

    def __init__(self, seed: int = 1) -> None:
        self._noise = random.Random(seed)
        self._made = 0

    def make(
        self,
        number: int,
        rate: float,
        *,
        noise: float = 0.01,
        latency: float = 10.0,
        **changes: Any,
    ) -> Iterator[RunRecord]:
        """Yield records of Offline runs.

        Parameters
        ----------
        rate:
            The mean of the results, in samples/s.
        noise:
            The standard deviation of results and latencies, as a share.
        latency:
            The mean of the metric ``mean_latency``, in milliseconds.
        """
        for _ in range(number):
            value = rate * self._noise.gauss(1, noise)
            metrics = {"mean_latency": Metric(latency * self._noise.gauss(1, noise), "ms")}
            wanted = {
                "experiment": "e",
                "benchmark": "digits",
                "system": "box",
                "result": Metric(value, "samples/s"),
                "metrics": metrics,
                "host": {"host_processor_model_name": "CPU 1", "kernel": "Linux 6.1"},
                "source": {"commit": "a" * 40},
                **changes,
            }
            yield sample_record(sample_run_id(self._made), **wanted)
            self._made += 1


@dataclass(frozen=True)
class Printed:
    """The exit code of a command about such runs, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All that was printed, in one line."""
        return " ".join((self.out + self.err).split())

    @property
    def json(self) -> Any:
        """The standard output, which is one JSON document."""
        return json.loads(self.out)


# Takes records, and the words of a command or further options of one.
Print = Callable[..., Printed]
