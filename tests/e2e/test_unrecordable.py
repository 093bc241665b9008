"""No file of a run can prevent its recording; the record says what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.e2e.driver import BENCH, LONG, blob, finish, measuring_child, mlrepo, spooled, start
from tests.samples import git

_TOO_LARGE = 60_000_000


def _edit(name: str, **changes: object) -> Callable[[Path], None]:
    """Return what changes keys of a JSON file."""

    def edit(run: Path) -> None:
        values = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(values | changes))

    return edit


def _write(name: str, data: bytes) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        (run / name).write_bytes(data)

    return write


def _tell(**event: object) -> Callable[[Path], None]:
    """Return what adds an event of the benchmark process."""

    def tell(run: Path) -> None:
        with (run / "events.jsonl").open("a") as stream:
            stream.write(json.dumps({"time": 1.0, **event}) + "\n")

    return tell


# What is large is made when its turn comes: every process that collects the tests imports this.
_DAMAGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda run: None,
    "60 MB printed": lambda run: _write("console.txt", b"x" * _TOO_LARGE)(run),
    "half a character in system.json": _edit("system.json", system_name="x\ud800y"),
    "no JSON in system.json": _write("system.json", b"{"),
    "a list in system.json": _write("system.json", b"[1]"),
    "no system.json": lambda run: (run / "system.json").unlink(),
    "60 MB of system.json": lambda run: _write(
        "system.json", b'{"a": "' + b"x" * _TOO_LARGE + b'"}'
    )(run),
    "a deep system.json": _write("system.json", b"[" * 100_000 + b"]" * 100_000),
    "no environment.json": lambda run: (run / "environment.json").unlink(),
    "no JSON in environment.json": _write("environment.json", b"\xff"),
    "a list in environment.json": _write("environment.json", b"[1]"),
    "60 MB of settings": lambda run: _write("user.conf", b"# " + b"x" * _TOO_LARGE)(run),
    "a damaged outcome": _write("outcome.json", b'{"returncode": 0'),
    "another outcome": _write("outcome.json", b'{"unknown": 1}'),
    "damaged noise": _write("noise.json", b"[" * 100_000),
    "a backend that is a list": _tell(event="finished", backend=[1]),
    "a backend of half a character": _tell(event="finished", backend={"name": "\udcff"}),
    "a data set that is a text": _tell(event="finished", dataset="digits"),
    "a 60 MB backend": lambda run: _tell(event="finished", backend={"a": "x" * _TOO_LARGE})(run),
    "a deep event": _write("events.jsonl", b"[" * 100_000 + b"\n"),
    "a traceback of 60 MB": lambda run: _tell(
        event="failed", message="m", traceback="t" * _TOO_LARGE
    )(run),
    "a message of 60 MB": lambda run: _tell(event="failed", message="m\ud800" + "m" * _TOO_LARGE)(
        run
    ),
}


def test_whatever_lies_in_its_directory_a_run_is_recorded(root: Path, tmp_path: Path) -> None:
    """Each damage alone: the run is on its branch afterwards, and can be shown."""
    process = start(root, *LONG)
    child = measuring_child(root)
    os.kill(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # it ends with its parent
        os.kill(child, signal.SIGKILL)
    finish(process)
    [left] = spooled(root)
    spool = root / ".git" / "mlrepo" / "spool"
    shutil.copytree(spool / left, tmp_path / "whole")
    for damage, apply in _DAMAGES.items():
        shutil.rmtree(spool / left, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", spool / left)
        apply(spool / left)
        said = mlrepo(root, "doctor", "--fix", "--quick", code=None)
        assert spooled(root) == [], f"{damage}: {said.out}{said.err}"
        assert json.loads(blob(root, f"runs/{left}/run.json"))["run"] == left, damage
        mlrepo(root, "show", left)
        git(root, "branch", "-D", "exp/box")


def test_a_framework_that_prints_without_end_is_recorded(root: Path) -> None:
    """What 60 MB of output leave in the commit is its two ends, and the run is as any other."""
    talk = 'sh -c \'head -c 60000000 /dev/zero | tr "\\0" x; echo; exec "$@"\' sh'
    mlrepo(root, *BENCH, "--prefix", talk)
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    console = blob(root, f"runs/{run}/console.txt")
    assert len(console) < 2_000_000
    assert b"mlrepo left out" in console
    assert spooled(root) == []


def test_a_system_that_no_file_can_hold_is_refused_before_measuring(root: Path) -> None:
    """Half a character in the description: said at once, and nothing is started."""
    file = root / "systems" / "box" / "system.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"system_name": "x\ud800y"}))
    mlrepo(root, *BENCH, code=2).says(str(file), "half a character")
    assert spooled(root) == []


def test_a_result_whose_name_is_too_long_is_recorded_and_not_placed(root: Path) -> None:
    """The system's name fits a directory, with the framework's behind it no more."""
    name = "a" * 250
    shutil.copytree(root / "systems" / "box", root / "systems" / name)
    done = mlrepo(root, *BENCH, "--system", name, "--experiment", "long")
    done.says("VALID", "not placed: its files cannot be laid out", "characters")
    assert spooled(root) == []
