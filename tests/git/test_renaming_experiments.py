"""Renaming an experiment: its branch, its runs, and what other clones see."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiment_rename import RenamedExperiment, rename_experiment
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import find_run, load_record
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.curated import TUNING, counting, layout, placed_run, withdrawn
from tests.git.test_recording import clone
from tests.samples import git

_FINAL = Experiment("final")


def _rename(
    repository: ResultsRepository, old: Experiment = TUNING, new: Experiment = _FINAL
) -> RenamedExperiment:
    return rename_experiment(repository, git_identity(repository.root), old, new)


def _experiment(repository: ResultsRepository, run: str) -> str:
    found = find_run(repository, run)
    assert load_record(repository, found).experiment == found.trailer("Experiment")
    return found.trailer("Experiment")


def test_the_branch_and_its_runs_have_the_new_name(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """With all its commits; a run that is recorded under the old name again is of that one."""
    first = placed_run(recorder, 0).run
    before, tip = layout(results), git(results.root, "rev-parse", "exp/tuning")
    _rename(results)
    assert git(results.root, "branch", "--list", "exp/*").split() == ["exp/final"]
    assert git(results.root, "rev-parse", "exp/final~1") == tip
    assert layout(results, "exp/final") == before
    assert _experiment(results, first) == "final"
    second = placed_run(recorder, 1).run
    assert _experiment(results, second) == "tuning"
    assert counting(results, _FINAL) == [first]
    assert counting(results, TUNING) == [second]
    _rename(results, _FINAL, Experiment("last"))
    assert _experiment(results, first) == "last"


def test_acts_go_on_under_the_new_name(results: ResultsRepository, recorder: Recorder) -> None:
    """They are committed to the branch that holds the run."""
    run = placed_run(recorder, 0).run
    _rename(results)
    done = withdrawn(results, run)
    assert [branch.branch for branch in done.branches] == ["exp/final"]
    assert counting(results) == []


def test_another_clone_sees_the_new_name_and_can_rename_its_own_branch(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Although the remote has the old branch still; the two merge."""
    first = placed_run(recorder, 0).run
    here = clone(results.root, tmp_path / "here")
    theirs = find_repository(here)
    git(here, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    second = placed_run(Recorder(theirs, git_identity(here)), 1).run
    assert _rename(theirs, TUNING, _FINAL).old_on == ("origin",)
    git(here, "push", "--quiet", "origin", "exp/final")
    assert {_experiment(results, run) for run in (first, second)} == {"final"}
    third = placed_run(recorder, 2).run
    assert _experiment(results, third) == "tuning"
    git(results.root, "branch", "--quiet", "exp/theirs", "exp/final")
    git(results.root, "branch", "--quiet", "-D", "exp/final")
    _rename(results)
    assert _experiment(results, third) == "final"
    assert counting(results, _FINAL) == [third, first]


def test_a_branch_that_is_only_fetched_is_renamed_here(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """The remote keeps the old name."""
    run = placed_run(recorder, 0).run
    here = clone(results.root, tmp_path / "here")
    done = _rename(find_repository(here))
    assert (done.old_on, done.new_on) == (("origin",), ())
    assert _experiment(find_repository(here), run) == "final"
    assert counting(find_repository(here), TUNING) == []


def test_what_cannot_be_renamed_is_refused_and_nothing_changes(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A missing experiment, a name that is taken, and a branch that is checked out."""
    placed_run(recorder, 0)
    git(results.root, "branch", "exp/all", "exp/tuning")
    before = git(results.root, "for-each-ref")
    with pytest.raises(UserError, match="no experiment none") as refused:
        _rename(results, Experiment("none"))
    assert "all, tuning" in refused.value.hint
    for new in ("all", "tuning"):
        with pytest.raises(UserError, match="already"):
            _rename(results, TUNING, Experiment(new))
    git(results.root, "switch", "--quiet", "exp/tuning")
    with pytest.raises(UserError, match="checked out"):
        _rename(results)
    git(results.root, "switch", "--quiet", "main")
    assert git(results.root, "for-each-ref") == before
