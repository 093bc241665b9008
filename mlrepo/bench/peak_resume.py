"""Find the runs of a stopped peak search, so that the same request resumes it.

Git is the journal: a search depends only on its records, so replaying the recorded ones in order
leads to the point where it was stopped.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass, field

from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.record import INVALID, PERFORMANCE, PROBE_TAG, VALID, RunRecord
from mlrepo.record.first_requests import request_of
from mlrepo.repository.history import readable_record, recorded_runs

# Older results say little about the machine's present performance.
_YOUNG = datetime.timedelta(days=1)


@dataclass
class EarlierRuns:
    """The runs that a stopped search made, oldest first."""

    records: list[RunRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._taken = ""

    def take(self, request: BenchRequest) -> RunRecord | None:
        """Return the next run if it is the one that the search needs; otherwise drop all."""
        if self.records and _is_run_of(self.records[0], request):
            self._taken = self.records[0].configuration
            return self.records.pop(0)
        self.records.clear()
        return None

    def contradict(self, record: RunRecord) -> bool:
        """Say whether a new run has another configuration than the runs taken."""
        return self._taken not in ("", record.configuration)


def earlier_runs(bench: Bench, scenario: str, benchmark: str, model: str) -> EarlierRuns:
    """Return the runs of the newest unfinished search for the same request.

    ``model`` is the SHA-256 of the model: the same request may mean other files by now.
    """
    asked = bench.request.redacted(bench.redactor)
    oldest = datetime.datetime.now(datetime.UTC) - _YOUNG
    found: list[RunRecord] = []
    wanted = {"Scenario": scenario, "Benchmark": benchmark, "Mode": PERFORMANCE}
    runs = recorded_runs(bench.repository, bench.experiment)
    for run in sorted(runs, key=lambda run: run.run, reverse=True):
        if any(run.trailer(name) != value for name, value in wanted.items()):
            continue
        record = readable_record(bench.repository, run, {})
        if record is None:
            continue  # an unreadable record is not part of this search
        if datetime.datetime.fromisoformat(record.started) < oldest:
            break
        if not asked.same_as(request_of(record)):
            continue
        if record.model.sha256 != model:
            break
        if record.validity == VALID and PROBE_TAG not in record.tags:
            break  # it confirmed a search: older runs belong to that one
        if record.validity in (VALID, INVALID):
            found.append(record)
    return EarlierRuns(found[::-1])


def _is_run_of(record: RunRecord, request: BenchRequest) -> bool:
    effective = record.loadgen.effective
    lasted, rate = effective.min_duration_ms or 0, effective.target_qps or 0
    return (
        (PROBE_TAG in record.tags) == (PROBE_TAG in request.tags)
        and math.isclose(lasted, (request.time or 0) * 1e3, abs_tol=1)
        and (request.qps is None or math.isclose(rate, request.qps, rel_tol=1e-6))
    )
