"""The same hooks under pre-commit and prek, and beside other hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.hook_install import (
    HOOKS,
    LARGEST_FOR_FRAMEWORK,
    install_hooks,
    kind_of_hooks,
    missing_hooks,
    outdated_hooks,
)
from mlrepo.templates import render
from tests.samples import git, tried
from tests.submissions import Submission, put_full_log, write_submission

_CONFIGURATION = ".pre-commit-config.yaml"
_BIN = Path(sys.executable).parent
# mlrepo's own commands are not in it: a virtual environment that nobody activated.
_PATH = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if Path(p) != _BIN)


@pytest.fixture
def offered(results: ResultsRepository) -> ResultsRepository:
    """A results repository with the scaffold's configuration and no hook yet."""
    configuration = render("results_repo/pre-commit-config.yaml", {})
    (results.root / _CONFIGURATION).write_bytes(configuration)
    git(results.root, "add", ".")
    git(results.root, "commit", "--quiet", "-m", "Configure")
    return results


@pytest.fixture
def submission(offered: ResultsRepository) -> Submission:
    """A valid submission of v6.1, staged."""
    written = write_submission(offered.root, "v6.1")
    git(offered.root, "add", ".")
    return written


def _spoil(submission: Submission) -> None:
    summary = submission.result("Offline") / "performance/run_1/mlperf_log_summary.txt"
    summary.write_text(summary.read_text().replace("VALID", "INVALID"))
    git(submission.root, "add", ".")


def test_the_kind_follows_the_size_unless_it_is_set(offered: ResultsRepository) -> None:
    """Above 5,000 files the framework's scans of the working tree would cost seconds."""
    assert kind_of_hooks(offered, "auto") == "pre-commit"
    assert kind_of_hooks(offered, "plain") == "plain"
    blob = git(offered.root, "hash-object", "-w", "README.md").strip()
    tracked = len(git(offered.root, "ls-files").splitlines())
    entries = [f"100644 {blob}\tcode/{n}\n" for n in range(LARGEST_FOR_FRAMEWORK - tracked)]
    git(offered.root, "update-index", "--add", "--index-info", stdin="".join(entries))
    assert kind_of_hooks(offered, "auto") == "pre-commit"
    assert install_hooks(offered, "auto").kind == "pre-commit"
    git(offered.root, "update-index", "--add", "--cacheinfo", f"100644,{blob},one-more")
    assert kind_of_hooks(offered, "auto") == "plain"
    assert outdated_hooks(offered, "auto") == ["pre-commit", "pre-merge-commit"]
    assert install_hooks(offered, "auto").written == ["pre-commit", "pre-merge-commit"]
    assert outdated_hooks(offered, "auto") == missing_hooks(offered) == []
    assert kind_of_hooks(offered, "pre-commit") == "pre-commit"
    git(offered.root, "read-tree", "HEAD")


def test_a_configuration_of_others_gets_plain_hooks(results: ResultsRepository) -> None:
    """The framework would run nothing of mlrepo's; whoever insists is told what is missing."""
    (results.root / _CONFIGURATION).write_text("repos: []\n")
    assert install_hooks(results, "auto").kind == "plain"
    assert missing_hooks(results) == []
    [said] = install_hooks(results, "pre-commit").chain
    assert _CONFIGURATION in said


def test_the_framework_s_hook_refuses_and_accepts(submission: Submission) -> None:
    """Without mlrepo's commands in the path of the user; a log is cut, a bad result named."""
    root = submission.root
    assert install_hooks(_repository(root), "pre-commit").written == list(HOOKS)
    log = put_full_log(submission, "Offline", b"0123456789" * 2000)
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "full log", PATH=_PATH)
    assert code == 1
    assert "20000 → 8199 bytes" in said
    assert log.stat().st_size == 8199
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "cut", PATH=_PATH)
    assert code == 0, said
    assert "check results" in said
    _spoil(submission)
    code, said = tried(root, "commit", "-m", "bad", PATH=_PATH)
    assert code == 1
    assert "mlperf_log_summary.txt" in said
    git(root, "rm", "--quiet", "--cached", _CONFIGURATION)
    (root / _CONFIGURATION).unlink()
    code, said = tried(root, "commit", "-m", "without the configuration", PATH=_PATH)
    assert code == 1
    assert "mlrepo pre-commit" in said, "the plain hook goes on where there is none"


def test_the_framework_laid_over_it_runs_once(submission: Submission) -> None:
    """After ``pre-commit install`` the framework runs the hook that was there, then its own."""
    root = submission.root
    install_hooks(_repository(root), "pre-commit")
    _framework(root, "pre_commit", "install", "--hook-type", "pre-commit")
    assert (root / ".git/hooks/pre-commit.legacy").exists()
    assert missing_hooks(_repository(root)) == []
    environ = {"PATH": f"{_BIN}{os.pathsep}{_PATH}"}
    code, said = tried(root, "commit", "-m", "good", **environ)
    assert (code, said.count("check results")) == (0, 1), said
    _spoil(submission)
    code, said = tried(root, "commit", "-m", "bad", **environ)
    assert (code, said.count("check results")) == (1, 1), said


