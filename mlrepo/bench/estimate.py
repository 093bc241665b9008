"""Estimate how long runs take from a short probe: a warm-up without LoadGen."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.bench.execute import execute
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.errors import UserError
from mlrepo.harness.spec import SPEC_FILE, SPEED, USER_CONF_FILE, read_events
from mlrepo.record import ACCURACY
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS, Scenario
from mlrepo.workloads import Workload

# LoadGen prepares this many times the Offline samples that the expected rate needs.
_OFFLINE_MARGIN = 1.1
# The default rate of a Server, as a share of the sequential rate.
_SERVER_SHARE = 0.25
# The time to write and commit a run.
_RECORDING_SECONDS = 0.5


@dataclass(frozen=True)
class Speed:
    """The result of a short probe.

    Attributes
    ----------
    batch_seconds:
        Seconds per batch, by batch size.
    samples:
        The size of the data set.
    overhead:
        Seconds of a run outside LoadGen: starting, loading, warming up, recording.
    """

    batch_seconds: Mapping[int, float]
    samples: int
    overhead: float

    def seconds_of(self, scenario: str, mode: str, shortest: float, least_samples: int) -> float:
        """Return how many seconds a run takes.

        ``shortest`` is the minimum duration of a performance run, and ``least_samples`` the minimum
        number of samples of an Offline query.
        """
        known = SCENARIOS[scenario]
        per_sample = self._seconds_per_sample(known)
        if mode == ACCURACY:
            return self.overhead + self.samples * per_sample
        if known.at_once:
            return self.overhead + max(shortest * _OFFLINE_MARGIN, least_samples * per_sample)
        samples = known.least_queries * known.samples_per_query
        return self.overhead + max(shortest, samples * per_sample)

    def _seconds_per_sample(self, scenario: Scenario) -> float:
        rates = {size: seconds / size for size, seconds in self.batch_seconds.items()}
        if scenario.at_once:
            return min(rates.values())
        one = rates[min(rates)]
        if scenario.at_random:
            return one / _SERVER_SHARE
        # A query is executed before the next one arrives.
        most = scenario.samples_per_query
        return min((rate for size, rate in rates.items() if size <= most), default=one)


def measure_speed(bench: Bench, request: BenchRequest) -> Speed:
    """Load the model, warm up, and return the speed of the system; record nothing.

    Raises
    ------
    UserError
        The backend failed; its reason is in the message.
    """
    _, inputs, _ = bench.prepare(replace(request, scenario="Offline", mode=SPEED))
    spec: dict[str, object] = {"run": inputs.spec.to_dict()}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlrepo-speed-") as name:
        directory = Path(name)
        (directory / SPEC_FILE).write_text(json.dumps(spec))
        (directory / USER_CONF_FILE).write_text("")
        outcome = execute(directory, bench.environ, prefix=request.prefix)
        events = {str(event["event"]): event for event in read_events(directory)}
    measured = events.get("measured")
    if outcome.stopped:
        raise KeyboardInterrupt
    if measured is None:
        why = events.get("failed", {}).get("message", f"exit code {outcome.returncode}")
        raise UserError(
            f"{inputs.workload.name} does not run on {inputs.spec.backend}: {why}",
            hint="`mlrepo bench prereq` names what a backend needs.",
        )
    times = {int(size): float(took) for size, took in measured["batch_seconds"].items()}
    overhead = time.monotonic() - begin + _RECORDING_SECONDS
    return Speed(times, int(measured["total"]), overhead)


def least_offline_samples(round_: Round, workload: Workload) -> int:
    """Return the round's minimum number of Offline samples."""
    official = round_.official_benchmark(workload.loadgen_model)
    return round_.min_offline_samples(official) if official else 1
