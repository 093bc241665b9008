"""``kill -9`` at any moment of a submission, then the same command: one of each, always."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver import MLREPO, environment
from tests.e2e.forge_world import FORK, OFFICIAL, ROUND, World, one_of_each
from tests.git_server import AFTER, BEFORE, Fault

# What changes something elsewhere: the fork, the branch, the request.
_CHANGING = {
    "fork": "POST /api/v3/repos/.*/forks$",
    "push": f"POST /{FORK}.git/git-receive-pack",
    "request": "POST /api/v3/repos/.*/pulls$",
}
_COMMAND = [*MLREPO, "submit", "--yes", "--round", ROUND, "--timeout", "5", "--wait", "20"]


def _start(world: World, **environ: str | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        _COMMAND,
        cwd=world.root,
        env=environment(**(world.settings | environ)),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _killed_by_server(world: World, pattern: str, when: str, skip: int = 0) -> bool:
    """Kill the command when the server gets a request, and say whether that happened.

    Git's own processes are left alone: they go on beside the next run, as in life.
    """
    process = _start(world)
    killer = Fault(pattern, lambda handler: os.kill(process.pid, signal.SIGKILL), when, 1, skip)
    world.server.faults = [killer]
    process.communicate(timeout=60)
    world.server.faults = []
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def _completes(world: World) -> None:
    world.submit()
    one_of_each(world)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("step", _CHANGING)
def test_a_kill_around_what_changes_something(world: World, step: str, when: str) -> None:
    """Just before and just after the fork, the branch and the request come into being."""
    assert _killed_by_server(world, _CHANGING[step], when)
    _completes(world)


@pytest.mark.parametrize("steps", range(1, 10))
def test_a_kill_between_any_two_steps(world: World, steps: int) -> None:
    """After each line that tells of a step."""
    process = _start(world)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(steps)]
    process.kill()
    process.communicate(timeout=60)
    assert all(told)
    _completes(world)


def test_many_kills_in_one_submission(world: World) -> None:
    """Killed a request later each time: the next run goes on, and the last one ends it."""
    skip = 0
    while _killed_by_server(world, "", AFTER, skip):
        skip += 4
    assert skip > 8
    _completes(world)


@pytest.mark.slow
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_kill_at_every_request(world: World, when: str) -> None:
    """Each request of a whole submission, before and after it took effect."""
    kept = world.root.with_name("kept")
    shutil.copytree(world.root, kept, symlinks=True)
    number = 0
    while _killed_by_server(world, "", when, number):
        _completes(world)
        number += 1
        _begin_anew(world, kept)
    assert number > 20


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_every_process(world: World, before: bool) -> None:
    """Each git process of a whole submission, before it starts and after it ended."""
    kept = world.root.with_name("kept")
    shutil.copytree(world.root, kept, symlinks=True)
    shim = world.root.parent / "bin" / "git"
    count = world.root.parent / "count"
    shim.parent.mkdir()
    real, kill = shutil.which("git"), '[ "$n" = "$KILL_AT" ] && kill -9 $PPID'
    shim.write_text(
        f"#!/bin/sh\necho >> {count}\nn=$(wc -l < {count})\n"
        + (
            f'{kill}\nexec {real} "$@"\n'
            if before
            else f'{real} "$@"\ncode=$?\n{kill}\nexit $code\n'
        )
    )
    shim.chmod(0o755)
    number = 0
    while True:
        number += 1
        count.write_text("")
        process = _start(world, PATH=f"{shim.parent}:{os.environ['PATH']}", KILL_AT=str(number))
        process.communicate(timeout=60)
        _completes(world)
        if process.returncode == 0:
            break
        _begin_anew(world, kept)
    assert number > 20


def _begin_anew(world: World, kept: Path) -> None:
    """Forget everything at the forge and in the repository."""
    shutil.rmtree(world.root)
    shutil.copytree(kept, world.root, symlinks=True)
    shutil.rmtree(world.fork, ignore_errors=True)
    world.github.repositories.pop(FORK.lower(), None)
    world.github.pulls.pop(OFFICIAL.lower(), None)
