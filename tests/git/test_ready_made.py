"""Selecting another harness's results: their bytes, their validity and their origin."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.delivery.proposal_text import body_of
from mlrepo.errors import InvalidResult, UserError
from mlrepo.proposal.selected import Selection, read_selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.tree_objects import origin_of
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from mlrepo.selection.ready_made import ReadyChoice, ReadySource, choose_ready
from mlrepo.selection.select import SelectionPlan, plan_selection, write_plan
from mlrepo.selection.wanted import Wanted
from tests.samples import git
from tests.selections import Laboratory
from tests.submissions import SUBMITTER, Submission, write_submission

_V61 = SHIPPED["v6.1"]
_ROOT = f"closed/{SUBMITTER}"
_RESULT = f"{_ROOT}/results/alpha/resnet50"


@pytest.fixture
def made(tmp_path: Path) -> Submission:
    """A valid submission in a directory, as another harness leaves it."""
    return write_submission(tmp_path / "harness", "v6.1")


def _source(made: Submission) -> ReadySource:
    return ReadySource(DirectoryTree(made.root), "it", origin_of(made.root), made.root)


def _offer(source: ReadySource, profile: str = "strict", **wanted: object) -> ReadyChoice:
    return choose_ready(source, _V61, Wanted(ready_made=True, **wanted), profile)  # type: ignore[arg-type]


def _plan(
    repository: ResultsRepository, made: Submission | ReadySource, **wanted: object
) -> SelectionPlan:
    source = made if isinstance(made, ReadySource) else _source(made)
    asked = Wanted(ready_made=True, **wanted)  # type: ignore[arg-type]
    return plan_selection(repository, _V61, asked, choose_ready(source, _V61, asked, "strict"))


def _select(
    repository: ResultsRepository, made: Submission | ReadySource, **wanted: object
) -> Selection:
    plan = _plan(repository, made, **wanted)
    return write_plan(repository, git_identity(repository.root), plan)


def _again(repository: ResultsRepository, **wanted: object) -> Selection:
    plan = plan_selection(repository, _V61, Wanted(**wanted))  # type: ignore[arg-type]
    return write_plan(repository, git_identity(repository.root), plan)


def _files(repository: ResultsRepository) -> dict[str, tuple[str, str]]:
    """Return mode and object id of each selected file."""
    lines = git(repository.root, "ls-tree", "-r", "-z", "submission/v6.1").split("\0")[:-1]
    return {
        line.partition("\t")[2]: (line.split()[0], line.split()[2].partition("\t")[0])
        for line in lines
    }


def test_every_byte_is_kept(results: ResultsRepository, made: Submission) -> None:
    """Line ends, modes, links, odd names of documents; results, tests, systems, code."""
    home = made.root / _ROOT
    (home / "src" / "run.sh").write_bytes(b"#!/bin/sh\r\ntrue\r\n")
    (home / "src" / "run.sh").chmod(0o755)
    (home / "src" / ".gitignore").write_text("build/\n")
    (home / "src" / 'the "best" & only.txt').write_text("odd\n")
    (home / "src" / "latest").symlink_to("run.sh")
    git(results.root, "config", "core.autocrlf", "true")
    selection = _select(results, made)
    expected = {path.relative_to(made.root) for path in made.root.rglob("*") if not path.is_dir()}
    found = _files(results)
    assert set(found) == {str(path) for path in expected}
    for name, (_, oid) in found.items():
        path = made.root / name
        data = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        assert oid == hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    assert found[f"{_ROOT}/src/run.sh"][0] == "100755"
    assert found[f"{_ROOT}/src/latest"][0] == "120000"
    report = check(CommitTree(results.root, selection.commit), _V61)
    assert [(one.strict, one.official) for one in report.results] == [(True, True)] * 3
    git(results.root, "fsck", "--strict", "--no-dangling")


def test_the_origin_is_said_wherever_the_selection_goes(
    results: ResultsRepository, made: Submission
) -> None:
    """The directory's name and commit in the message and the pull request; never its path."""
    git(made.root, "init", "--quiet")
    git(made.root, "add", ".")
    git(made.root, "commit", "--quiet", "--message", "Results")
    (made.root / _ROOT / "calibration.md").write_text("Calibrated anew.\n")
    selection = _select(results, made)
    commit = git(made.root, "rev-parse", "HEAD").strip()
    origin = f"directory harness at commit {commit}, with changes"
    assert {one.source for one in selection.ready} == {origin}
    report = check(CommitTree(results.root, selection.commit), _V61)
    body = body_of(selection, report)
    assert f"3 results from `{origin}`" in body
    assert "| ready-made |" in body
    message = git(results.root, "log", "-1", "--format=%B", "submission/v6.1")
    assert f"MLRepo-Source: 1 {origin}\n" in message
    assert str(made.root) not in message + body


