"""Output for people, pipes and machines."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.driver import BENCH, MLREPO, environment, mlrepo
from tests.terminal import seen_on_terminal

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[mK]")


def _shell(root: Path, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    text = command.replace("mlrepo", shlex.join(MLREPO), 1)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", text],
        cwd=root,
        env=environment(**environ),
        capture_output=True,
        text=True,
        check=False,
    )


def _terminal(root: Path, *arguments: str, **environ: str) -> tuple[str, int]:
    """Run a command on a terminal of its own and return what it shows and its exit code.

    Without a pager: it would wait for a key.
    """
    known = environment(TERM="xterm", GIT_PAGER="cat", **environ)
    return seen_on_terminal([*MLREPO, *arguments], root, known, size=(24, 200))


@pytest.mark.parametrize(
    "command",
    [
        "mlrepo log | head -1",
        "mlrepo log | true",
        "mlrepo show latest | head -c 10",
        "mlrepo show latest --log detail | head -c 10",
        "mlrepo log --json | head -2",
        "mlrepo --help | head -1",
        "mlrepo doctor | true",
    ],
)
def test_a_reader_that_goes_away_is_no_error(measured: Path, command: str) -> None:
    """``| head`` ends the command in silence: no traceback, no message, exit code 0."""
    for _ in range(3):  # whether the pipe is closed in time is a race
        done = _shell(measured, command)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_full_output_device_is_an_error(measured: Path) -> None:
    """What cannot be printed is not silently lost."""
    done = _shell(measured, "mlrepo log > /dev/full")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (("log",), "mlrepo.log/1"),
        (("show",), "mlrepo.show/1"),
        (("doctor",), "mlrepo.doctor/2"),
        (("config", "list"), "mlrepo.config/1"),
        (("raw", "list"), "mlrepo.raw/1"),
        (("system", "list"), "mlrepo.system.list/1"),
        (("system", "detect"), "mlrepo.system.detect/1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_output_is_one_document_with_its_schema_first(
    measured: Path, arguments: tuple[str, ...], schema: str
) -> None:
    """Machines get JSON and nothing else on the standard output."""
    done = mlrepo(measured, *arguments, "--json")
    assert done.json["schema"] == schema
    assert next(iter(done.json)) == "schema"
    assert done.err == ""


def test_json_of_a_run_is_not_mixed_with_progress(root: Path) -> None:
    """Progress goes to the standard error, also of a run that fails."""
    done = mlrepo(root, *BENCH, "--json", "--backend", "raising", code=1)
    assert done.json["record"]["validity"] == "FAILED"
    assert "starting" in done.err
    added = mlrepo(root, "system", "add", "other", "--json").json
    assert added["schema"] == "mlrepo.system.add/1"
    assert added["written"] == ["systems/other/system.json", "systems/other/user.v6.1.conf"]


def test_without_a_terminal_output_is_plain_lines(root: Path) -> None:
    """No escape sequence and no carriage return reach a file or a CI log."""
    done = mlrepo(root, *BENCH, TERM="xterm")
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err
    lines = _own(done.err.splitlines())
    assert lines[0] == "digits Offline accuracy: starting"
    for line in lines:
        assert line.startswith("digits Offline accuracy: ")


def test_a_terminal_shows_colours_unless_no_color_is_set(measured: Path) -> None:
    """NO_COLOR holds, whatever its value; columns stay where they are."""
    coloured, code = _terminal(measured, "log")
    plain, _ = _terminal(measured, "log", NO_COLOR="1")
    assert code == 0
    assert "\x1b[32mVALID\x1b[0m" in coloured
    assert "\x1b" not in plain
    assert _ESCAPE.sub("", coloured) == plain
    # A terminal explains the marks of runs that were disturbed, below the table.
    table = plain.replace("\r\n", "\n")
    piped = mlrepo(measured, "log").out
    assert table.startswith(piped)
    assert all(line.startswith("~ ") for line in table.removeprefix(piped).splitlines())


@pytest.mark.parametrize("command", [("show",), ("doctor",), ("log",)], ids=" ".join)
def test_no_command_colours_when_no_color_is_set(measured: Path, command: tuple[str, ...]) -> None:
    """Every command that colours obeys NO_COLOR."""
    assert "\x1b" in _terminal(measured, *command)[0]
    assert "\x1b" not in _terminal(measured, *command, NO_COLOR="1")[0]


def test_progress_on_a_terminal_is_one_line_that_goes_away(root: Path) -> None:
    """A short run rewrites one line and ends with the result alone."""
    shown, code = _terminal(root, *BENCH)
    assert code == 0
    assert "\rdigits Offline accuracy: starting" in shown
    left = [line.split("\r")[-1] for line in shown.replace("\r\n", "\n").split("\n")]
    about, result = _own(left)[:2]
    assert about.startswith("digits Offline accuracy: about ")
    assert result.startswith("\x1b[1mdigits Offline accuracy: 99.4 %")


def test_a_question_without_a_terminal_is_answered_with_no(root: Path) -> None:
    """Nobody is there to confirm: the command ends, nothing is deleted."""
    log = root / ".git" / "mlrepo" / "raw" / ("0" * 64)
    log.parent.mkdir(parents=True)
    log.write_text("log")
    os.utime(log, (0, 0))  # a young one is not asked about
    mlrepo(root, "raw", "gc", code=130).says("Delete them permanently?")
    assert log.exists()


@pytest.mark.parametrize("more", ["", "--round v5.1"], ids=["progress", "remark"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_goes_away_stops_no_run(root: Path, more: str, unbuffered: str) -> None:
    """``2>&1 | head`` may lose the messages of a benchmark, never the benchmark.

    For an older round the first of them is a remark on LoadGen.
    """
    command = f"mlrepo {shlex.join(BENCH)} {more} 2>&1 | true"
    done = _shell(root, command, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (0, "")
    assert [run["validity"] for run in mlrepo(root, "log", "--json").json["runs"]] == ["VALID"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf_8_breaks_nothing(root: Path, encoding: str) -> None:
    """Characters that cannot be printed are escaped; JSON stays JSON with the same content."""
    mlrepo(root, *BENCH, "--tag", "größe-日本", PYTHONIOENCODING=encoding)
    for command in ("log", "show"):
        shown = _shell(root, f"mlrepo {command} > shown", PYTHONIOENCODING=encoding)
        assert (shown.returncode, shown.stderr) == (0, "")
    (run,) = mlrepo(root, "log", "--json", PYTHONIOENCODING=encoding).json["runs"]
    assert run["tags"] == ["größe-日本"]


def test_a_tag_that_is_not_utf_8_breaks_nothing(root: Path) -> None:
    """Bytes of another encoding in an argument are recorded and printed somehow."""
    done = _shell(root, f"mlrepo {shlex.join(BENCH)} --tag $'gr\\xf6\\xdfe'")
    assert done.returncode == 0, done.stderr
    for command in ("log", "show", "log --json", "show --json", "doctor"):
        assert _shell(root, f"mlrepo {command}").returncode == 0


def test_a_bug_leaves_a_report_and_one_line(root: Path) -> None:
    """Exit code 70, the report under .git/mlrepo, no traceback on the screen."""
    script = (
        "import sys, mlrepo.repository.history as h\n"
        "def broken(*a, **k): raise AssertionError('unforeseen')\n"
        "h.recorded_runs = broken\n"
        "from mlrepo.cli.main import main\n"
        "sys.exit(main(['log', '--tag', 'private']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert "This is a bug of mlrepo: AssertionError: unforeseen" in done.stderr
    (report,) = (root / ".git" / "mlrepo" / "crash").iterdir()
    assert report.name in done.stderr
    text = report.read_text()
    assert "Traceback" in text
    assert "private" not in text.partition("\n\n")[0]


def _own(lines: list[str]) -> list[str]:
    """Leave out what a run says where tests run side by side, and of digits before each."""
    others = " of mlrepo on this machine", "For practice only, "
    return [line for line in lines if not any(other in line for other in others)]
