"""No hooks where nobody wants them; hooks without mlrepo say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.hook_install import (
    HOOKS,
    NO_HOOKS,
    hooks_that_call_us,
    install_hooks,
    missing_hooks,
    outdated_hooks,
)
from tests.samples import git, tried


def _hook(repository: ResultsRepository, name: str) -> Path:
    return repository.common_dir / "hooks" / name


@pytest.mark.parametrize("before", ["plain", "pre-commit"])
def test_none_installs_nothing_and_removes_what_mlrepo_installed(
    results: ResultsRepository, before: str
) -> None:
    """And nothing is missing or outdated then; hooks of others stay."""
    install_hooks(results, before)
    _hook(results, "pre-push").write_text("#!/bin/sh\nexit 0\n")
    assert "pre-commit" in outdated_hooks(results, "none")
    done = install_hooks(results, "none")
    assert (done.kind, done.written) == ("none", [])
    assert done.removed == ["pre-commit", "pre-merge-commit"]
    assert [path.name for path in _hook(results, "x").parent.iterdir() if "." not in path.name] == [
        "pre-push"
    ]
    assert outdated_hooks(results, "none") == []
    assert install_hooks(results, "none").removed == []


def test_the_setting_is_kept_by_doctor(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reports no hooks as what was wanted, and does not bring them back."""
    monkeypatch.chdir(results.root)
    monkeypatch.setenv("MLREPO_HOOKS", "none")
    install_hooks(results, "plain")
    main(["doctor", "--fix", "--quick"])
    said = capsys.readouterr().out
    assert "removed the hook pre-push" in said
    assert f"ok       hooks     {NO_HOOKS}" in said
    assert missing_hooks(results) == list(HOOKS)


def test_doctor_removes_hooks(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own; it names a hook of the user that runs mlrepo, and says how to have them again."""
    monkeypatch.chdir(results.root)
    install_hooks(results, "plain")
    own = _hook(results, "pre-commit")
    theirs = own.read_text().partition("exec ")[2]
    own.write_text(f"#!/bin/sh\n{theirs}")
    main(["doctor", "--remove-hooks", "--quick"])
    said = capsys.readouterr().out
    assert "removed the hook pre-push" in said
    assert f"{own} runs mlrepo: edit it" in said
    assert "mlrepo config set hooks none" in said
    assert hooks_that_call_us(results) == [own]
    assert main(["doctor", "--fix", "--remove-hooks"]) == 2


@pytest.mark.parametrize("kind", ["plain", "pre-commit"])
@pytest.mark.parametrize("gone", ["python", "mlrepo"])
def test_a_hook_of_an_uninstalled_mlrepo_says_what_to_do(
    results: ResultsRepository, kind: str, gone: str
) -> None:
    """In one line, and nothing is committed: the hook may be what holds an embargo."""
    (results.root / ".pre-commit-config.yaml").write_text("repos: []\n")
    install_hooks(results, kind)
    hook = _hook(results, "pre-commit")
    text = hook.read_text()
    path = sys.executable if gone == "python" else str(Path(text.partition("-r ")[2].split()[0]))
    hook.write_text(text.replace(path, f"{path}-gone"))
    (results.root / "file").write_text("x")
    git(results.root, "add", "file")
    code, said = tried(results.root, "commit", "-m", "x")
    assert code == 1
    [line] = said.splitlines()
    assert "Install mlrepo again and run `mlrepo doctor --fix`" in line
    assert "remove this hook: rm '.git/hooks/pre-commit'" in line


@pytest.mark.parametrize("name", ["pre-commit", "pre-push"])
def test_a_python_without_mlrepo_says_what_to_do(results: ResultsRepository, name: str) -> None:
    """The packages of a Python that was replaced by a newer one are not found any more."""
    script = Path(__file__).parents[2] / "hooks" / f"{name.replace('-', '_')}.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), "origin", "url"],
        cwd=results.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("mlrepo: mlrepo is not installed for ")
    assert "mlrepo doctor --fix" in line
