"""Recording processes killed by ``kill -9`` lose nothing that they acknowledged."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest

from mlrepo.errors import Busy
from mlrepo.repository import commits
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import recorded_runs
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.spool import Spool
from tests.git.test_concurrency import start_writer
from tests.git.writer import record_spooled
from tests.samples import git, sample_composition, sample_files, sample_run_id

_EXPERIMENT = Experiment("killed")


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_kill_loses_no_acknowledged_run(
    results: ResultsRepository, recorder: Recorder, kills: int, tmp_path: Path
) -> None:
    """After each kill all acknowledged runs are in Git, and the rest is recorded from the spool."""
    chance = random.Random(kills)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    spool = Spool(results.store / "spool")
    stale = orphans = 0
    for kill in range(kills):
        _run_and_kill(results, kill, acknowledged, chance.uniform(0, 0.2))

        found = list(spool.orphans())
        assert len(found) <= 1
        lock = results.common_dir / (_EXPERIMENT.ref + ".lock")
        locks = [
            path
            for path in (results.common_dir / "refs").rglob("*")
            if path.is_file() and path.name.endswith(".lock")
        ]
        assert locks in ([], [lock])
        for orphan in found:
            orphans += 1
            stale += bool(locks)
            recorded = record_spooled(recorder, _EXPERIMENT, orphan)
            assert record_spooled(recorder, _EXPERIMENT, orphan).commit == recorded.commit
            orphan.discard()
        spool.sweep()
        assert [path for path in spool.root.iterdir() if path.is_dir()] == []

        kept = {run.run for run in recorded_runs(results)}
        said = set(acknowledged.read_text().split())
        assert said <= kept
        assert len(kept - said) <= kill + 1
        git(results.root, "fsck", "--strict", "--no-progress")
    commits = git(results.root, "rev-list", "--count", f"main..{_EXPERIMENT.ref}")
    assert int(commits) == len(kept)
    print(f"{kills} kills, {len(said)} acknowledged, {orphans} orphans, {stale} stale locks")


@pytest.mark.parametrize("noted", [False, True])
def test_a_foreign_branch_lock_is_reported_and_left_alone(
    results: ResultsRepository, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, *, noted: bool
) -> None:
    """It makes recording say Busy, its name and its age.

    Also one that is older than the note of an mlrepo that was killed while it waited for it.
    """
    monkeypatch.setattr(commits, "_ATTEMPTS_SECONDS", 0.3)
    lock = _lock(results)
    lock.touch()
    if noted:
        os.utime(lock, (0, lock.stat().st_mtime - 3))
        _note(results).touch()
    _assert_reported(recorder, lock, sample_run_id(0))
    assert lock.exists()
    lock.unlink()
    run = sample_run_id(0)
    assert not recorder.record(
        _EXPERIMENT, run, sample_files(run), lambda tip: sample_composition(run, tip)
    ).already


@pytest.mark.parametrize("young", [False, True])
def test_the_branch_lock_of_a_killed_mlrepo_is_broken(
    results: ResultsRepository, recorder: Recorder, *, young: bool
) -> None:
    """A note tells that the dead process was moving the branch; a fresh lock is waited for."""
    lock, note = _lock(results), _note(results)
    for path in (note, lock):
        path.touch()
        if not young:
            os.utime(path, (0, path.stat().st_mtime - 3))
    run = sample_run_id(0)
    recorder.record(_EXPERIMENT, run, sample_files(run), lambda tip: sample_composition(run, tip))
    assert [one.run for one in recorded_runs(results)] == [run]
    assert not lock.exists()
    assert not note.exists()


def _lock(results: ResultsRepository) -> Path:
    """Return where Git locks the branch; its directory is made."""
    lock = results.common_dir / (_EXPERIMENT.ref + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    return lock


def _note(results: ResultsRepository) -> Path:
    """Return where an mlrepo notes that it moves the branch; its directory is made."""
    results.store.mkdir(exist_ok=True)
    return results.store / f"{_EXPERIMENT.ref.replace('/', '%2F')}.moving"


def _run_and_kill(results: ResultsRepository, number: int, sink: Path, delay: float) -> None:
    """Start a process that records for ever; kill it ``delay`` s after its first record."""
    before = sink.stat().st_size
    process = start_writer(results.root, _EXPERIMENT, number, 0, "--acknowledge", str(sink))
    try:
        deadline = time.monotonic() + 60
        while sink.stat().st_size == before:
            assert process.poll() is None and time.monotonic() < deadline, "nothing was recorded"
            time.sleep(0.001)
        time.sleep(delay)
    finally:
        process.kill()
        said = process.communicate()[1]
    assert process.returncode == -9, said


def _assert_reported(recorder: Recorder, lock: Path, run: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commits, "_ATTEMPTS_SECONDS", 0.3)
        with pytest.raises(Busy, match=re.escape(str(lock)) + r" is \d+ s old") as busy:
            recorder.record(
                _EXPERIMENT, run, sample_files(run), lambda tip: sample_composition(run, tip)
            )
    assert "mlrepo doctor --fix" in busy.value.message
