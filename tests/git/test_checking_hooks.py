"""Results that the hooks refuse, with every Git command that brings one in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.hooks.pre_commit import WATCHED
from mlrepo.paths import DIVISIONS
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.hook_install import install_hooks
from mlrepo.templates import render
from tests.samples import git, tried
from tests.submissions import Submission, put_full_log, write_submission

Break = Callable[[str], str]
# What a commit must not wait for; cerberus explains, so a sound description needs none.
_HEAVY = {"pygit2", "click", "cerberus", "numpy", "rich", "yaml", "onnxruntime", "asyncio", "ssl"}
# Nor may a commit of other files wait for these of the standard library.
_SPARED = {"site", "re", "json", "typing", "subprocess", "pathlib", "dataclasses", "mlrepo.hooks"}


def _snapshot(root: Path) -> tuple[str, str, dict[str, bytes]]:
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }
    return git(root, "status", "--porcelain=v2"), git(root, "write-tree"), files


@pytest.mark.parametrize(
    "arguments",
    [("-m", "x"), ("-a", "-m", "x"), ("-m", "x", "--", "closed"), ("--amend", "--no-edit")],
    ids=["index", "all", "path", "amend"],
)
def test_an_invalid_result_is_refused_and_nothing_moves(
    submission: Submission, break_result: Break, arguments: tuple[str, ...]
) -> None:
    """Index, working tree and HEAD are as before; the findings name file and rule."""
    root = submission.root
    detail = break_result("Offline")
    if "-a" not in arguments:
        git(root, "add", ".")
    (root / "closed" / "notes.txt").write_text("untracked\n")
    before, head = _snapshot(root), git(root, "rev-parse", "HEAD")
    code, said = tried(root, "commit", *arguments)
    assert code == 1
    assert f"{detail}:" in said
    assert "[performance-validity]" in said
    assert "SingleStream" not in said
    assert (_snapshot(root), git(root, "rev-parse", "HEAD")) == (before, head)
    assert tried(root, "commit", "--no-verify", *arguments)[0] == 0


def test_only_what_is_staged_is_judged(submission: Submission, break_result: Break) -> None:
    """A result that is invalid already is not this commit's; one repaired beside it passes."""
    root = submission.root
    break_result("Offline")
    git(root, "commit", "--quiet", "--no-verify", "--all", "-m", "known to be bad")
    readme = submission.result("SingleStream") / "README.md"
    readme.write_text("Another word.\n")
    (root / "README.md").write_text("Results\n")
    assert tried(root, "commit", "--all", "-m", "other result")[0] == 0
    break_result("SingleStream")
    git(root, "add", ".")
    git(root, "restore", "--staged", "closed")
    (root / "README.md").write_text("More results\n")
    assert tried(root, "commit", "-m", "the rest", "--", "README.md")[0] == 0
    description = root / "closed/Acme/systems/alpha.json"
    values = json.loads(description.read_text())
    description.write_text(json.dumps({**values, "hw_notes": "quiet room"}))
    code, said = tried(root, "commit", "-m", "description", "--", str(description))
    assert code == 0, said
    description.write_text(json.dumps({**values, "system_type": "mainframe"}))
    code, said = tried(root, "commit", "-m", "description", "--", str(description))
    assert code == 1
    assert "alpha.json" in said


def test_an_experiment_branch_is_left_to_bench(submission: Submission, break_result: Break) -> None:
    """What was recorded there was judged; only secrets and full logs are refused."""
    root = submission.root
    git(root, "switch", "--quiet", "-c", "exp/box")
    break_result("Offline")
    assert tried(root, "commit", "--all", "-m", "placed by hand")[0] == 0
    put_full_log(submission, "Offline", b"0123456789" * 2000)
    assert tried(root, "commit", "--all", "-m", "full log")[0] == 1


def test_a_commit_imports_only_what_it_needs(submission: Submission, break_result: Break) -> None:
    """By Python's own report from the running hook, for a result and for another file."""
    root = submission.root
    (root / "README.md").write_text("Results, see https://example.org/\n")
    code, said = tried(root, "commit", "--all", "-m", "x", PYTHONPROFILEIMPORTTIME="1")
    assert code == 0, said
    assert not _imported(said) & (_HEAVY | _SPARED)
    (submission.result("Offline") / "README.md").write_text("Words.\n")
    code, said = tried(root, "commit", "--all", "-m", "x", PYTHONPROFILEIMPORTTIME="1")
    assert code == 0, said
    assert "mlrepo.checker.changes" in _imported(said)
    assert not _imported(said) & _HEAVY


