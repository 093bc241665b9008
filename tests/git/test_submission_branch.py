"""The submission branch: its history, its messages, and commits that are not selections."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.proposal.selected import SelectedRun, read_selection, selection_message
from mlrepo.repository.commit_view import DIRECTORY, Existing, view_head
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.submission_branch import (
    SubmissionCommit,
    builds_on,
    gone_apart,
    write_submission,
)
from mlrepo.rounds import SHIPPED
from mlrepo.selection.last import notes_on_others
from tests.git.test_recording import clone
from tests.samples import git, sample_run_id

_PLACE = "open/Acme/results/alpha with space/digits/Offline"


def _content(**files: str) -> dict[RepoPath, bytes | Existing]:
    """Return the texts as files below ``open/Acme``, the one called ``bolt`` below another."""
    return {
        RepoPath(("closed", "Bolt") if name == "bolt" else ("open", "Acme")) / name: text.encode()
        for name, text in files.items()
    }


def _select(
    repository: ResultsRepository, content: dict[RepoPath, bytes | Existing], *runs: int
) -> SubmissionCommit:
    selected = tuple(
        SelectedRun(f"{_PLACE}/performance/run_{number}", sample_run_id(number)) for number in runs
    )
    message = selection_message("v6.1", selected, 1)
    identity = git_identity(repository.root)
    return write_submission(repository, identity, "v6.1", content, message)


def test_a_selection_is_read_as_it_was_written(results: ResultsRepository) -> None:
    """Runs, directories of the submitters and object ids come back, paths with spaces too."""
    made = _select(results, _content(one="1", bolt="2"), 3, 1)
    selection = read_selection(results, "v6.1")
    assert (selection.commit, selection.tree) == (made.commit, made.tree)
    assert selection.branch == "submission/v6.1"
    assert selection.submitters == ("Acme", "Bolt")
    assert [run.run for run in selection.runs] == [sample_run_id(1), sample_run_id(3)]
    assert selection.runs[0].path == f"{_PLACE}/performance/run_1"
    for root, oid in selection.roots.items():
        assert git(results.root, "rev-parse", f"submission/v6.1:{root}").strip() == oid


def test_each_selection_stands_on_the_last(results: ResultsRepository) -> None:
    """The first has no parent, the next has the first; the same one again makes no commit."""
    first = _select(results, _content(one="1"), 1)
    again = _select(results, _content(one="1"), 1)
    second = _select(results, _content(one="changed"), 1)
    assert again == first
    history = git(results.root, "log", "--format=%H", "submission/v6.1").split()
    assert history == [second.commit, first.commit]


def test_a_colleague_goes_on_from_what_was_fetched(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """A clone reads the fetched selection, and its own next one stands on top of it."""
    first = _select(results, _content(one="1"), 1)
    other = find_repository(clone(results.root, tmp_path / "other"))
    assert read_selection(other, "v6.1").commit == first.commit
    second = _select(other, _content(one="1"), 2)
    assert git(other.root, "rev-parse", "submission/v6.1^").strip() == first.commit
    assert read_selection(other, "v6.1").commit == second.commit


def test_a_clone_that_is_weeks_old_continues_from_what_it_fetches(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """Its own branch is behind: the fetched one counts, and the next selection builds on it."""
    _select(results, _content(one="1"), 1)
    other = find_repository(clone(results.root, tmp_path / "other"))
    git(other.root, "branch", "submission/v6.1", "origin/submission/v6.1")
    newer = _select(results, _content(one="2"), 1)
    git(other.root, "fetch", "--quiet")
    assert read_selection(other, "v6.1").commit == newer.commit
    assert gone_apart(other, "v6.1") == ""
    own = _select(other, _content(one="3"), 1)
    assert git(other.root, "rev-parse", "submission/v6.1^").strip() == newer.commit
    assert builds_on(other, own.commit, newer.commit)
    assert not builds_on(other, newer.commit, own.commit)
    assert not builds_on(results, newer.commit, own.commit)


def test_two_who_select_at_once_learn_of_each_other(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """Neither selection is lost or taken for the other; the way out is a command of Git."""
    _select(results, _content(one="1"), 1)
    other = find_repository(clone(results.root, tmp_path / "other"))
    own = _select(other, _content(one="mine"), 1)
    _select(results, _content(one="theirs"), 1)
    git(other.root, "fetch", "--quiet")
    assert read_selection(other, "v6.1").commit == own.commit
    assert gone_apart(other, "v6.1") == "origin/submission/v6.1"
    [note] = notes_on_others(other, SHIPPED["v6.1"])
    command = note.partition("`git ")[2].partition("`")[0].split()
    git(other.root, *command)
    assert gone_apart(other, "v6.1") == ""


def test_what_is_no_selection_is_refused(results: ResultsRepository) -> None:
    """No branch, a commit by hand, and a message of another round each say what to do."""
    with pytest.raises(UserError, match="Nothing is selected") as refused:
        read_selection(results, "v6.1")
    assert "mlrepo select" in refused.value.hint
    made = _select(results, _content(one="1"), 1)
    git(results.root, "branch", "submission/v6.0", made.commit)
    with pytest.raises(UserError, match="not made by `mlrepo select`"):
        read_selection(results, "v6.0")
    by_hand = git(
        results.root, "commit-tree", made.tree, "-p", made.commit, "-m", "mend a typo"
    ).strip()
    git(results.root, "update-ref", "refs/heads/submission/v6.1", by_hand)
    with pytest.raises(UserError, match="was not made by"):
        read_selection(results, "v6.1")


def test_a_checked_out_branch_is_not_moved(results: ResultsRepository) -> None:
    """Somebody who looks at the submission in a working tree keeps a clean one."""
    made = _select(results, _content(one="1"), 1)
    git(results.root, "switch", "--quiet", "submission/v6.1")
    with pytest.raises(UserError, match="is checked out"):
        _select(results, _content(one="2"), 1)
    assert git(results.root, "rev-parse", "submission/v6.1").strip() == made.commit
    assert git(results.root, "status", "--porcelain") == ""
    git(results.root, "switch", "--quiet", "main")


def test_existing_objects_are_taken_as_they_are(results: ResultsRepository) -> None:
    """A directory comes with its modes and links, a file over it wins, and nothing is copied."""
    source = results.root / "open" / "Acme" / "src"
    source.mkdir(parents=True)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    (source / "README.md").write_text("mine\n")
    git(results.root, "add", ".")
    git(results.root, "commit", "--quiet", "--message", "Write code")
    taken = view_head(results).entries(RepoPath.parse("open/Acme"))["src"]
    assert taken.mode == DIRECTORY
    place = RepoPath.parse("open/Acme/src")
    before = git(results.root, "for-each-ref", "refs/mlrepo")
    made = _select(results, {place / "README.md": b"over it\n", place: taken}, 1)
    listed = git(results.root, "ls-tree", "-r", made.commit).splitlines()
    assert [line.split()[0] + " " + line.split("\t")[1] for line in listed] == [
        "100644 open/Acme/src/README.md",
        "120000 open/Acme/src/link",
        "100755 open/Acme/src/run.sh",
    ]
    assert git(results.root, "show", f"{made.commit}:open/Acme/src/README.md") == "over it\n"
    assert git(results.root, "for-each-ref", "refs/mlrepo") == before == ""
