"""Several clones of one hub, as the machines of a team have them."""

from __future__ import annotations

import os
from pathlib import Path

from mlrepo.record import RunRecord
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.sync.report import SyncReport
from mlrepo.sync.synchronise import synchronise
from tests.curated import TUNING, placed_run
from tests.samples import git


def make_hub(results: ResultsRepository, path: Path) -> Path:
    """Make a bare hub with the branch ``main`` of a repository, whose ``origin`` it becomes."""
    git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    git(results.root, "remote", "add", "origin", str(path))
    git(results.root, "push", "--quiet", "--no-verify", "--set-upstream", "origin", "main")
    return path


def make_machine(hub: Path | str, path: Path) -> ResultsRepository:
    """Clone the hub as another machine does."""
    git(path.parent, "clone", "--quiet", str(hub), str(path))
    return find_repository(path)


def record(
    machine: ResultsRepository,
    number: int,
    experiment: Experiment = TUNING,
    **changes: object,
) -> RunRecord:
    """Record a run, placed by the rules; its system is the name of the clone's directory."""
    recorder = Recorder(find_repository(machine.root), git_identity(machine.root))
    system = str(changes.pop("system", machine.root.name))
    return placed_run(recorder, number, experiment, system=system, **changes)


def sync(machine: ResultsRepository, **options: object) -> SyncReport:
    """Synchronise a clone with its ``origin``; nothing of it may need a person."""
    report = try_sync(machine, **options)
    assert report.complete, report
    return report


def try_sync(machine: ResultsRepository, **options: object) -> SyncReport:
    """Synchronise a clone with its ``origin``."""
    return synchronise(find_repository(machine.root), "origin", dict(os.environ), **options)  # type: ignore[arg-type]


def tip(machine: ResultsRepository | Path, ref: str = "exp/tuning") -> str:
    """Return the commit of a branch; '' if there is none."""
    root = machine if isinstance(machine, Path) else machine.root
    return git(root, "rev-parse", "--verify", "--quiet", ref, ok=False).strip()


def tree(machine: ResultsRepository | Path, ref: str = "exp/tuning") -> str:
    """Return the tree of a branch."""
    return tip(machine, f"{ref}^{{tree}}")