def _imported(said: str) -> set[str]:
    return set(re.findall(r"^import time: .*\| +(\S+)$", said, re.MULTILINE))


def test_a_committed_module_is_never_run(hooked: ResultsRepository) -> None:
    """The working directory is not on Python's path: a json.py there is data."""
    root = hooked.root
    for name in ("json.py", "site.py", "subprocess.py", "mlrepo.py", "sitecustomize.py"):
        (root / name).write_text("raise SystemExit('ran')\n")
    (root / "open").mkdir()
    (root / "open" / "stray.txt").write_text("x\n")
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "x")
    assert code == 1
    assert "ran" not in said.replace("branch", "")
    assert "open/stray.txt" in said


@pytest.fixture
def remote(submission: Submission, tmp_path: Path) -> Path:
    """A bare remote named ``origin`` that has the valid results."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(submission.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(submission.root, "push", "--quiet", "origin", "main")
    return tmp_path / "remote.git"


@pytest.mark.parametrize("verb", ["rebase", "cherry-pick", "merge --ff-only"])
def test_what_no_commit_hook_sees_is_refused_by_the_push(
    submission: Submission, break_result: Break, remote: Path, verb: str
) -> None:
    """Git runs no hook for these verbs; the tree at the tip is judged, and the remote unmoved."""
    root = submission.root
    git(root, "switch", "--quiet", "-c", "side")
    break_result("Offline")
    git(root, "commit", "--quiet", "--no-verify", "--all", "-m", "bad")
    bad = git(root, "rev-parse", "HEAD").strip()
    git(root, "switch", "--quiet", "main")
    if verb == "rebase":
        git(root, "commit", "--quiet", "--allow-empty", "-m", "more")
        git(root, "rebase", "--quiet", "main", "side")
        git(root, "switch", "--quiet", "-C", "main", "side")
    else:
        git(root, *verb.split(), bad)
    there = git(remote, "rev-parse", "main")
    code, said = tried(root, "push", "origin", "main")
    assert code != 0
    assert "[performance-validity]" in said
    assert "nothing was pushed" in said
    assert git(remote, "rev-parse", "main") == there
    code, said = tried(root, "push", "origin", "main:refs/heads/new")
    assert code != 0, "a branch that the remote has not yet is judged by where it left the others"
    assert tried(root, "push", "origin", "main:refs/heads/exp/box")[0] == 0
    git(root, "revert", "--no-edit", "HEAD")
    code, said = tried(root, "push", "origin", "main")
    assert code == 0, said


def test_a_conflict_resolved_badly_is_refused(submission: Submission, break_result: Break) -> None:
    """A cherry-pick that stopped is ended by a commit, which the hook judges."""
    root = submission.root
    notes = submission.result("Offline") / "README.md"
    git(root, "switch", "--quiet", "-c", "side")
    notes.write_text("side\n")
    git(root, "commit", "--quiet", "--all", "-m", "side")
    git(root, "switch", "--quiet", "main")
    notes.write_text("main\n")
    git(root, "commit", "--quiet", "--all", "-m", "main")
    assert tried(root, "cherry-pick", "side")[0] != 0
    notes.write_text("both\n")
    break_result("Offline")
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "both")
    assert code == 1
    assert "[performance-validity]" in said
    git(root, "restore", "--source=HEAD", "--staged", "--worktree", "closed")
    notes.write_text("both\n")
    git(root, "add", ".")
    assert tried(root, "-c", "core.editor=true", "cherry-pick", "--continue")[0] == 0


def test_a_submodule_and_its_superproject_are_judged(
    submission: Submission, break_result: Break, tmp_path: Path
) -> None:
    """The hooks of a submodule live in the superproject's Git directory, and find their way."""
    above = tmp_path / "above"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(above))
    (above / "mlrepo.toml").write_text('round = "v6.1"\n')
    install_hooks(find_repository(above), "plain")
    git(
        above,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(submission.root),
        "inner results",
    )
    assert tried(above, "commit", "-m", "add the submodule")[0] == 0
    inner = above / "inner results"
    install_hooks(find_repository(inner), "plain")
    shutil.rmtree(inner / "closed")
    write_submission(inner, "v6.1")
    put_full_log(replace(submission, root=inner), "Offline", b"0123456789" * 2000)
    code, said = tried(inner, "commit", "--all", "-m", "full")
    assert code == 1
    assert "20000 → 8199" in said
    code, said = tried(inner, "commit", "--all", "-m", "cut")
    assert code == 0, said
    assert tried(above, "commit", "--all", "-m", "move the submodule")[0] == 0


