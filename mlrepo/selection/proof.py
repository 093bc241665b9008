"""Compare a run's record with its logs: anybody may write a record, but logs are submitted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.logs.detail import parse_detail
from mlrepo.record import ACCURACY, VALID, Metric
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, read_file
from mlrepo.rounds import Round
from mlrepo.workloads.measured import measured_as

if TYPE_CHECKING:
    from mlrepo.record import RunRecord


def why_not_proved(
    repository: ResultsRepository, run: RecordedRun, record: RunRecord, round_: Round
) -> str:
    """Return how the logs contradict the record of a VALID run, or an empty string.

    The accuracy value is not compared: only the benchmark can read it from its text.
    """
    try:
        for name, log in record.logs.items():
            if sha256_bytes(read_file(repository, run, name)) != log.sha256:
                return f"its {name} is not the one that its record names"
        if record.mode == ACCURACY:
            return ""
        detail = parse_detail(read_file(repository, run, DETAIL_LOG), DETAIL_LOG)
    except (UserError, ValueError) as error:
        return f"its logs cannot be read: {error}"
    measured = measured_as(round_, record.benchmark, record.scenario)
    raw = detail.number(round_.result_key(measured, record.scenario))
    logged = round_.result(measured, record.scenario, raw)
    if not _same(record.result, logged):
        return f"its record says {record.result}, its {DETAIL_LOG} says {logged}"
    validity = detail.values.get("result_validity")
    return "" if validity == VALID else f"its {DETAIL_LOG} says {validity or 'nothing'}, not VALID"


def _same(recorded: Metric, logged: Metric) -> bool:
    first, second = recorded.value, logged.value
    return (
        first is not None
        and second is not None
        and recorded.unit == logged.unit
        and math.isclose(first, second, rel_tol=1e-9)
    )
