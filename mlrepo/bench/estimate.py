"""Estimate how long runs take from a short probe: a warm-up without LoadGen."""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.bench.execute import execute
from mlrepo.bench.matrix import DONE, STALE, Cell, RunsByResult
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.errors import UserError
from mlrepo.harness.spec import SPEC_FILE, SPEED, USER_CONF_FILE, read_events
from mlrepo.record import ACCURACY
from mlrepo.repository.history import readable_record
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS, Scenario
from mlrepo.workloads import Workload

# LoadGen prepares this many times the Offline samples that the expected rate needs.
_OFFLINE_MARGIN = 1.1
# The default rate of a Server, as a share of the sequential rate.
_SERVER_SHARE = 0.25
# The duration of a performance run with `--quick`.
QUICK_SECONDS = 2.0
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


def estimates(
    bench: Bench,
    request: BenchRequest,
    workload: Workload,
    journal: RunsByResult,
    planned: Sequence[tuple[Cell, bool]],
    *,
    quick: bool,
    measure: Callable[[Bench, BenchRequest], Speed],
) -> list[float]:
    """Estimate the seconds of each wanted run from the last one of its kind, or from a probe.

    Parameters
    ----------
    planned:
        The runs, and whether each is wanted; the others take no time.
    """
    round_ = bench.round
    shortest = QUICK_SECONDS if quick else round_.min_duration_ms() / 1e3
    speed: Speed | None = None
    found = []
    for cell, needed in planned:
        before = _took(bench, journal, cell) if needed else 0.0
        if before is None:
            speed = speed or measure(bench, request)
            least = 1 if quick else least_offline_samples(round_, workload)
            before = speed.seconds_of(cell.scenario, cell.mode, shortest, least)
        elif needed and cell.mode != ACCURACY:
            before = max(before, shortest)
        found.append(before)
    return found


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
            hint=f"`mlrepo bench prereq --backend {inputs.spec.backend} --dry-run` names what it "
            "needs.",
        )
    times = {int(size): float(took) for size, took in measured["batch_seconds"].items()}
    overhead = time.monotonic() - begin + _RECORDING_SECONDS
    return Speed(times, int(measured["total"]), overhead)


def least_offline_samples(round_: Round, workload: Workload) -> int:
    """Return the round's minimum number of Offline samples."""
    official = round_.official_benchmark(workload.loadgen_model)
    return round_.min_offline_samples(official) if official else 1


def _took(bench: Bench, journal: RunsByResult, cell: Cell) -> float | None:
    """Return how long the run of a cell took, or None if it has no successful run."""
    if not cell.run or cell.state not in (DONE, STALE):
        return None
    record = readable_record(bench.repository, journal.find(cell.run), {})
    if record is None:
        return None
    # Prefer the monotonic clock, if the record has it.
    measured = record.load.noise.seconds
    if measured is not None:
        return measured
    begin, end = (datetime.datetime.fromisoformat(t) for t in (record.started, record.ended))
    return max(0.0, (end - begin).total_seconds())
