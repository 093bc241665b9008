"""Withdrawn runs do not count in any clone until they are restored; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.record import COMPLIANCE, Metric, StoredLog
from mlrepo.repository.acts import WITHDRAW, Act, acts_in, curated, new_act_id, next_id
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.health import check_repository
from mlrepo.repository.history import find_run, load_record, read_file, recorded_runs
from mlrepo.repository.raw_garbage import needed_logs
from mlrepo.repository.recorder import Recorder
from tests.curated import (
    ACCURACY_LOG,
    PERFORMANCE_LOG,
    RESULT,
    TUNING,
    counting,
    layout,
    placed_run,
    restored,
    standing,
    withdrawn,
)
from tests.git.test_recording import clone
from tests.samples import git, sample_run_id


def test_a_withdrawn_run_is_left_out_and_still_there(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Readers that ask for hidden runs get it, with the reason; its files are as they were."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    before = read_file(results, find_run(results, second), "run.json")
    withdrawn(results, second)
    assert counting(results) == [first]
    found = {run.run: run.withdrawn for run in recorded_runs(results, hidden=True)}
    assert found == {first: "", second: "the fan broke"}
    run = find_run(results, second)
    assert read_file(results, run, "run.json") == before
    assert load_record(results, run).run == second
    assert find_run(results, "latest").run == first
    assert run.curation.acts[0].who == "Ada Author <ada@example.org>"
    assert [check.status for check in check_repository(results, records=True, hooks="none")][
        -1
    ] == "ok"


def test_the_next_run_takes_the_place_in_the_layout_and_gives_it_back(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """In the commit that withdraws it; restored, the tree is what it was, byte for byte."""
    accuracy = placed_run(recorder, 0, mode="accuracy", result=Metric(76.5, "%")).run
    first, second = (placed_run(recorder, number).run for number in (1, 2))
    before = layout(results)
    assert standing(results) == second
    done = withdrawn(results, second)
    assert standing(results) == first
    assert [(str(one.path), one.before, one.now) for one in done.branches[0].replaced] == [
        (f"{RESULT}/performance/run_1", second, first)
    ]
    withdrawn(results, accuracy, first)
    assert layout(results) == "".join(
        line for line in before.splitlines(keepends=True) if "/src/" in line
    )
    restored(results, second, first, accuracy)
    assert layout(results) == before
    assert git(results.root, "status", "--porcelain") == ""
    assert git(results.root, "rev-list", "--count", "main..exp/tuning").strip() == "6"


def test_restoring_an_older_run_leaves_the_newer_one_in_its_place(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """As if it had never been withdrawn."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    withdrawn(results, first)
    restored(results, first)
    assert standing(results) == second
    assert counting(results) == [second, first]


