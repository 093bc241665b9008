"""Turn a run's spool directory into a commit: judge, redact, compose, record, discard.

Everything is read from the directory, so if ``mlrepo`` dies, the next one concludes the run in
exactly the same way.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from mlrepo.bench.evidence import (
    SYSTEM_FILE,
    encodable,
    recorded_texts,
)
from mlrepo.bench.judge import Judgement, judge
from mlrepo.bench.pending import PendingRun
from mlrepo.bench.recording import ConcludingRun
from mlrepo.bench.traces import recorded_traces
from mlrepo.compliance import compliance_test
from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.harness.spec import (
    ACCURACY_LOG,
    DETAIL_LOG,
    SUMMARY_LOG,
    RunSpec,
    read_events,
)
from mlrepo.layout.files import ACCURACY_TEXT
from mlrepo.layout.place import UNFIT, followed_benchmark, place_or_say_why
from mlrepo.logs.accuracy import TRUNCATED_SIZE, truncated, with_hash_line
from mlrepo.paths import RepoPath
from mlrepo.record import (
    ACCURACY,
    FAILED,
    Metric,
    RunRecord,
    StoredLog,
)
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.recorder import MAX_BLOB_SIZE, Composition, Recorder, Tip
from mlrepo.repository.spool import SpooledRun
from mlrepo.repository.trailers import commit_message


@dataclass(frozen=True)
class ConcludedRun:
    """The record as committed, and the commit."""

    record: RunRecord
    commit: str


@dataclass(frozen=True, kw_only=True)
class _Composed(Composition):
    """The commit of a run, and the record in it."""

    record: RunRecord


def conclude(spooled: SpooledRun, recorder: Recorder, redactor: Redactor) -> ConcludedRun:
    """Record a run, however it ended, and remove it from the spool.

    Raises
    ------
    MlrepoError
        It could not be recorded; it stays in the spool.
    """
    directory = spooled.directory
    pending = PendingRun.read(directory)
    spec = pending.spec
    round_ = recorder.repository.rounds[pending.facts.round]
    judgement = judge(directory, spec, round_, pending.facts.compliance)
    counts: dict[str, int] = {}
    files = recorded_texts(directory, judgement, redactor, counts)
    files |= recorded_traces(directory, spec)
    logs = _store_logs(directory, spec, judgement, recorder.repository, files)
    record = _readable_record(ConcludingRun(directory, pending, logs, redactor, counts), judgement)
    run = RepoPath(("runs", record.run))
    followed = followed_benchmark(spec.workload)

    def compose(tip: Tip) -> _Composed:
        placed = place_or_say_why(
            record,
            round_,
            tip,
            system_json=files.get(SYSTEM_FILE, b""),
            force=pending.facts.place,
            follows=followed,
        )
        complete = dataclasses.replace(record, placement=placed.placement)
        return _Composed(
            commit_message(complete),
            files={run / "run.json": complete.to_json(), **placed.files},
            links=placed.links,
            record=complete,
        )

    recorded = recorder.record(
        Experiment.parse(record.experiment),
        record.run,
        {run / name: data for name, data in files.items()},
        compose,
    )
    spooled.discard()
    composed = recorded.composition
    return ConcludedRun(composed.record if composed else record, recorded.commit)


def _store_logs(
    directory: Path,
    spec: RunSpec,
    judgement: Judgement,
    repository: ResultsRepository,
    files: dict[str, bytes],
) -> dict[str, StoredLog]:
    """Add LoadGen's logs to ``files``; keep the full form of truncated ones in the raw store."""
    raw = RawStore(repository.store / "raw")
    logs: dict[str, StoredLog] = {}
    for name in (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG):
        path = directory / name
        if not path.is_file():
            continue
        size = path.stat().st_size
        limit = TRUNCATED_SIZE if name == ACCURACY_LOG else MAX_BLOB_SIZE
        with path.open("rb") as stream:
            files[name] = truncated(stream, size) if size > limit else stream.read()
        full = raw.add(path) if size > limit else sha256_file(path)
        logs[name] = StoredLog(
            sha256=sha256_bytes(files[name]),
            size=len(files[name]),
            full_sha256=full if size > limit else "",
            full_size=size if size > limit else 0,
        )
        if name == ACCURACY_LOG and spec.mode == ACCURACY and judgement.accuracy_text:
            files[ACCURACY_TEXT] = with_hash_line(encodable(judgement.accuracy_text).encode(), full)
        if name == ACCURACY_LOG and spec.test and compliance_test(spec.test).logs_responses:
            # Only the hash, as the rounds' truncation script writes it.
            files[ACCURACY_TEXT] = with_hash_line(b"", full)
    return logs


def _readable_record(run: ConcludingRun, judgement: Judgement) -> RunRecord:
    """Return a record that can be read back, whatever third-party code reported about itself."""
    events = {str(event["event"]): event for event in read_events(run.directory)}
    try:
        record = run.record(judgement, events)
        data = record.to_json()
        if len(data) > MAX_BLOB_SIZE:
            raise ValueError(f"run.json would have {len(data)} bytes")
        RunRecord.from_json(data)
    except UNFIT as error:
        why = f"What backend or benchmark reported cannot be recorded: {error!r}"
        failed = Judgement(FAILED, Metric(None, judgement.result.unit), (encodable(why)[:1000],))
        return run.record(failed, {})
    return record
