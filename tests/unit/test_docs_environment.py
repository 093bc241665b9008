"""Environment variables are documented, and each command has a man page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from docs.generate import reference
from docs.man import pages
from mlrepo.cli.environment import all_variables
from mlrepo.cli.main import cli, main

ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"\b_?MLREPO_[A-Z_]+[A-Z]\b")
_PAGES = dict(pages())


def _documented() -> set[str]:
    return {name for names, _ in all_variables() for name in names.split(", ")}


def test_every_variable_of_mlrepo_in_the_code_is_documented() -> None:
    """In the reference and by `mlrepo help environment`."""
    sources = [*(ROOT / "mlrepo").rglob("*.py"), *(ROOT / "hooks").glob("*.py")]
    read = {name for path in sources for name in _NAME.findall(path.read_text())}
    assert "MLREPO_HOME" in read
    text = reference()
    for name in read:
        assert name in _documented(), f"{name} is in the code and not in mlrepo/cli/environment.py"
        assert f"`{name}`" in text


def test_other_variables_that_are_read_by_name_are_documented() -> None:
    """Those that a user sets, not those with which Git or pre-commit call."""
    called = {"GIT_INDEX_FILE", "HOME", "USER", "LOGNAME", "PATH", "TERM", "GIT_CONFIG_COUNT"}
    pattern = re.compile(r"environ(?:\(?[a-z_, ]*\))?\.get\(\"([A-Z_]+)\"")
    sources = (ROOT / "mlrepo").rglob("*.py")
    read = {name for path in sources for name in pattern.findall(path.read_text())}
    assert {"NO_COLOR", "COLUMNS", "MLREPO_HOME"} <= read
    assert read - called <= _documented()


def test_help_prints_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """As a topic beside the commands."""
    assert main(["help", "environment"]) == 0
    said = capsys.readouterr().out
    for name in ("MLREPO_ROUND", "CK_MLPERF_SUBMITTER", "CK_MLPERF_CMD_PREFIX", "NO_COLOR"):
        assert name in said


def _commands(group: click.Group, path: str) -> list[str]:
    context = click.Context(group)
    found = [path]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = f"{path}-{name}"
        found += _commands(command, below) if isinstance(command, click.Group) else [below]
    return found


def test_every_command_has_a_man_page() -> None:
    """With its options, and with where it belongs."""
    assert set(_PAGES) == {f"{path}.1" for path in _commands(cli, "mlrepo")}
    page = _PAGES["mlrepo-bench-run.1"]
    assert "\\-\\-benchmark, \\-\\-model TEXT" in page
    assert ".BR mlrepo\\-bench (1)" in page
    assert "\b\n" not in "".join(_PAGES.values())
    assert "".join(_PAGES.values()).isascii()


def test_troff_has_nothing_to_say_about_the_pages(tmp_path: Path) -> None:
    """No line of a help text is taken for a command of it."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    for name, text in _PAGES.items():
        (tmp_path / name).write_text(text)
    files = sorted(map(str, tmp_path.iterdir()))
    command = ["groff", "-Tutf8", "-man", "-ww", "-z", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if "cannot adjust" not in line]
    assert [line for line in lines if "can't break" not in line] == []
