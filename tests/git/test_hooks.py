"""The hooks, by real ``git commit``, ``merge`` and ``push``."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.hook_install import install_hooks
from tests.samples import git, tried
from tests.submissions import Submission, put_full_log

TOKEN = "ghp_" + "a1B2" * 9
FULL = b"0123456789" * 2000


def _full_log(submission: Submission) -> Path:
    """Put a full accuracy log in the place of a truncated one, as copying a run in does."""
    return put_full_log(submission, "Offline", FULL)


def test_a_full_log_is_refused_fixed_and_accepted(submission: Submission) -> None:
    """The log is cut in the working tree, never added; after ``git add`` the commit passes."""
    root, log = submission.root, _full_log(submission)
    git(root, "add", ".")
    staged = git(root, "write-tree")
    code, said = tried(root, "commit", "-m", "result")
    assert code == 1
    assert "20000 → 8199 bytes" in said
    assert "git add" in said
    assert git(root, "write-tree") == staged
    assert log.stat().st_size == 8199
    code, said = tried(root, "commit", "-m", "result")
    assert (code, "what is staged is the full log" in said) == (1, True)
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "result")
    assert code == 0, said
    raw = find_repository(root).store / "raw"
    assert [p.read_bytes() for p in raw.glob("?" * 64)] == [FULL]


def test_a_log_that_accuracy_txt_does_not_name_is_refused_and_left(submission: Submission) -> None:
    """Both hashes are told, and which logs lie there: the text is evidence, never made to fit."""
    root, log = submission.root, submission.result("Offline") / "accuracy/mlperf_log_accuracy.json"
    text = log.with_name("accuracy.txt").read_bytes()
    for data in (FULL, log.read_bytes().replace(b"\n", b"\r\n") + b" " * 50):
        log.write_bytes(data)
        git(root, "add", ".")
        code, said = tried(root, "commit", "-m", "another log")
        assert code == 1
        assert hashlib.sha256(data).hexdigest() in said
        assert text.decode().rpartition("hash=")[2].strip() in said
        assert log.with_name("accuracy.txt").read_bytes() == text
        assert log.read_bytes() == data


def test_the_log_of_another_test_is_not_cut(submission: Submission) -> None:
    """TEST06 has an accuracy log that no round truncates; TEST01's is truncated."""
    for test, cut in (("TEST06", False), ("TEST01", True)):
        log = submission.result("Offline") / test / "accuracy" / "mlperf_log_accuracy.json"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.with_name("accuracy.txt").unlink(missing_ok=True)
        log.write_bytes(FULL)
        git(submission.root, "add", ".")
        tried(submission.root, "commit", "-m", test)
        assert (log.stat().st_size < len(FULL)) == cut
        assert log.with_name("accuracy.txt").exists() == cut


def test_commit_all_and_commit_path_and_amend_are_judged(hooked: ResultsRepository) -> None:
    """What counts is the index that git hands to the hook, not the one on disk."""
    root = hooked.root
    readme, other = root / "README.md", root / "mlrepo.toml"
    readme.write_text(f"token {TOKEN}\n")
    assert tried(root, "commit", "-a", "-m", "all")[0] == 1
    assert tried(root, "commit", "-m", "path", "--", "README.md")[0] == 1
    assert tried(root, "commit", "-a", "--amend", "--no-edit")[0] == 1
    other.write_text(other.read_text() + "# more\n")
    git(root, "add", "README.md")
    code, said = tried(root, "commit", "-m", "other", "--", "mlrepo.toml")
    assert code == 0, said  # README.md is staged, but not part of this commit
    code, said = tried(root, "commit", "-m", "rest")
    assert code == 1
    assert "README.md:1" in said
    assert TOKEN not in said
    assert tried(root, "commit", "--no-verify", "-m", "rest")[0] == 0


