"""Recorded runs placed by the usual rules, for tests that curate them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlrepo.curation.decide import Decision
from mlrepo.curation.withdraw import restore, withdraw
from mlrepo.layout.place import place_or_say_why
from mlrepo.paths import RepoPath
from mlrepo.record import RunRecord, configuration_digest
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import find_run, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import RUNS, Composition, Recorder, Tip
from mlrepo.repository.trailers import commit_message
from mlrepo.rounds import SHIPPED
from tests.samples import git, sample_files, sample_record, sample_run_id

TUNING = Experiment("tuning")
RESULT = "closed/Acme/results/alpha-onnx/resnet50/Offline"
PERFORMANCE_LOG = f"{RESULT}/performance/run_1/mlperf_log_detail.txt"
ACCURACY_LOG = f"{RESULT}/accuracy/mlperf_log_detail.txt"
_TEXTS = ("accuracy.txt", "verify_performance.txt")
_SYSTEM = b'{"system_name": "alpha"}'


def placed_run(
    recorder: Recorder, number: int, experiment: Experiment = TUNING, **changes: Any
) -> RunRecord:
    """Record a run and place it as ``mlrepo bench`` does; return its record."""
    defaults = {"configuration": configuration_digest({"a": 1}), "experiment": experiment.name}
    record = sample_record(sample_run_id(number), **{**defaults, **changes})
    run = RepoPath((RUNS, record.run))
    files = sample_files(record.run)
    files |= {run / "system.json": _SYSTEM}
    files |= {run / name: record.run.encode() for name in _TEXTS}
    del files[run / "run.json"]

    def compose(tip: Tip) -> Composition:
        placed = place_or_say_why(
            record, SHIPPED[record.round], tip, system_json=_SYSTEM, force=False
        )
        complete = replace(record, placement=placed.placement)
        return Composition(
            commit_message(complete),
            {run / "run.json": complete.to_json(), **placed.files},
            placed.links,
        )

    recorder.record(experiment, record.run, files, compose)
    return record


def standing(
    repository: ResultsRepository, log: str = PERFORMANCE_LOG, ref: str = "exp/tuning"
) -> str:
    """Return the id of the run whose log is in the layout on a branch; '' if none is."""
    shown = git(repository.root, "show", f"{ref}:{log}", ok=False)
    return "" if shown.startswith("fatal") else shown.split()[0]


def layout(repository: ResultsRepository, ref: str = "exp/tuning") -> str:
    """Return what ``git`` lists below the division on a branch."""
    return git(repository.root, "ls-tree", "-r", ref, "closed")


def withdrawn(repository: ResultsRepository, *runs: str, why: str = "the fan broke") -> Decision:
    """Withdraw runs by name."""
    found = [find_run(repository, run) for run in runs]
    return withdraw(repository, git_identity(repository.root), found, why)


def restored(repository: ResultsRepository, *runs: str) -> Decision:
    """Restore runs by name."""
    found = [find_run(repository, run) for run in runs]
    return restore(repository, git_identity(repository.root), found)


def counting(repository: ResultsRepository, experiment: Experiment | None = None) -> list[str]:
    """Return the ids of the runs that count, newest first."""
    return [run.run for run in recorded_runs(repository, experiment)]
