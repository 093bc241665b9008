"""The documentation matches the program: its commands run, and every command is documented."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import reference, rules

ROOT = Path(__file__).parents[2]


def _tour() -> list[tuple[str, list[str]]]:
    """Return the commands of the README's tour with the output shown for each."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    steps: list[tuple[str, list[str]]] = []
    for line in block[1].splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def _skeleton(line: str) -> str:
    """Return a line without what differs between two runs: numbers, ids, paths, spacing, load."""
    line = re.sub(r"(VALID) ~", r"\1", line)  # `log` marks what a busy machine disturbed
    line = re.sub(r"/\S+", "PATH", line)
    line = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}|\b[0-9a-f]{6,40}\b|[\d.]+", "N", line)
    # "~" marks a run that other work disturbed, as on a machine that runs other tests beside it.
    return " ".join(word for word in line.split() if word != "~")


def test_the_tour_of_the_readme_runs_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command exits as its shown verdict says, and each shown line is printed."""
    home = tmp_path / "home"
    home.mkdir()
    env = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **{f"GIT_{r}_NAME": "Ada" for r in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{r}_EMAIL": "ada@example.org" for r in ("AUTHOR", "COMMITTER")},
    }
    cwd = tmp_path
    for command, shown in _tour():
        if command.startswith("cd "):
            cwd /= command[3:]
            continue
        done = subprocess.run(
            shlex.split(command), cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
        expected = 1 if any("INVALID" in line for line in shown) and "bench" in command else 0
        assert done.returncode == expected, (command, done.stdout, done.stderr)
        printed = {_skeleton(line) for line in done.stdout.splitlines()}
        missing = [line for line in shown if line != "…" and _skeleton(line) not in printed]
        assert not missing, (command, done.stdout)


def test_the_two_setup_commands_are_targets_of_the_makefile() -> None:
    """`make demo` and `make test` exist, and the CI script calls the second."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_reference_is_current() -> None:
    """The reference and the rules are what `make docs` writes, so each command and rule is told."""
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), "run `make docs`"
    assert (ROOT / "docs" / "rules.md").read_text() == rules(), "run `make docs`"


def test_the_tutorial_uses_only_options_that_exist() -> None:
    """Every long option after a mlrepo command in the tutorial stands in the reference."""
    known = set(re.findall(r"--[a-z-]+", (ROOT / "docs" / "reference.md").read_text()))
    text = (ROOT / "docs" / "tutorial.md").read_text()
    used = {
        option
        for line in re.findall(r"^mlrepo .*$", text, re.MULTILINE)
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert used <= known


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Every link within the documentation leads somewhere, every page is in the contents."""
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "docs", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "guides" / "engineer.html").is_file()
