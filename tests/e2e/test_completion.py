"""What the shell offers after TAB, requested as the shells do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.repository.recorder import RUNS
from mlrepo.repository.run_ids import run_ids
from tests.e2e.driver import environment

_BIN = Path(sys.executable).parent


@pytest.fixture
def offered(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    """A function that returns what is offered after ``mlrepo`` and the words."""
    monkeypatch.chdir(measured)
    monkeypatch.setenv("_MLREPO_COMPLETE", "bash_complete")

    def ask(words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", f"mlrepo {words}")
        monkeypatch.setenv("COMP_CWORD", str(1 + words.count(" ")))
        assert main([]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return [line.partition(",")[2] for line in said.out.splitlines()]

    return ask


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ("", ["init", "bench", "log", "completion"]),
        ("lo", ["log"]),
        ("bench ru", ["run"]),
        ("bench run --sce", ["--scenario"]),
        ("bench run --backend ", ["onnx", "tvm-onnx"]),
        ("bench run --benchmark ", ["digits", "resnet50"]),
        ("bench run --benchmark=dig", ["digits"]),
        ("bench run --benchmark resnet50 --model-variant v1.5-o", ["v1.5-opset-11"]),
        ("bench run --scenario off", ["Offline"]),
        ("bench run --mode ", ["accuracy", "performance"]),
        ("bench run --system ", ["box"]),
        ("bench run --platform gen", ["generic-linux"]),
        ("bench run --experiment ", ["box"]),
        ("bench run --layout ", ["nchw", "nhwc"]),
        ("log --tag f", ["first"]),
        ("bench compliance --test TEST0", ["TEST01", "TEST04"]),
        ("model fetch resnet50/v1.5-p", ["resnet50/v1.5-pytorch"]),
        ("config set ro", ["round"]),
        ("config set profile ", ["strict", "official"]),
        ("config set round v6", ["v6.1"]),
        ("round show v5", ["v5.0"]),
        ("system show b", ["box"]),
        ("platform use no", ["none"]),
        ("check --explain performance-v", ["performance-validity"]),
        ("help bench su", ["suite"]),
        ("show ", ["latest"]),
        ("run withdraw lat", ["latest"]),
        ("experiment rename ", ["box"]),
        ("log --sort res", ["result"]),
        ("bench run --backend tvm-onnx --backend-opt mc", ["mcpu="]),
        ("bench run --set min_d", ["min_duration="]),
    ],
)
def test_names_are_offered(offered: object, words: str, some: list[str]) -> None:
    """Of commands, options, and what is in the repository and installed."""
    found = offered(words)  # type: ignore[operator]
    assert set(some) <= set(found), found
    last = words.rpartition(" ")[2].rpartition("=")[2]
    assert all(name.lower().startswith(last.lower()) for name in found)


def test_runs_are_offered_by_the_beginning_of_their_id_or_of_its_last_part(
    offered: object, measured: Path
) -> None:
    """The newest first; the id is what `git` has below runs/."""
    newest = run_ids(measured)
    assert newest == sorted(newest, reverse=True)
    shown = subprocess.run(
        ["git", "ls-tree", "--name-only", "exp/box", f"{RUNS}/"],
        cwd=measured,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert sorted(newest) == sorted(Path(name).name for name in shown)
    assert offered("show ") == ["latest", *newest]  # type: ignore[operator]
    short = newest[3].rpartition("-")[2]
    assert offered(f"show {short[:4]}") == [short]  # type: ignore[operator]
    assert newest[3] in offered(f"compare {newest[3][:12]}")  # type: ignore[operator]


@pytest.mark.parametrize("words", ["show ", "bench run --system ", "log --tag ", "nonsense x"])
def test_outside_of_a_repository_nothing_is_said(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message would be printed into the user's prompt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_MLREPO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"mlrepo {words}")
    monkeypatch.setenv("COMP_CWORD", str(1 + words.count(" ")))
    assert main([]) == 0
    said = capsys.readouterr()
    assert (said.out.strip(), said.err) == ("", "")


def test_names_are_those_of_the_directory_that_c_names(
    offered: object, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mlrepo -C DIR show TAB``."""
    monkeypatch.chdir(tmp_path)
    assert "box" in offered(f"-C {measured} system show ")  # type: ignore[operator]


def test_bash_completes_with_the_script(measured: Path) -> None:
    """The script that is printed, in a real shell."""
    lines = (
        'eval "$(mlrepo completion bash)"',
        "COMP_WORDS=(mlrepo bench ru) COMP_CWORD=2",
        "_mlrepo_completion mlrepo",
        'echo "${COMPREPLY[@]}"',
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        cwd=measured,
        env=environment(PATH=f"{_BIN}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["run"], done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_with_the_script(measured: Path) -> None:
    """And shows what a command does."""
    done = subprocess.run(
        ["fish", "-c", 'mlrepo completion fish | source; complete -C "mlrepo lo"'],
        cwd=measured,
        env=environment(PATH=f"{_BIN}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "log\tList the recorded runs; newest first.\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_read_their_scripts(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a syntax error, where the shell is installed; the script calls mlrepo anyway."""
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_MLREPO_COMPLETE={shell}_complete" in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(text)
    subprocess.run([program, "-n", str(script)], check=True)
