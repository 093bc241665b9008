"""Two clones that record on one experiment, and an experiment merged into another branch."""

from __future__ import annotations

from pathlib import Path

from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.stray_runs import (
    Divergence,
    Strays,
    branches_with_runs,
    diverged_experiments,
)
from tests.curated import counting, placed_run, standing
from tests.e2e.driver import mlrepo
from tests.git.test_recording import clone
from tests.samples import git


def test_the_advice_of_doctor_merges_what_two_clones_recorded(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """All runs count before and after; the branch can be pushed only after."""
    first = placed_run(recorder, 0).run
    there = find_repository(clone(results.root, tmp_path / "there"))
    git(there.root, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    assert list(diverged_experiments(there)) == []
    second = placed_run(recorder, 1).run
    third = placed_run(Recorder(there, git_identity(there.root)), 2).run
    assert list(diverged_experiments(there)) == []  # ahead only
    git(there.root, "fetch", "--quiet")
    assert list(diverged_experiments(there)) == [
        Divergence("exp/tuning", "origin/exp/tuning", 1, 1)
    ]
    assert sorted(counting(there)) == sorted([first, second, third])
    done = mlrepo(there.root, "doctor", code=None)
    done.says("warning branches exp/tuning and origin/exp/tuning", "1 commit here only")
    done.says("`mlrepo sync` merges the two and pushes")
    git(results.root, "switch", "--quiet", "main")
    mlrepo(there.root, "sync").says("Merged exp/tuning")
    assert list(diverged_experiments(there)) == []
    assert standing(there) == third
    assert sorted(counting(results)) == sorted([first, second, third])


def test_an_experiment_that_was_merged_into_main_is_found_and_taken_back(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """`git pull origin exp/NAME` on main is what Git's own hint suggests after a rejected push."""
    run = placed_run(recorder, 0).run
    before = git(results.root, "rev-parse", "main").strip()
    assert list(branches_with_runs(results)) == []
    git(results.root, "merge", "--quiet", "--no-edit", "exp/tuning")
    assert list(branches_with_runs(results)) == [Strays("main", before)]
    done = mlrepo(results.root, "doctor", code=None)
    done.says("warning branches main holds runs")
    undo = next(line for line in done.out.splitlines() if "reset --keep" in line).split("`")[1]
    for command in undo.split(" && "):
        git(results.root, *command.split()[1:])
    assert list(branches_with_runs(results)) == []
    assert counting(results) == [run]


def test_a_directory_runs_of_somebody_else_is_no_stray(results: ResultsRepository) -> None:
    """Only names of recorded runs count."""
    (results.root / "runs").mkdir()
    (results.root / "runs" / "notes.md").write_text("mine")
    git(results.root, "add", "runs")
    git(results.root, "commit", "--quiet", "--no-verify", "--message", "Notes")
    assert list(branches_with_runs(results)) == []