def test_prek_passes_the_same_configuration(submission: Submission) -> None:
    """All files, and as a hook of its own making."""
    if shutil.which("prek", path=str(_BIN)) is None:
        pytest.skip("prek is not installed: pip install prek")
    root = submission.root
    prek = str(_BIN / "prek")
    environ = {"PATH": f"{_BIN}{os.pathsep}{_PATH}", "PREK_HOME": str(root.parent / "prek")}
    code, said = _run(root, prek, "run", "--all-files", **environ)
    assert code == 0, said
    assert "check results" in said
    code, said = _run(root, prek, "install", **environ)
    assert code == 0, said
    assert missing_hooks(_repository(root)) == ["pre-push"], "prek runs no embargo"
    code, said = tried(root, "commit", "-m", "good", **environ)
    assert code == 0, said
    _spoil(submission)
    code, said = tried(root, "commit", "-m", "bad", **environ)
    assert code == 1
    assert "mlperf_log_summary.txt" in said
    git(root, "commit", "--quiet", "--no-verify", "-m", "bad")
    code, said = _run(root, prek, "run", "--all-files", **environ)
    assert code == 1, "with nothing staged all of the index is judged"
    assert "mlperf_log_summary.txt" in said


def test_the_framework_judges_what_is_pushed(submission: Submission, tmp_path: Path) -> None:
    """By the range that it names, not by the working tree."""
    root = submission.root
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(root, "commit", "--quiet", "-m", "good")
    _framework(root, "pre_commit", "install")
    environ = {"PATH": f"{_BIN}{os.pathsep}{_PATH}"}
    code, said = tried(root, "push", "origin", "main", **environ)
    assert code == 0, said
    _spoil(submission)
    git(root, "commit", "--quiet", "--no-verify", "-m", "bad")
    git(root, "restore", "--source=HEAD~1", "--", ".")
    code, said = tried(root, "push", "origin", "main", **environ)
    assert code != 0
    assert "mlperf_log_summary.txt" in said
    assert tried(root, "push", "origin", "main:refs/heads/exp/box", **environ)[0] == 0


def test_a_published_repository_is_judged_by_its_own_round(tmp_path: Path) -> None:
    """There is no mlrepo.toml: the title or the arguments of the hook say which round it is."""
    git(tmp_path, "init", "--quiet")
    written = write_submission(tmp_path, "v5.1")
    git(tmp_path, "add", ".")
    hook = (sys.executable, "-P", "-m", "mlrepo.hooks.check_submission")
    code, said = _run(tmp_path, *hook)
    assert code == 1
    assert "MLREPO_ROUND" in said
    assert _run(tmp_path, *hook, "--round", "v5.1") == (0, "")
    (tmp_path / "README.md").write_text("# MLPerf™ Inference v5.1 results\n")
    git(tmp_path, "add", ".")
    assert _run(tmp_path, *hook) == (0, "")
    _spoil(written)
    assert _run(tmp_path, *hook)[0] == 1
    assert _run(tmp_path, *hook, "--profile", "official") == (0, "")


def test_a_framework_of_others_runs_the_plain_hook_first(results: ResultsRepository) -> None:
    """Its hook is not touched; ours stands beside it where the framework looks for it."""
    root = results.root
    (root / _CONFIGURATION).write_text("repos: []\n")
    git(root, "add", ".")
    _framework(root, "pre_commit", "install", "--hook-type", "pre-commit")
    theirs = (root / ".git/hooks/pre-commit").read_bytes()
    assert missing_hooks(results) == list(HOOKS)
    installed = install_hooks(results, "auto")
    assert installed.written == ["pre-commit.legacy", "pre-merge-commit", "pre-push"]
    assert installed.chain == missing_hooks(results) == []
    assert (root / ".git/hooks/pre-commit").read_bytes() == theirs
    (root / "login").write_text("ghp_" + "a1B2" * 9)
    git(root, "add", ".")
    code, said = tried(root, "commit", "-m", "secret")
    assert code == 1
    assert "login:1" in said


@pytest.mark.parametrize("kept", ["hook", "hooksPath", "husky"])
def test_hooks_that_exist_are_kept(results: ResultsRepository, kept: str) -> None:
    """They are never overwritten; what to add to them is said, and works."""
    mine = results.common_dir / "hooks" / "pre-commit"
    if kept == "hooksPath":
        git(results.root, "config", "core.hooksPath", "my hooks")
        mine = results.root / "my hooks" / "pre-commit"
    if kept == "husky":
        git(results.root, "config", "core.hooksPath", ".husky/_")
        mine = results.root / ".husky" / "pre-commit"
        inner = results.root / ".husky" / "_" / "pre-commit"
        inner.parent.mkdir(parents=True)
        inner.write_text('#!/bin/sh\nexec sh "$(dirname "$0")/../pre-commit" "$@"\n')
        inner.chmod(0o755)
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("#!/bin/sh\nexit 0\n")
    installed = install_hooks(results, "auto")
    assert mine.read_text() == "#!/bin/sh\nexit 0\n"
    assert "hooks/pre_commit.py" in installed.chain[0]
    assert "pre-commit" in missing_hooks(results)
    mine.write_text("#!/bin/sh\n" + installed.chain[0].split(": ", 1)[1] + "\n")
    mine.chmod(0o755)
    assert "pre-commit" not in missing_hooks(results)
    (results.root / "t").write_text("ghp_" + "a1B2" * 9)
    git(results.root, "add", "t")
    assert tried(results.root, "commit", "-m", "chained")[0] == 1


def _repository(root: Path) -> ResultsRepository:
    return ResultsRepository(root, root / ".git", root / ".git")


def _framework(root: Path, module: str, *arguments: str) -> None:
    code, said = _run(root, sys.executable, "-m", module, *arguments)
    assert code == 0, said


def _run(root: Path, *command: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=root, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr
