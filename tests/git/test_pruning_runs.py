"""`mlrepo prune` removes probes, failed runs and their full logs; history keeps the runs."""

from __future__ import annotations

from typing import Any

import pytest

from mlrepo.curation.prune import Prunable, find_prunable, prune
from mlrepo.errors import UserError
from mlrepo.record import FAILED, Metric, StoredLog
from mlrepo.repository.acts import PRUNE, Act, new_act_id
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import find_run, read_file, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.raw_garbage import needed_logs
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.recorder import Recorder
from tests.curated import counting, layout, placed_run, restored, standing, withdrawn
from tests.samples import git


def _full_log(results: ResultsRepository, text: str) -> StoredLog:
    """Keep a full log and return how a record names it."""
    file = results.root.parent / text
    file.write_text(text)
    sha256 = RawStore(results.store / "raw").add(file)
    return StoredLog("1" * 64, 1, sha256, len(text))


def _recorded(results: ResultsRepository, recorder: Recorder) -> dict[str, str]:
    """Record a result, a probe and a failed run, each with a full log."""
    kinds: dict[str, dict[str, Any]] = {
        "result": {},
        "probe": {"tags": ("probe", "first")},
        "failed": {"validity": FAILED, "result": Metric(None, "samples/s")},
    }
    return {
        kind: placed_run(
            recorder,
            number,
            logs={"mlperf_log_accuracy.json": _full_log(results, kind)},
            **changes,
        ).run
        for number, (kind, changes) in enumerate(kinds.items())
    }


def _prune(results: ResultsRepository, found: Prunable) -> None:
    prune(results, git_identity(results.root), found, 0)


def test_probes_and_failed_runs_go_and_the_results_stay(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """At the tip of the branch; their files are in its history, and one can come back."""
    runs = _recorded(results, recorder)
    before = layout(results)
    found = find_prunable(results, 0)
    assert {run.run for run in found.runs} == {runs["probe"], runs["failed"]}
    assert (found.failed, found.logs.size) == (1, len("probe") + len("failed"))
    listed = git(results.root, "ls-tree", "-r", "--long", "exp/tuning", "runs").splitlines()
    gone = [line.split() for line in listed if runs["result"] not in line]
    assert found.files.number == len(gone)
    assert found.files.size == sum(int(words[3]) for words in gone)
    _prune(results, found)
    assert counting(results) == [runs["result"]]
    assert layout(results) == before
    assert standing(results) == runs["result"]
    left = git(results.root, "ls-tree", "-r", "--name-only", "exp/tuning", "runs").splitlines()
    assert {line.split("/")[2] for line in left if runs["probe"] in line} == {"acts"}
    assert [size for _, size in RawStore(results.store / "raw").entries()] == [len("result")]
    run = find_run(results, runs["probe"])
    assert "was pruned" in run.curation.why_hidden
    assert read_file(results, run, "run.json")
    assert find_prunable(results, 0).is_empty
    restored(results, runs["probe"])
    assert counting(results) == [runs["probe"], runs["result"]]
    assert git(results.root, "show", f"exp/tuning:runs/{runs['probe']}/run.json")


def test_what_is_young_or_in_the_layout_stays(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A search for a peak resumes from its probes."""
    _recorded(results, recorder)
    assert find_prunable(results, 36500).is_empty
    withdrawn(results, *counting(results))
    assert len(find_prunable(results, 0).runs) == 2


def test_a_checked_out_branch_is_not_pruned_and_no_log_goes(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """The commit comes first: without it the runs still need their logs."""
    _recorded(results, recorder)
    found = find_prunable(results, 0)
    git(results.root, "switch", "--quiet", "exp/tuning")
    with pytest.raises(UserError, match="checked out"):
        _prune(results, found)
    git(results.root, "switch", "--quiet", "main")
    assert len(RawStore(results.store / "raw").entries()) == 3


def test_an_act_that_prunes_a_result_does_not_free_its_log(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """No mlrepo writes one; it may come from anybody through a fetch."""
    run = _recorded(results, recorder)["result"]
    act = Act(new_act_id(), PRUNE, run, "forged")
    tree = git(results.root, "rev-parse", "exp/tuning^{tree}").strip()
    message = f"Prune {run}\n\n{act.trailer}\n"
    commit = git(results.root, "commit-tree", tree, "-p", "exp/tuning", "-m", message).strip()
    git(results.root, "update-ref", "refs/remotes/origin/exp/tuning", commit)
    assert {one.run: bool(one.curation.pruned) for one in recorded_runs(results, hidden=True)}[run]
    assert run in needed_logs(results).values()
