"""A run that mlrepo 0.1.0 left in its spool is recorded, or refused with a message."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.bench.recover import recover
from mlrepo.record import RunRecord
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import load_record, recorded_runs

_RECORDED = Path(__file__).parent.parent / "recorded"


@pytest.fixture
def left(results: ResultsRepository) -> Path:
    """The directory of a run whose mlrepo 0.1.0 was killed while LoadGen measured."""
    start = json.loads((_RECORDED / "spool" / "spec.json").read_text())
    directory: Path = results.store / "spool" / start["record"]["run"]
    shutil.copytree(_RECORDED / "spool", directory)
    return directory


def test_it_is_recorded_as_0_1_recorded_it(results: ResultsRepository, left: Path) -> None:
    """The same facts from the same files; only the schema is of today."""
    done, failed = recover(results, Redactor())
    assert (len(done), failed) == (1, [])
    assert not left.exists()
    [run] = recorded_runs(results)
    record = load_record(results, run)
    before = RunRecord.from_json((_RECORDED / "runs" / "mlrepo-killed.json").read_bytes())
    assert record.schema != before.schema
    assert replace(record, schema=before.schema, logs=before.logs) == before


@pytest.mark.parametrize(
    ("part", "key"), [("record", "started"), ("record", "experiment"), ("run", "workload")]
)
def test_one_that_cannot_be_read_is_kept_and_named(
    results: ResultsRepository, left: Path, part: str, key: str
) -> None:
    """A key that this version misses, as a version with other names would leave it."""
    spec = json.loads((left / "spec.json").read_text())
    spec[part][f"later_{key}"] = spec[part].pop(key)
    (left / "spec.json").write_text(json.dumps(spec))
    done, [(run, error)] = recover(results, Redactor())
    assert not done
    assert left.name == run
    assert "another version of mlrepo wrote it" in error.message
    assert key in error.message
    assert "doctor --fix" in error.hint
    assert left.is_dir()
