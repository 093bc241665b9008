"""How long a run will take elsewhere, without asking the machine: from records and rules."""

from __future__ import annotations

import datetime

from mlrepo.bench.estimate import QUICK_SECONDS
from mlrepo.plugins import backend_name
from mlrepo.record import ACCURACY
from mlrepo.record.run_request import RunRequest
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import readable_record, recorded_runs
from mlrepo.rounds import Round

# Loading, warming up and recording; and an accuracy run of which nothing is known.
_OVERHEAD_SECONDS, _ACCURACY_SECONDS = 60.0, 1800.0


def expected_seconds(
    repository: ResultsRepository,
    round_: Round,
    run: RunRequest,
    *,
    scenario: str = "",
    mode: str = "",
    quick: bool = False,
) -> float:
    """Return how many seconds a run is expected to take.

    It is the longer of the shortest run that is asked for and of the newest recorded run of the
    same benchmark, backend, scenario and mode, on whatever system.
    """
    scenario, mode = scenario or run.scenario, mode or run.mode
    shortest = 0.0
    if mode != ACCURACY:
        asked = 0.0 if run.count is not None else round_.min_duration_ms() / 1e3
        shortest = QUICK_SECONDS if quick else run.time if run.time is not None else asked
    before = _took(repository, run, scenario, mode)
    if before is None and mode == ACCURACY and run.count is None:
        before = _ACCURACY_SECONDS
    return max(shortest + _OVERHEAD_SECONDS, before or 0.0)


def _took(repository: ResultsRepository, run: RunRequest, scenario: str, mode: str) -> float | None:
    for one in recorded_runs(repository):
        backend = one.trailer("Backend").partition(" ")[0]
        same = (one.trailer("Benchmark"), one.trailer("Scenario"), one.trailer("Mode"))
        if same != (run.benchmark, scenario, mode) or backend != backend_name(run.backend):
            continue
        record = readable_record(repository, one, {})
        if record is None:
            continue
        begin, end = map(datetime.datetime.fromisoformat, (record.started, record.ended))
        return record.load.noise.seconds or max(0.0, (end - begin).total_seconds())
    return None
