"""After a merge, a layout may still show a run that the other branch withdrew or removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.curation.stale import refresh_layout, refresh_layouts, stale_layouts
from mlrepo.record import Metric
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.curated import counting, layout, placed_run, standing, withdrawn
from tests.git.test_recording import clone
from tests.samples import git


def _merged(results: ResultsRepository, tmp_path: Path, theirs: str, ours: str) -> None:
    """Let a clone withdraw a run and this one another, and merge the two."""
    here = clone(results.root, tmp_path / "here")
    git(here, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    withdrawn(find_repository(here), theirs)
    withdrawn(results, ours)
    git(results.root, "fetch", "--quiet", str(here), "exp/tuning")
    git(results.root, "switch", "--quiet", "exp/tuning")
    git(results.root, "merge", "--quiet", "--no-edit", "FETCH_HEAD")
    git(results.root, "switch", "--quiet", "main")


def test_a_withdrawn_run_that_a_merge_left_in_the_layout_is_found_and_removed(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Each side decided rightly by what it knew."""
    first, second, third = (placed_run(recorder, number).run for number in range(3))
    assert stale_layouts(results) == []
    _merged(results, tmp_path, second, third)
    assert counting(results) == [first]
    assert standing(results) == second
    (stale,) = stale_layouts(results)
    assert (stale.experiment.name, stale.runs) == ("tuning", (second,))
    (replaced,) = refresh_layout(results, git_identity(results.root), stale)
    assert (replaced.before, replaced.now) == (second, first)
    assert standing(results) == first
    assert stale_layouts(results) == []


def test_a_checked_out_branch_keeps_its_layout_and_does_not_stop_the_others(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """It is named with the reason."""
    first, second, third = (placed_run(recorder, number).run for number in range(3))
    _merged(results, tmp_path, second, third)
    git(results.root, "branch", "--quiet", "exp/all", "exp/tuning")
    git(results.root, "switch", "--quiet", "exp/all")
    lines = refresh_layouts(results, git_identity(results.root))
    git(results.root, "switch", "--quiet", "main")
    assert "the layout of exp/all stays: " in lines[0]
    assert standing(results) == first
    assert standing(results, ref="exp/all") == second


def test_the_next_run_does_not_see_a_withdrawn_one_in_the_layout(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Its configuration keeps nobody out."""
    first, second = (placed_run(recorder, number).run for number in range(2))
    _merged(results, tmp_path, first, second)
    assert standing(results) == first
    other = placed_run(recorder, 2, configuration="b" * 64).run
    assert standing(results) == other
    assert stale_layouts(results) == []


def test_a_layout_without_withdrawn_runs_is_left_as_somebody_merged_it(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """An older run in it is no fault."""
    first = placed_run(recorder, 0, mode="accuracy", result=Metric(76.5, "%")).run
    placed_run(recorder, 1)
    withdrawn(results, first)
    before = layout(results)
    assert stale_layouts(results) == []
    assert layout(results) == before


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_whichever_side_of_a_conflict_is_taken_the_layout_ends_right(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path, side: str
) -> None:
    """Two clones withdraw the run in the layout, one of them the next one, too (team.md)."""
    first, second, third = (placed_run(recorder, number).run for number in range(3))
    there = clone(results.root, tmp_path / "there")
    git(there, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    withdrawn(find_repository(there), third)
    withdrawn(find_repository(there), second)
    withdrawn(results, third)
    assert (standing(find_repository(there)), standing(results)) == (first, second)
    root = results.root
    git(root, "fetch", "--quiet", str(there), "exp/tuning")
    git(root, "switch", "--quiet", "exp/tuning")
    git(root, "merge", "--quiet", "FETCH_HEAD", ok=False)
    conflicts = git(root, "diff", "--name-only", "--diff-filter=U").split()
    assert conflicts
    assert all(path.startswith("closed/") for path in conflicts)
    git(root, "checkout", f"--{side}", "--", "closed")
    git(root, "add", "closed")
    git(root, "commit", "--quiet", "--no-verify", "--no-edit")
    git(root, "switch", "--quiet", "main")
    assert counting(results) == [first]
    refresh_layouts(results, git_identity(root))
    assert standing(results) == first
    assert stale_layouts(results) == []