def test_odd_names_are_quoted_and_judged(submission: Submission) -> None:
    """Quotes and newlines go through; what the rules forbid is named on one line."""
    root = submission.root
    code = root / "closed" / "Acme" / "src"
    (code / 'it\'s"quoted".txt').write_text("fine\n")
    git(root, "add", ".")
    code_, said = tried(root, "commit", "-m", "quotes")
    assert code_ == 0, said
    (code / "a b").mkdir()
    (code / "a b" / "two\nlines.txt").write_text("x\n")
    git(root, "add", ".")
    code_, said = tried(root, "commit", "-m", "spaces")
    assert code_ == 1
    assert "closed/Acme/src/a b: The name contains a space." in said
    git(root, "commit", "--quiet", "--no-verify", "-m", "spaces")
    (code / "a b" / "more.txt").write_text("x\n")
    git(root, "add", ".")
    assert tried(root, "commit", "-m", "the directory was there")[0] == 0
    (code / "two\nlines \x1b[31m.txt").write_text("x\n")
    git(root, "add", ".")
    code_, said = tried(root, "commit", "-m", "escape")
    assert code_ == 1
    assert "two\\nlines \\x1b[31m.txt: The name contains a space." in said


@pytest.mark.parametrize("kind", ["plain", "pre-commit"])
def test_the_hooks_need_no_network(
    submission: Submission, break_result: Break, remote: Path, kind: str
) -> None:
    """In a clone, in a network namespace without any interface: commit, merge and push."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network namespace")
    (submission.root / ".pre-commit-config.yaml").write_bytes(
        render("results_repo/pre-commit-config.yaml", {})
    )
    git(submission.root, "add", ".")
    git(submission.root, "commit", "--quiet", "-m", "Configure")
    git(submission.root, "push", "--quiet", "origin", "main")
    clone = submission.root.parent / "clone"
    git(submission.root.parent, "clone", "--quiet", "--branch=main", str(remote), str(clone))
    assert install_hooks(find_repository(clone), kind).kind == kind
    detail = break_result("Offline")

    def alone(*arguments: str) -> tuple[int, str]:
        command = ["unshare", "--net", "git", *arguments]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    git(clone, "switch", "--quiet", "-c", "side")
    shutil.copy(submission.root / detail, clone / detail)
    code, said = alone("commit", "--all", "-m", "bad")
    assert code == 1
    assert "[performance-validity]" in said
    git(clone, "commit", "--quiet", "--no-verify", "--all", "-m", "bad")
    git(clone, "switch", "--quiet", "main")
    code, said = alone("merge", "--no-ff", "--no-edit", "side")
    assert code != 0
    assert "[performance-validity]" in said
    git(clone, "merge", "--abort")
    code, said = alone("push", "origin", "side")
    assert code != 0
    assert "[performance-validity]" in said
    (clone / "README.md").write_text("Results\n")
    code, said = alone("commit", "--all", "-m", "good")
    assert code == 0, said
    code, said = alone("push", "origin", "main")
    assert code == 0, said


def test_settings_that_cannot_be_read_refuse_results_only(submission: Submission) -> None:
    """The message names file and line; what needs no settings is committed all the same."""
    root = submission.root
    (root / "mlrepo.toml").write_text('round = "v6.1\n')
    assert tried(root, "commit", "--all", "-m", "settings")[0] == 0
    (submission.result("Offline") / "README.md").write_text("Words.\n")
    code, said = tried(root, "commit", "--all", "-m", "result")
    assert code == 1
    assert "mlrepo.toml is not valid TOML" in said
    assert "Traceback" not in said


def test_the_directories_watched_are_those_of_results_and_systems() -> None:
    """The hook spells them out, since importing them would cost every commit."""
    assert (*(f"{division}/" for division in DIVISIONS), "systems/") == WATCHED