def test_the_name_of_a_directory_adds_no_trailer(
    results: ResultsRepository, made: Submission
) -> None:
    """A line break in it, or bytes that are not UTF-8, are shown as such."""
    odd = made.root.parent / "x\nMLRepo-Selected: \udcff"
    made.root.rename(odd)
    selection = _select(results, write_submission(odd, "v6.1"))
    assert {one.source for one in selection.ready} == {"directory x?MLRepo-Selected: ?"}
    assert selection.runs == ()


def test_a_commit_gives_its_own_objects(results: ResultsRepository, made: Submission) -> None:
    """The results of a branch are taken without a checkout; its commit is the origin."""
    shutil.copytree(made.root / "closed", results.root / "closed")
    git(results.root, "add", "closed")
    git(results.root, "commit", "--quiet", "--no-verify", "--message", "Results of the harness")
    commit = git(results.root, "rev-parse", "HEAD").strip()
    source = ReadySource(CommitTree(results.root, commit), "HEAD", f"commit {commit}", None, commit)
    selection = _select(results, source)
    tree = git(results.root, "rev-parse", f"{commit}:{_ROOT}").strip()
    assert selection.roots == {_ROOT: tree}
    assert {one.source for one in selection.ready} == {f"commit {commit}"}


def test_what_is_not_valid_is_left_out_and_named(made: Submission) -> None:
    """Each with its first finding; files of the others are as if they were not there."""
    (made.result("Offline") / "accuracy" / "accuracy.txt").unlink()
    choice = _offer(_source(made))
    assert [result.path for result in choice.results] == [
        f"{_RESULT}/MultiStream",
        f"{_RESULT}/SingleStream",
    ]
    [left] = choice.not_taken
    assert left.path == f"{_RESULT}/Offline"
    assert "accuracy.txt" in left.reason
    assert "scenario Offline is missing" in choice.notes[0]
    # The round's own checker takes no result of a system that lacks a scenario.
    assert _offer(_source(made), profile="official").results == ()


def test_other_parts_of_the_tree_do_not_spoil_what_is_taken(
    results: ResultsRepository, made: Submission
) -> None:
    """Another submitter's broken results, files at the root, another system's description."""
    shutil.copytree(made.root / _ROOT, made.root / "closed" / "Broken")
    for path in (made.root / "closed" / "Broken").rglob("mlperf_log_detail.txt"):
        path.write_text("broken\n")
    (made.root / "stray.txt").write_text("stray\n")
    systems = made.root / _ROOT / "systems"
    shutil.copy(systems / "alpha.json", systems / "beta.json")
    selection = _select(results, made, submitter=SUBMITTER, system="alpha")
    assert selection.roots.keys() == {_ROOT}
    assert f"{_ROOT}/systems/beta.json" not in _files(results)
    assert check(CommitTree(results.root, selection.commit), _V61).valid("official")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"benchmark": "resnet"}, "no benchmark resnet. Did you mean resnet50?"),
        ({"scenario": "Server"}, "no scenario Server"),
        ({"system": "beta"}, "no system beta"),
        ({"submitter": "Acne"}, "no submitter Acne. Did you mean Acme?"),
        ({"division": "open"}, "no division open. Did you mean"),
    ],
)
def test_filters_that_fit_nothing_are_an_error(
    made: Submission, wanted: dict[str, str], said: str
) -> None:
    """The filter at fault and the nearest name are in the hint."""
    with pytest.raises(UserError) as caught:
        _offer(_source(made), **wanted)
    assert said.partition(" Did")[0] in caught.value.hint


def test_a_tree_of_another_round_is_refused(tmp_path: Path) -> None:
    """By the seeds of its logs."""
    old = write_submission(tmp_path / "old", "v5.1")
    with pytest.raises(UserError, match=r"seeds of v5\.1|No result"):
        _offer(_source(old))


def test_ready_made_results_stay_until_they_are_dropped(
    results: ResultsRepository, made: Submission
) -> None:
    """Later selections keep them, byte for byte; nothing is decided anew in silence."""
    first = _select(results, made)
    shutil.rmtree(made.root)
    assert _again(results).commit == first.commit
    second = _again(results, drop=("alpha/resnet50/Offline",))
    assert [one.path for one in second.ready if one.is_result] == [
        f"{_RESULT}/MultiStream",
        f"{_RESULT}/SingleStream",
    ]
    kept = {path for path in _files(results) if path.startswith(f"{_RESULT}/MultiStream/")}
    assert len(kept) > 10
    assert f"{_ROOT}/src/README.md" in _files(results)
    assert not [path for path in _files(results) if "/Offline/" in path]


