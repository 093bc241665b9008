"""Long output on a terminal goes through the pager that Git would use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
import pytest

from tests.e2e.driver import MLREPO, environment
from tests.terminal import Terminal, seen_on_terminal

_LONG = ("round", "show", "v6.1")


def _on_terminal(cwd: Path, *arguments: str, **environ: str | None) -> tuple[int, str]:
    """Run mlrepo on a terminal of 80 columns; return its exit code and what was seen."""
    known = environment(**{"TERM": "xterm", "GIT_PAGER": None, "PAGER": None, **environ})
    seen, code = seen_on_terminal([*MLREPO, *arguments], cwd, known, size=(10, 80))
    return code, seen


@pytest.mark.parametrize(
    "environ",
    [
        {"GIT_PAGER": "sed s/^/P:/", "PAGER": "false"},
        {"PAGER": "sed 's/^/P:/' | cat"},
        {"LESS": None, "PAGER": "sh -c 'echo P:$LESS; exec cat'"},
    ],
    ids=["GIT_PAGER", "for a shell", "LESS"],
)
def test_the_pager_is_the_one_of_git(tmp_path: Path, environ: dict[str, str | None]) -> None:
    """GIT_PAGER comes before PAGER; a command line is for the shell; LESS is set as Git does."""
    code, seen = _on_terminal(tmp_path, *_LONG, **environ)
    assert code == 0
    assert seen.startswith("P:FRX" if "LESS" in environ else "P:")
    assert "BENCHMARK" in seen
    assert "\x1b[1m" in seen


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--no-pager", *_LONG), {"PAGER": "sed s/^/P:/"}),
        ((*_LONG, "--no-pager"), {"PAGER": "sed s/^/P:/"}),
        (_LONG, {"PAGER": "cat"}),
        (_LONG, {"PAGER": ""}),
        (_LONG, {"PAGER": "no-such-pager"}),
        (_LONG, {"PAGER": "sed s/^/P:/", "TERM": "dumb"}),
    ],
    ids=["--no-pager", "--no-pager last", "cat", "empty", "missing", "dumb"],
)
def test_without_a_pager_the_terminal_gets_it_all(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str | None]
) -> None:
    """Whatever the reason, nothing is lost."""
    code, seen = _on_terminal(tmp_path, *arguments, **environ)
    assert code == 0
    assert "P:" not in seen
    assert "BENCHMARK" in seen
    assert "MEANING" in seen


def test_a_pager_that_is_left_early_is_no_error(tmp_path: Path) -> None:
    """As in `git log`, also when it reads nothing."""
    for pager in ("head -1", "true"):
        code, seen = _on_terminal(tmp_path, *_LONG, PAGER=pager)
        assert code == 0
        assert "Traceback" not in seen
        assert "mlrepo:" not in seen


def test_a_mistake_starts_no_pager(tmp_path: Path) -> None:
    """Its message is on the terminal, with its exit code."""
    code, seen = _on_terminal(tmp_path, "round", "show", "v99", PAGER="sed s/^/P:/")
    assert code == 2
    assert "P:" not in seen
    assert "v99" in seen


def test_ctrl_c_leaves_the_pager_its_terminal(tmp_path: Path) -> None:
    """mlrepo waits until the pager ends."""
    pager = tmp_path / "pager"
    pager.write_text(
        f"#!{sys.executable}\nimport signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('shown:', len(sys.stdin.read()) > 0, flush=True)\n"
        "open('/dev/tty').readline()\nprint('left', flush=True)\n"
    )
    pager.chmod(0o755)
    environ = environment(TERM="xterm", GIT_PAGER=str(pager)) | {"PATH": os.environ["PATH"]}
    child = Terminal([*MLREPO, *_LONG], tmp_path, environ, timeout=120)
    child.expect("shown: True")
    child.sendintr()
    child.sendline("")
    child.expect("left")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