def test_the_first_commit_is_judged(tmp_path: Path) -> None:
    """A repository without a commit has hooks that work."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mlrepo.toml").write_text(f'# {TOKEN}\nround = "v6.1"\n')
    install_hooks(find_repository(tmp_path), "plain")
    git(tmp_path, "add", ".")
    assert tried(tmp_path, "commit", "-m", "first")[0] == 1


def test_a_merge_is_judged_and_a_worktree_too(submission: Submission, tmp_path: Path) -> None:
    """``pre-merge-commit`` sees what the other side brings; linked worktrees share the hooks."""
    root, tree = submission.root, tmp_path / 'linked "tree"'
    git(root, "worktree", "add", "--quiet", "-b", "side", str(tree))
    log = _full_log(replace(submission, root=tree))
    git(tree, "add", ".")
    assert tried(tree, "commit", "-m", "result")[0] == 1
    assert log.stat().st_size == 8199
    log.write_bytes(FULL)
    git(tree, "commit", "--quiet", "--no-verify", "--all", "-m", "full log")
    code, said = tried(root, "merge", "--no-ff", "--no-edit", "side")
    assert code != 0
    assert "mlperf_log_accuracy.json" in said


def test_rebase_cherry_pick_and_stash_work(hooked: ResultsRepository) -> None:
    """Git's other verbs are not in the way of the hooks, nor the hooks in theirs."""
    root = hooked.root
    git(root, "switch", "--quiet", "-c", "side")
    (root / "a").write_text("a\n")
    git(root, "add", "a")
    git(root, "commit", "--quiet", "-m", "a")
    git(root, "switch", "--quiet", "main")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "empty")
    git(root, "cherry-pick", "side")
    git(root, "switch", "--quiet", "side")
    git(root, "rebase", "--quiet", "main")
    (root / "README.md").write_text(TOKEN)
    git(root, "stash")
    git(root, "stash", "pop")
    assert (root / "README.md").read_text() == TOKEN


@pytest.fixture
def remote(hooked: ResultsRepository, tmp_path: Path) -> str:
    """A bare remote named ``origin`` that has the first commit."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(hooked.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(hooked.root, "push", "--quiet", "origin", "main")
    return str(tmp_path / "remote.git")


def _set(root: Path, line: str) -> None:
    with (root / "mlrepo.toml").open("a") as stream:
        stream.write(line + "\n")


def test_results_wait_for_the_embargo(
    hooked: ResultsRepository, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the date only to a private remote, from any branch; without results at any time."""
    root = hooked.root
    _set(root, "embargo = 2999-01-01")
    git(root, "commit", "--quiet", "-am", "Set the embargo")
    assert tried(root, "push", "origin", "main")[0] == 0
    git(root, "switch", "--quiet", "--orphan", "exp/box")
    (root / "runs" / "1").mkdir(parents=True)
    (root / "runs" / "1" / "run.json").write_text("{}\n")
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "-m", "run")
    for target in ("origin", remote):
        code, said = tried(root, "push", target, "exp/box")
        assert code != 0
        assert "2999-01-01" in said
        assert "private_remotes" in said
    assert git(Path(remote), "branch", "--format=%(refname:short)").split() == ["main"]
    monkeypatch.setenv("MLREPO_PRIVATE_REMOTES", "backup, origin")
    assert tried(root, "push", "origin", "exp/box")[0] == 0
    monkeypatch.delenv("MLREPO_PRIVATE_REMOTES")
    assert tried(root, "push", "origin", ":exp/box")[0] == 0
    git(root, "update-ref", "-d", "refs/remotes/origin/exp/box")
    monkeypatch.setenv("MLREPO_EMBARGO", "2020-01-01")
    assert tried(root, "push", "origin", "exp/box")[0] == 0


def test_a_push_is_searched_through_its_whole_history(
    hooked: ResultsRepository, remote: str
) -> None:
    """A secret that a later commit removed would leave all the same."""
    root = hooked.root
    (root / "login").write_text(f"first\n{TOKEN}\n")
    git(root, "add", "login")
    git(root, "commit", "--quiet", "--no-verify", "-m", "oops")
    git(root, "rm", "--quiet", "login")
    git(root, "commit", "--quiet", "-m", "gone")
    code, said = tried(root, "push", "origin", "main")
    assert code != 0
    assert "login:2" in said
    assert TOKEN not in said
    git(root, "reset", "--quiet", "--hard", "origin/main")
    assert tried(root, "push", "origin", "main")[0] == 0


def test_a_file_over_the_limit_of_github_is_refused(hooked: ResultsRepository) -> None:
    """100 MiB and one byte; the limit itself passes."""
    big = hooked.root / "weights.bin"
    big.touch()
    os.truncate(big, 100 * 1024 * 1024 + 1)
    git(hooked.root, "-c", "core.bigFileThreshold=1m", "add", "weights.bin")
    code, said = tried(hooked.root, "commit", "-m", "big")
    assert code == 1
    assert "weights.bin" in said
