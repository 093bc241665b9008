"""``git gc --prune=now`` in a loop beside a recorder: acknowledged runs always exist."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mlrepo.paths import RepoPath
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun, read_file, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.submission_branch import write_submission
from tests.samples import git, sample_composition, sample_files, sample_run_id

_EXPERIMENT = Experiment("pruned")
_PRUNING = {
    "gc": (("gc", "--quiet", "--prune=now"),),
    "gc by its configuration": (("-c", "gc.pruneExpire=now", "gc", "--quiet"),),
    "prune and repack": (("prune", "--expire=now"), ("repack", "-a", "-d", "-q")),
}


@pytest.mark.parametrize("commands", _PRUNING.values(), ids=_PRUNING)
@pytest.mark.parametrize("count", [12, pytest.param(400, marks=pytest.mark.slow)])
def test_a_run_told_as_recorded_is_there(
    results: ResultsRepository, commands: tuple[tuple[str, ...], ...], count: int
) -> None:
    """All files of all runs come back, with every object that any branch reaches."""
    made = 0
    with _pruned_beside(results, commands) as rounds:
        while made < count or len(rounds) < 2:
            _record(results, made)
            made += 1
    _assert_all_there(results, made)
    print(f"{made} runs beside {len(rounds)} rounds of {commands}, none lost")


def test_a_selection_told_as_made_is_there(results: ResultsRepository) -> None:
    """The branch of a submission is protected as those of experiments are."""
    commands = (("gc", "--quiet", "--prune=now"),)
    with _pruned_beside(results, commands):
        for number in range(25):
            content = {
                RepoPath(("open", "Acme", f"{name}.txt")): f"{number} {name}".encode()
                for name in range(20)
            }
            identity = git_identity(results.root)
            write_submission(find_repository(results.root), identity, "v6.1", content, f"{number}")
    git(results.root, "fsck", "--strict", "--no-progress", "--connectivity-only")
    assert git(results.root, "show", "submission/v6.1:open/Acme/19.txt") == "24 19"


def test_an_object_that_nobody_reaches_is_written_again(results: ResultsRepository) -> None:
    """What an earlier attempt left as garbage may be collected at any time."""
    run = sample_run_id(0)
    garbage = [
        git(results.root, "hash-object", "-w", "--stdin", stdin=content.decode()).strip()
        for content in sample_files(run).values()
    ]
    recorder = Recorder(results, git_identity(results.root))
    recorder.record(_EXPERIMENT, run, sample_files(run), lambda tip: sample_composition(run, tip))
    for oid in garbage:
        (results.common_dir / "objects" / oid[:2] / oid[2:]).unlink()
    fresh = find_repository(results.root)
    [kept] = _runs_of(fresh)
    for path, content in sample_files(run).items():
        assert read_file(fresh, kept, path.name) == content


def test_nothing_is_left_of_a_quarantine(results: ResultsRepository) -> None:
    """No directory, no lock, and no ``.keep``: git may pack the objects with all others."""
    _record(results, 0)
    assert list((results.store / "quarantine").iterdir()) == []
    packs = results.common_dir / "objects" / "pack"
    assert list(packs.glob("*.pack"))
    assert not list(packs.glob("*.keep"))
    git(results.root, "gc", "--quiet", "--prune=now")
    assert len(list(packs.glob("*.pack"))) == 1
    _assert_all_there(results, 1)


def _record(results: ResultsRepository, number: int) -> None:
    """Record as a process of its own does: with a repository opened anew."""
    repository = find_repository(results.root)
    run = sample_run_id(number)
    Recorder(repository, git_identity(repository.root)).record(
        _EXPERIMENT, run, sample_files(run), lambda tip: sample_composition(run, tip)
    )


def _runs_of(repository: ResultsRepository) -> list[RecordedRun]:
    return list(recorded_runs(repository))


def _assert_all_there(results: ResultsRepository, count: int) -> None:
    fresh = find_repository(results.root)
    kept = {run.run: run for run in _runs_of(fresh)}
    assert set(kept) == {sample_run_id(number) for number in range(count)}
    for run_id, run in kept.items():
        for path, content in sample_files(run_id).items():
            assert read_file(fresh, run, path.name) == content
    git(results.root, "fsck", "--strict", "--no-progress")


@contextmanager
def _pruned_beside(
    results: ResultsRepository, commands: tuple[tuple[str, ...], ...]
) -> Iterator[list[float]]:
    """Run the git commands in a loop while the block runs; yields when each round ended."""
    stop, rounds = threading.Event(), list[float]()

    def loop() -> None:
        while not stop.is_set():
            for command in commands:
                git(results.root, *command, ok=False)  # it may meet a lock of the recorder's
            rounds.append(time.monotonic())

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield rounds
    finally:
        stop.set()
        thread.join()
