"""A clone installs no hook that somebody else wrote unless the user agrees."""

from __future__ import annotations

from pathlib import Path

import pexpect
import pytest

from tests.e2e.driver import MLREPO, environment, mlrepo
from tests.samples import git, tried
from tests.terminal import Terminal

_CONFIGURATION = ".pre-commit-config.yaml"
_FOREIGN = """\
  - repo: local
    hooks:
      - id: format
        name: format
        entry: sh -c 'touch "$MARK"'
        language: system
        always_run: true
        pass_filenames: false
"""


def _offer(root: Path, text: str) -> None:
    (root / _CONFIGURATION).write_text((root / _CONFIGURATION).read_text() + text)
    git(root, "commit", "--quiet", "--no-verify", "-am", "More hooks")


def _commit(root: Path, mark: Path) -> None:
    (root / "note").write_text(mark.name)
    git(root, "add", "note")
    code, said = tried(root, "commit", "--allow-empty", "-m", "note", MARK=str(mark))
    assert code == 0, said


def test_without_a_terminal_the_plain_hooks_are_laid(root: Path, tmp_path: Path) -> None:
    """What is not laid is said with its command, also by doctor's way; agreed to, it runs."""
    _offer(root, _FOREIGN)
    done = mlrepo(tmp_path, "clone", str(root), "copy")
    done.says("format: sh -c 'touch", "Git hooks (plain)", "mlrepo trust --hooks")
    copy, mark = tmp_path / "copy", tmp_path / "ran"
    _commit(copy, mark)
    mlrepo(copy, "doctor", "--fix")
    _commit(copy, mark)
    assert not mark.exists()
    mlrepo(copy, "trust", "--hooks", code=2).says("no terminal", "--yes")
    mlrepo(copy, "trust", "--hooks", "--yes").says("Git hooks (pre-commit)")
    _commit(copy, mark.with_name("agreed"))
    assert mark.with_name("agreed").exists()
    mlrepo(copy, "trust", "--hooks", "--revoke").says("Git hooks (plain)")
    _commit(copy, mark)
    assert not mark.exists()
    mlrepo(copy, "trust", "--hooks", "--revoke", code=2)


def test_mlrepo_s_own_hooks_need_no_question(root: Path, tmp_path: Path) -> None:
    """The scaffold's configuration runs nothing else."""
    done = mlrepo(tmp_path, "clone", str(root), "copy")
    assert "besides" not in done.out + done.err
    done.says("Git hooks (pre-commit)")


def test_a_terminal_is_asked(root: Path, tmp_path: Path) -> None:
    """No is the default."""
    _offer(root, _FOREIGN)
    for answer, kind in (("", "plain"), ("y", "pre-commit")):
        command = [*MLREPO, "clone", str(root), kind]
        child = Terminal(command, tmp_path, environment(), size=(50, 400))
        child.expect_exact("format: sh -c")
        child.expect_exact("Lay them?")
        child.sendline(answer)
        child.expect_exact(f"Git hooks ({kind})")
        child.expect(pexpect.EOF)
        child.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("entry: mlrepo-secrets", "entry: sh -c mlrepo-secrets"),
        ("entry: mlrepo-secrets", "entry: mlrepo-secrets\n        args: [--config, x]"),
        (
            "entry: mlrepo-secrets\n        language: system",
            "entry: mlrepo-secrets\n        language: python",
        ),
        ("  - repo: local", "  - repo: https://example.org/mlrepo\n    rev: v1"),
        ("repos:", "a: &a [x, x]\nb: *a\nrepos:"),
        ("repos:", "repos: [[["),
        ("repos:", "# " + "x" * 70_000 + "\nrepos:"),
    ],
    ids=["entry", "arguments", "language", "repository", "aliases", "no YAML", "large"],
)
def test_what_only_looks_like_mlrepo_s_is_foreign(
    root: Path, tmp_path: Path, old: str, new: str
) -> None:
    """Also what cannot be read, and the setting `hooks` of the clone's own mlrepo.toml."""
    text = (root / _CONFIGURATION).read_text()
    assert old in text
    (root / _CONFIGURATION).write_text(text.replace(old, new, 1))
    (root / "mlrepo.toml").write_text((root / "mlrepo.toml").read_text() + 'hooks = "pre-commit"\n')
    git(root, "commit", "--quiet", "--no-verify", "-am", "Other hooks")
    done = mlrepo(tmp_path, "clone", str(root), "copy")
    done.says("besides mlrepo's own hooks", "Git hooks (plain)")


def test_what_a_pull_brings_runs_only_when_agreed_to(root: Path, tmp_path: Path) -> None:
    """Neither at the merge nor at the next commit; mlrepo's own checks go on meanwhile."""
    mlrepo(tmp_path, "clone", str(root), "copy").says("Git hooks (pre-commit)")
    copy, mark = tmp_path / "copy", tmp_path / "ran"
    _commit(copy, tmp_path / "mine")
    _offer(root, _FOREIGN)
    code, said = tried(copy, "pull", "--quiet", "--no-rebase", "--no-edit", MARK=str(mark))
    assert code == 0, said
    assert "format: sh -c 'touch" in said
    assert "mlrepo trust --hooks" in said
    _commit(copy, mark)
    assert not mark.exists()
    (copy / "login").write_text("ghp_" + "a1B2" * 9)
    git(copy, "add", "login")
    code, said = tried(copy, "commit", "-m", "secret", MARK=str(mark))
    assert code == 1
    assert "login:1" in said
    git(copy, "rm", "--quiet", "--cached", "login")
    mlrepo(copy, "trust", "--hooks", "--yes").says("until it changes")
    _commit(copy, mark)
    assert mark.exists()
    mark.unlink()
    (root / "note").write_text("more")
    git(root, "add", "note")
    _offer(root, _FOREIGN.replace("format", "other"))
    git(copy, "fetch", "--quiet")
    git(copy, "checkout", "--quiet", "origin/HEAD")
    (copy / "login").unlink()
    _commit(copy, mark.with_name("changed"))
    assert not mark.with_name("changed").exists()
