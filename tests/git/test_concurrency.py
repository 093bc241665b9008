"""Many processes record at once while git packs and collects garbage beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import file_names, read_file, recorded_runs
from tests.samples import git, sample_files, sample_run_id

_WRITER = Path(__file__).with_name("writer.py")
_PROCESSES = 8


@pytest.mark.parametrize("layout", ["one branch", "a branch each"])
@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_no_run_is_lost_among_eight_processes_and_git_gc(
    results: ResultsRepository, layout: str, count: int
) -> None:
    """All runs of eight processes are kept, file by file, while gc and pack-refs run beside."""
    experiments = [
        Experiment("shared" if layout == "one branch" else f"own-{writer}")
        for writer in range(_PROCESSES)
    ]
    with _GitBeside(results.root):
        writers = [
            start_writer(results.root, experiment, writer, count)
            for writer, experiment in enumerate(experiments)
        ]
        said = [writer.communicate(timeout=300)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * _PROCESSES, "\n".join(said)

    fresh = find_repository(results.root)
    kept = {run.run: run for run in recorded_runs(fresh)}
    wanted = {
        sample_run_id(number, writer) for writer in range(_PROCESSES) for number in range(count)
    }
    assert set(kept) == wanted
    for run_id, run in kept.items():
        files = sample_files(run_id)
        assert set(file_names(fresh, run)) == {path.name for path in files} | {"before.txt"}
        for path, content in files.items():
            assert read_file(fresh, run, path.name) == content
    for experiment in set(experiments):
        # One commit for each run, one after the other, none recorded twice, on the scaffold.
        runs = count * experiments.count(experiment)
        assert git(results.root, "rev-list", "--count", f"main..{experiment.ref}").strip() == str(
            runs
        )
        assert git(results.root, "rev-list", "--merges", experiment.ref) == ""
        last = git(results.root, "ls-tree", "--name-only", experiment.ref, "runs/")
        assert len(last.split()) == runs
    assert list((results.store / "spool").iterdir()) == []


def start_writer(
    root: Path, experiment: Experiment, writer: int, count: int, *options: str
) -> subprocess.Popen[str]:
    """Start a process that records ``count`` runs (0: until it is killed)."""
    return subprocess.Popen(
        [
            sys.executable,
            str(_WRITER),
            str(root),
            experiment.name,
            str(writer),
            str(count),
            *options,
        ],
        env=os.environ | {"PYTHONPATH": str(_WRITER.parents[2])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


class _GitBeside:
    """Runs ``git gc`` and ``git pack-refs`` again and again until the block ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stop = threading.Event()
        self.rounds = [0, 0]
        self.threads = [
            threading.Thread(target=self._loop, args=(0, "gc", "--quiet")),
            threading.Thread(target=self._loop, args=(1, "pack-refs", "--all")),
        ]

    def _loop(self, index: int, *arguments: str) -> None:
        while not self.stop.is_set():
            git(self.root, *arguments, ok=False)  # they get into each other's way, and may
            self.rounds[index] += 1

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert min(self.rounds) > 0