def test_a_compliance_test_leaves_the_layout_with_the_run_it_was_verified_against(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """A test of another run proves nothing for the one that takes the place."""
    placed_run(recorder, 0)
    second = placed_run(recorder, 1).run
    test = placed_run(
        recorder, 2, mode=COMPLIANCE, test="TEST04", reference={"performance": second}
    ).run
    log = "closed/Acme/results/alpha-onnx/resnet50/Offline/TEST04/performance/run_1"
    assert standing(results, f"{log}/mlperf_log_detail.txt") == test
    withdrawn(results, second)
    assert standing(results, f"{log}/mlperf_log_detail.txt") == ""
    restored(results, second)
    assert standing(results, f"{log}/mlperf_log_detail.txt") == test


def test_another_configuration_may_take_the_place_only_when_nothing_of_the_first_is_left(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """The rules that kept it out decide again."""
    accuracy = placed_run(recorder, 0, mode="accuracy", result=Metric(76.5, "%")).run
    first = placed_run(recorder, 1).run
    other = placed_run(recorder, 2, configuration="b" * 64).run
    withdrawn(results, first)
    assert standing(results) == ""
    assert standing(results, ACCURACY_LOG) == accuracy
    withdrawn(results, accuracy)
    assert standing(results) == other


def test_files_of_the_user_s_own_stay_in_the_layout(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Only what a run of the result was laid out in is decided anew."""
    run = placed_run(recorder, 0).run
    git(results.root, "switch", "--quiet", "exp/tuning")
    own = results.root / RESULT / "notes.txt"
    own.write_text("mine\n")
    git(results.root, "add", str(own))
    git(results.root, "commit", "--quiet", "--message", "Note")
    git(results.root, "switch", "--quiet", "main")
    withdrawn(results, run)
    assert git(results.root, "show", f"exp/tuning:{RESULT}/notes.txt") == "mine\n"
    assert standing(results) == ""


def test_every_local_branch_that_holds_the_run_gets_the_act(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Else its layout would still show the run."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    git(results.root, "branch", "exp/all", "exp/tuning")
    done = withdrawn(results, second)
    assert [branch.branch for branch in done.branches] == ["exp/all", "exp/tuning"]
    assert {standing(results, ref=ref) for ref in ("exp/all", "exp/tuning")} == {first}
    assert counting(results, Experiment("all")) == [first]
    assert len(find_run(results, second).curation.acts) == 1


def test_a_checked_out_branch_is_refused_before_anything_changes(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Moving it would make the working tree look changed; other branches do not move either."""
    run = placed_run(recorder, 0).run
    git(results.root, "branch", "exp/all", "exp/tuning")
    git(results.root, "switch", "--quiet", "exp/tuning")
    tips = git(results.root, "for-each-ref", "refs/heads/exp")
    with pytest.raises(UserError, match="is checked out"):
        withdrawn(results, run)
    assert git(results.root, "for-each-ref", "refs/heads/exp") == tips
    git(results.root, "switch", "--quiet", "main")


def test_two_clones_that_act_on_one_run_are_merged_without_conflict(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """Acts are files of their own; both sides see the last one, whoever merges."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    here = clone(results.root, tmp_path / "here")
    git(here, "branch", "--quiet", "exp/tuning", "origin/exp/tuning")
    withdrawn(results, second, why="the fan broke")
    withdrawn(find_repository(here), second, why="wrong power plan")
    git(here, "fetch", "--quiet")
    # Before any merge: the acts of all branches count, local and fetched.
    run = find_run(find_repository(here), second)
    assert [act.why for act in run.curation.acts] == ["the fan broke", "wrong power plan"]
    git(here, "switch", "--quiet", "exp/tuning")
    git(here, "merge", "--quiet", "--no-edit", "origin/exp/tuning")
    git(here, "switch", "--quiet", "main")
    assert counting(find_repository(here)) == [first]
    assert standing(find_repository(here)) == first
    restored(find_repository(here), second)
    git(results.root, "fetch", "--quiet", str(here), "exp/tuning:exp/tuning")
    for repository in (find_repository(here), find_repository(results.root)):
        assert counting(repository) == [second, first]
        assert standing(repository) == second


def test_a_run_that_was_only_fetched_gets_a_branch_of_its_own(
    results: ResultsRepository, recorder: Recorder, tmp_path: Path
) -> None:
    """It begins at the fetched one; one that is behind continues there, one that is not merges."""
    first = placed_run(recorder, 0).run
    here = clone(results.root, tmp_path / "here")
    done = withdrawn(find_repository(here), first)
    assert done.branches[0].published == ("origin",)
    assert git(here, "merge-base", "exp/tuning", "origin/exp/tuning") == git(
        here, "rev-parse", "origin/exp/tuning"
    )
    second = placed_run(recorder, 1).run
    git(here, "fetch", "--quiet")
    with pytest.raises(UserError, match="has other commits of its own") as refused:
        withdrawn(find_repository(here), second)
    assert "`mlrepo sync` merges the two" in refused.value.hint
    git(here, "branch", "--quiet", "--force", "exp/tuning", "origin/exp/tuning~1")
    withdrawn(find_repository(here), second)
    assert sorted(counting(find_repository(here))) == [first]


def test_a_clock_that_is_behind_does_not_undo_the_order(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """An act is later than those that its author saw, whatever the time."""
    run = placed_run(recorder, 0).run
    late = Act("20991231T235959.000000Z-abcdef", WITHDRAW, run, "by a clock that is ahead")
    assert next_id([late]) > late.id
    assert new_act_id() < late.id
    trailers = find_run(results, run).trailers
    after = Act(next_id([late]), "restore", run)
    for order in ([late, after], [after, late], [after, late, late]):
        assert not curated(trailers, order)[1].hidden


def test_what_no_mlrepo_wrote_is_no_act() -> None:
    """Forged, mangled and unknown lines change nothing, and stop nothing."""
    run = sample_run_id(0)
    good = Act(new_act_id(), WITHDRAW, run, 'say "no"\nMLRepo-Run: x', "A <a@b>").trailer
    assert "\n" not in good
    (read,) = acts_in(f"Subject\n\n{good}\n")
    assert read.why == 'say "no"\nMLRepo-Run: x'
    lines = [
        good.replace(run, "x"),
        good.replace('"id"', '"no"'),
        good[:-1],
        f"MLRepo-Act: withdraw {run} []",
        f'MLRepo-Act: withdraw {run} {{"id": 3}}',
        f'MLRepo-Act: withdraw {run} {{"id": "20269931T235959.000000Z-abcdef"}}',
        f"MLRepo-Act: withdraw {run} {'{' * 20000}",
    ]
    assert list(acts_in("Subject\n\n" + "\n".join(lines))) == []
    assert list(acts_in(f"Subject\n\n{good}\n\nMLRepo-Run: {run}\n")) == []


def test_an_act_of_a_newer_mlrepo_is_listed_and_changes_nothing(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """What it means is not known here."""
    run = find_run(results, placed_run(recorder, 0).run)
    after = run.after(Act(new_act_id(), "frame", run.run, "for the wall"))
    assert after.trailers == run.trailers
    assert [act.action for act in after.curation.acts] == ["frame"]
    assert not after.curation.hidden


def test_the_full_logs_of_a_withdrawn_run_are_still_needed(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """It can be restored."""
    log = StoredLog("1" * 64, 1, "2" * 64, 9)
    run = placed_run(recorder, 0, logs={"mlperf_log_accuracy.json": log}).run
    withdrawn(results, run)
    assert needed_logs(results) == {"2" * 64: run}


def test_a_reason_that_holds_a_secret_is_refused(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Commits carry it for ever."""
    run = placed_run(recorder, 0).run
    token = "ghp_" + "a1B2" * 9
    with pytest.raises(UserError, match="secret"):
        withdrawn(results, run, why=f"token {token}")
    assert counting(results, TUNING) == [run]
    assert standing(results, PERFORMANCE_LOG) == run
