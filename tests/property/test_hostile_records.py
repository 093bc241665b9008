"""Whatever a stranger's record, trailers or logs contain, commands fail by their own rules."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from tests.hostile_records import Hostile, hostile_runs, push
from tests.samples import git

# Of some twelve thousand ways to spoil a run as many are tried; `make prove` tries them all.
_SOME = 60
_OF_ALL: tuple[tuple[str, ...], ...] = (
    ("log",),
    ("log", "--json"),
    ("status",),
    ("status", "--json"),
    ("select", "--quick"),
    ("doctor",),
    ("raw", "list"),
    ("raw", "gc", "--yes"),
    ("bench", "resume"),
    ("compare", "exp/hostile", "exp/box"),
    ("bench", "suite", "--model", "digits", "--scenario", "Offline", "--plan"),
)
_OF_ONE: tuple[tuple[str, ...], ...] = (
    ("show",),
    ("show", "--json"),
    ("bench", "replay", "--check", "--on-this-system"),
    ("compare", "latest"),
    ("raw", "export"),
    ("select", "--dry-run", "--run"),
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with an accuracy and a performance run of its own."""
    root = tmp_path_factory.mktemp("hostile") / "results"
    where = ("--submitter", "Acme", "--division", "open", "--system", "box")
    assert main(["init", str(root), *where]) == 0
    for mode in ("accuracy", "performance"):
        run = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", mode)
        more = ("--count", "100") if mode == "performance" else ()
        assert main(["-C", str(root), *run, *more]) == 0
    return root


def _kinds(root: Path) -> list[Hostile]:
    found = []
    for commit in git(root, "log", "--format=%H", "-2", "exp/box").split():
        message = git(root, "log", "-1", "--format=%B", commit)
        lines = message.strip().rpartition("\n\n")[2].splitlines()
        trailers = dict(line.split(": ", 1) for line in lines)
        run = trailers["MLRepo-Run"]
        names = git(root, "ls-tree", "--name-only", f"{commit}:runs/{run}").split()
        files = {name: git(root, "show", f"{commit}:runs/{run}/{name}").encode() for name in names}
        found += list(hostile_runs(files, trailers))
    return found


def _judge(root: Path, runs: list[Hostile], capsys: pytest.CaptureFixture[str]) -> None:
    ids = push(root, "hostile", runs)
    here = Path.cwd()
    os.chdir(root)
    capsys.readouterr()
    try:
        before = sorted(root.iterdir())
        for command in _OF_ALL:
            _ends(command, "all", capsys)
        for name, run in ids.items():
            for command in _OF_ONE:
                _ends((*command, run), name, capsys)
        exported = {path.name for path in set(root.iterdir()) - set(before)}
        assert all(name.endswith("-mlperf_log_accuracy.json") for name in exported)
    finally:
        os.chdir(here)


def _ends(command: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(list(command))
    captured = capsys.readouterr()
    assert code in (0, 1, 2), f"{command} of {what}: {code}\n{captured.err}"
    assert "Traceback" not in captured.err


def test_one_bad_record_stops_no_command(
    pristine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong types, huge numbers, surrogates, escapes, paths, broken logs: a sample of each run."""
    runs = _kinds(pristine)
    chosen = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID", "1")).sample(runs, _SOME)
    _judge(pristine, chosen, capsys)


@pytest.mark.slow
def test_no_bad_record_stops_any_command(
    pristine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All the ways, in batches."""
    runs = _kinds(pristine)
    for start in range(0, len(runs), 500):
        git(pristine, "update-ref", "-d", "refs/heads/exp/hostile")
        _judge(pristine, runs[start : start + 500], capsys)


def test_the_other_runs_go_on(pristine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad record is named, and what is good is listed, compared and selected beside it."""
    bad = [run for run in _kinds(pristine) if run.name in ("result.value text", "logs list")]
    git(pristine, "update-ref", "-d", "refs/heads/exp/hostile")
    ids = push(pristine, "hostile", bad[:2])
    here = Path.cwd()
    os.chdir(pristine)
    try:
        capsys.readouterr()
        assert main(["select", "--quick", "--dry-run", "--all"]) == 0
        told = capsys.readouterr().out
        assert "digits" in told
        assert main(["doctor"]) == 1
        told = capsys.readouterr().out
        assert "2 of 4 runs do not count" in " ".join(told.split())
        assert any(run in told for run in ids.values())
    finally:
        os.chdir(here)
