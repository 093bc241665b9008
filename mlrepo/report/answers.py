"""How many answers of two accuracy runs are the same, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import MlrepoError, UserError
from mlrepo.logs.accuracy import parse_accuracy_log
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import ACCURACY
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import find_run, read_file
from mlrepo.repository.raw_store import RawStore
from mlrepo.workloads import Workload
from mlrepo.workloads.task import agree

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_LOG = "mlperf_log_accuracy.json"


@dataclass(frozen=True)
class SameAnswers:
    """How many of the samples that both runs answered have the same answer."""

    same: int
    of: int


def same_answers(
    repository: ResultsRepository, one: RunRecord, other: RunRecord
) -> SameAnswers | None:
    """Compare the full accuracy logs of two runs of a benchmark; None if one is not here.

    Answers are the same if the benchmark says so; without it, if their bytes are.
    """
    if one.mode != ACCURACY or other.mode != ACCURACY:
        return None
    try:
        workload: Workload = load_plugin(WORKLOADS, one.benchmark)
        first, second = (_answers(repository, record) for record in (one, other))
    except MlrepoError:
        return None
    both = first.keys() & second.keys()
    same = sum(agree(workload.task, first[index], second[index]) for index in both)
    return SameAnswers(same, len(both))


def _answers(repository: ResultsRepository, record: RunRecord) -> dict[int, bytes]:
    """Return the answers by sample.

    Raises
    ------
    MlrepoError
        The log is not here in full, or is damaged.
    """
    stored = record.logs.get(_LOG)
    if stored is None:
        raise UserError(f"The run {record.run} has no {_LOG}.")
    if stored.full_sha256:
        data = RawStore(repository.store / "raw").read(stored.full_sha256)
    else:
        data = read_file(repository, find_run(repository, record.run), _LOG)
    return {entry.sample_index: entry.data for entry in parse_accuracy_log(data, _LOG)}
