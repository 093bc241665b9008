"""What an import makes of the runs that it reads, and of what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.record import RunRecord
from mlrepo.repository.trailers import commit_message, run_trailers

RECORD_FILE = "run.json"
"""The file of a run that has its record."""


@dataclass(frozen=True)
class ImportedRun:
    """A run to be recorded.

    Attributes
    ----------
    trailers, message:
        Those of its commit.
    files:
        Its files by name, with its record, ``run.json``.
    workflow:
        The input of the 2021 automation (CK), if it was published with the result.
    """

    run: str
    trailers: Mapping[str, str]
    message: str
    files: Mapping[str, bytes]
    workflow: Mapping[str, object]

    @property
    def record(self) -> RunRecord:
        """The record, parsed anew each time: a round has thousands, and few are asked for."""
        return RunRecord.from_json(self.files[RECORD_FILE])


@dataclass(frozen=True)
class SkippedLogs:
    """A directory of logs, or a result, for which no record is made."""

    path: str
    why: str


@dataclass(frozen=True)
class ReadResult:
    """The runs of one published result, and what is left out of it."""

    runs: list[ImportedRun]
    left_out: list[SkippedLogs]

    @property
    def size(self) -> int:
        """Bytes of all files of the runs."""
        return sum(len(data) for run in self.runs for data in run.files.values())


def run_to_import(
    made: RunRecord,
    files: Mapping[str, bytes],
    what: str,
    workflow: Mapping[str, object],
) -> ImportedRun:
    """Return the run of a record that was made of others' files.

    Parameters
    ----------
    files:
        Its files but for the record.
    what:
        What the record was made of, for messages.

    Raises
    ------
    UserError
        The record cannot be read back: a value is none that a record has.
    """
    data = made.to_json()
    record = RunRecord.from_json(data, what)
    if record != made:
        data = record.to_json()
    return ImportedRun(
        record.run,
        run_trailers(record),
        commit_message(record),
        {**files, RECORD_FILE: data},
        workflow,
    )