def test_a_newer_tree_replaces_what_came_before(
    results: ResultsRepository, made: Submission
) -> None:
    """State and origin are those of the new one; the same tree again makes no commit."""
    first = _select(results, made)
    assert _select(results, made).commit == first.commit
    (made.result("Offline") / "README.md").write_text("Better described.\n")
    plan = _plan(results, made)
    assert [one.state for one in plan.ready.results] == ["same", "changed", "same"]


def test_recorded_and_ready_made_results_are_submitted_together(
    results: ResultsRepository, recorder: Recorder, made: Submission, tmp_path: Path
) -> None:
    """Of two systems; each is kept when the other is decided anew."""
    laboratory = Laboratory(recorder, tmp_path / "scratch")
    for scenario in laboratory.submission.scenarios:
        laboratory.result(scenario)
    _again(results)
    _rename_system(made, "gamma")
    both = _select(results, made)
    systems = {run.path.split("/")[3] for run in both.runs}
    assert systems == {"alpha"}
    assert len([one for one in both.ready if one.is_result]) == 3
    again = read_selection(results, "v6.1")
    assert _again(results).ready == again.ready
    report = check(CommitTree(results.root, both.commit), _V61)
    assert len(report.results) == 6
    assert all(result.strict for result in report.results)


@pytest.mark.parametrize("selected_first", [True, False])
def test_what_recorded_runs_give_too_is_refused(
    results: ResultsRepository,
    recorder: Recorder,
    made: Submission,
    tmp_path: Path,
    selected_first: bool,
) -> None:
    """Whether it is selected yet or not; --drop takes the recorded one."""
    laboratory = Laboratory(recorder, tmp_path / "scratch")
    laboratory.result("Offline")
    if selected_first:
        _again(results)
    with pytest.raises(UserError, match=r"Recorded runs give .*/Offline, and so does"):
        _plan(results, made)
    if selected_first:
        return
    _select(results, made, drop=("resnet50/Offline",))
    assert f"{_RESULT}/Offline" not in {one.path for one in read_selection(results, "v6.1").ready}


def test_recorded_runs_never_replace_a_ready_made_result(
    results: ResultsRepository, recorder: Recorder, made: Submission, tmp_path: Path
) -> None:
    """A result that is selected ready-made, and recorded later, is a decision of the user's."""
    _select(results, made)
    Laboratory(recorder, tmp_path / "scratch").result("Offline")
    with pytest.raises(UserError, match="only one can be selected") as caught:
        _again(results)
    assert "--drop" in caught.value.hint


def test_the_submitter_s_own_documents_come_before_those_of_the_tree(
    results: ResultsRepository, made: Submission
) -> None:
    """File by file, and said; what only the tree has is taken."""
    (made.root / _ROOT / "src" / "more.txt").write_text("theirs\n")
    own = results.root / _ROOT / "src"
    own.mkdir(parents=True)
    (own / "README.md").write_text("ours\n")
    git(results.root, "add", "closed")
    git(results.root, "commit", "--quiet", "--no-verify", "--message", "Our code")
    plan = _plan(results, made)
    write_plan(results, git_identity(results.root), plan)
    files = _files(results)
    assert git(results.root, "cat-file", "blob", files[f"{_ROOT}/src/README.md"][1]) == "ours\n"
    assert f"{_ROOT}/src/more.txt" in files
    assert any("src/README.md is that of this repository" in n for n in plan.composition.notes)


def test_a_secret_in_the_tree_is_not_selected(results: ResultsRepository, made: Submission) -> None:
    """As in anything that is selected."""
    (made.root / _ROOT / "src" / "token.txt").write_text("ghp_" + "a1B2" * 9 + "\n")
    with pytest.raises(InvalidResult, match="GitHub token"):
        _plan(results, made)


def test_objects_of_a_tree_survive_a_gc(results: ResultsRepository, made: Submission) -> None:
    """No branch held them before; the selection does."""
    _select(results, made)
    git(results.root, "reflog", "expire", "--expire=now", "--all")
    git(results.root, "gc", "--quiet", "--prune=now")
    git(results.root, "fsck", "--strict", "--no-dangling", "--connectivity-only")
    assert len(_files(results)) > 40


def _rename_system(made: Submission, name: str) -> None:
    """Make the submission one of another system."""
    home = made.root / _ROOT
    (home / "results" / "alpha").rename(home / "results" / name)
    (home / "systems" / "alpha.json").rename(home / "systems" / f"{name}.json")
