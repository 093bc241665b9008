"""A run stopped by a person, a signal, a time limit or a crash is still recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.driver import (
    BENCH,
    LONG,
    MLREPO,
    branch_files,
    children,
    environment,
    everything,
    finish,
    gone,
    measuring_child,
    mlrepo,
    refs,
    spool,
    spooled,
    start,
    until,
)
from tests.samples import git
from tests.terminal import Terminal


def _recorded(root: Path) -> list[tuple[str, str]]:
    """Return validity and place of every recorded run, newest first."""
    runs = mlrepo(root, "log", "--json").json["runs"]
    return [(run["validity"], run["placed"]) for run in runs]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_is_recorded_as_interrupted(root: Path, number: signal.Signals) -> None:
    """Ctrl-C, ``kill`` and a closed terminal: recorded, not placed, exit code 130, child gone."""
    process = start(root, *LONG)
    child = measuring_child(root)
    process.send_signal(number)
    done = finish(process)
    assert done.code == 130
    done.says("INTERRUPTED", f"Stopped by {number.name} while measuring", "not placed")
    gone(child)
    assert spooled(root) == []
    assert _recorded(root) == [("INTERRUPTED", "")]
    assert not [path for path in branch_files(root) if path.startswith("open/")]
    mlrepo(root, "doctor")


def test_ctrl_c_in_a_terminal_reaches_only_mlrepo(root: Path) -> None:
    """In a real terminal Ctrl-C goes to the whole foreground group; the benchmark is not in it."""
    terminal = Terminal([*MLREPO, *LONG], root, environment(TERM="xterm"))
    child = measuring_child(root)
    time.sleep(0.5)  # a few progress lines
    terminal.sendintr()
    shown = terminal.read()
    terminal.close()
    assert terminal.exitstatus == 130
    gone(child)
    assert "SingleStream performance: measuring" in shown
    assert "s left" in shown
    assert "\x1b[33mINTERRUPTED\x1b[0m" in shown
    assert _recorded(root) == [("INTERRUPTED", "")]


def test_an_impatient_second_ctrl_c_loses_nothing(root: Path) -> None:
    """Whoever presses Ctrl-C again and again still has the run: recorded now or by the next run."""
    process = start(root, *LONG)
    child = measuring_child(root)
    for _ in range(50):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    done = finish(process)
    # The interpreter itself may be hit while it ends, after all is done.
    assert done.code in (130, -signal.SIGINT)
    gone(child)
    mlrepo(root, "doctor", "--fix")
    assert _recorded(root) == [("INTERRUPTED", "")]
    assert spooled(root) == []


def test_a_time_limit_ends_the_run(root: Path) -> None:
    """``--timeout`` is a failure with its reason: the user wanted the run to end, not this way."""
    done = mlrepo(root, *LONG, "--timeout", "1.5", code=1)
    done.says("FAILED", "Stopped by --timeout")
    assert _recorded(root) == [("FAILED", "")]
    assert spooled(root) == []
    assert list(children(root)) == []


def test_a_child_that_ignores_the_request_to_end_is_killed(root: Path) -> None:
    """SIGTERM comes first; what does not listen is killed after a grace period."""
    process = start(root, *LONG, "--prefix", 'sh -c \'trap "" TERM; "$@"; :\' sh')
    child = measuring_child(root)
    group = os.getpgid(child)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    gone(child)
    gone(group)  # the shell, which leads the group


def _kill_mlrepo(root: Path, *arguments: str) -> tuple[int, list[str]]:
    process = start(root, *LONG, *arguments)
    child = measuring_child(root)
    process.kill()
    process.communicate(timeout=30)
    return child, spooled(root)


def test_the_benchmark_dies_with_mlrepo(root: Path) -> None:
    """After ``kill -9`` of mlrepo no orphan keeps the machine busy and disturbs the next run."""
    child, _ = _kill_mlrepo(root)
    gone(child)


def test_the_benchmark_dies_with_mlrepo_behind_a_command_prefix(root: Path) -> None:
    """A prefix that stays between mlrepo and the benchmark keeps nothing alive either."""
    child, _ = _kill_mlrepo(root, "--prefix", "sh -c '\"$@\"; :' sh")
    gone(child)


@pytest.mark.parametrize("way", ["doctor --fix", "the next run"])
def test_a_run_whose_mlrepo_was_killed_is_recorded_later(root: Path, way: str) -> None:
    """``kill -9`` of mlrepo itself: the run waits in the spool until somebody records it."""
    before = refs(root)
    child, waiting = _kill_mlrepo(root)
    gone(child)
    assert len(waiting) == 1
    assert refs(root) == before
    mlrepo(root, "doctor", code=1).says("problem", "spool", "not recorded yet", "doctor --fix")
    assert spooled(root) == waiting

    if way == "doctor --fix":
        mlrepo(root, "doctor", "--fix").says(f"recorded the run {waiting[0]} (INTERRUPTED)")
        assert _recorded(root) == [("INTERRUPTED", "")]
    else:
        done = mlrepo(root, *BENCH)
        assert f"Recovered the run {waiting[0]} (INTERRUPTED)." in done.err
        assert [validity for validity, _ in _recorded(root)] == ["VALID", "INTERRUPTED"]
    assert spooled(root) == []
    shown = mlrepo(root, "show", waiting[0])
    shown.says("mlrepo itself was killed while the run was measuring")
    assert git(root, "log", "--format=%an", "exp/box", "-1").strip() == "Ada Author"
    mlrepo(root, "doctor")


def test_a_finished_run_whose_mlrepo_was_killed_is_judged_like_any_other(root: Path) -> None:
    """If only recording was missing, the recovered run is VALID and placed."""
    process = start(root, *BENCH, "--backend", "without-framework")
    lock = root / ".git" / "refs" / "heads" / "exp" / "box.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()  # recording waits for it, so that the test can kill mlrepo just there
    until(lambda: list(spool(root).glob("*/outcome.json")), "the benchmark to end")
    process.kill()
    process.communicate(timeout=30)
    lock.unlink()
    mlrepo(root, "doctor", "--fix").says("recorded the run", "(VALID)")
    assert _recorded(root) == [("VALID", "open/Acme/results/box/digits/Offline")]


def test_a_living_run_is_left_alone_by_recovery(root: Path) -> None:
    """``doctor --fix`` beside a running benchmark touches nothing of it."""
    process = start(root, *LONG)
    measuring_child(root)
    waiting = spooled(root)
    mlrepo(root, "doctor", "--fix")
    assert spooled(root) == waiting
    assert _recorded(root) == []
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert _recorded(root) == [("INTERRUPTED", "")]


def test_a_directory_that_died_before_anything_started_is_removed(root: Path) -> None:
    """A crash while the spool directory was being made leaves nothing worth a commit."""
    before = everything(root)
    (spool(root) / "20261123T120000Z-0a1b2c").mkdir(parents=True)
    mlrepo(root, "doctor", "--fix")
    assert spooled(root) == []
    assert everything(root) == before


def test_a_damaged_directory_in_the_spool_does_not_stop_the_next_run(root: Path) -> None:
    """What cannot be recorded is kept and named; new runs go on."""
    damaged = spool(root) / "20261123T120000Z-0a1b2c"
    damaged.mkdir(parents=True)
    (damaged / "spec.json").write_text('{"run": {"work')
    done = mlrepo(root, *BENCH)
    assert "20261123T120000Z-0a1b2c" in done.err
    assert [validity for validity, _ in _recorded(root)] == ["VALID"]
    assert spooled(root) == ["20261123T120000Z-0a1b2c"]
    mlrepo(root, "doctor", "--fix", code=1).says("20261123T120000Z-0a1b2c", "cannot be recorded")


def test_a_locked_branch_is_busy_and_the_run_waits(root: Path) -> None:
    """A stale lock of git: exit code 75, the lock is named, and the run is recorded afterwards."""
    lock = root / ".git" / "refs" / "heads" / "exp" / "box.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    done = mlrepo(root, *BENCH, code=75)
    done.says("box.lock", "doctor --fix", "kept in the spool")
    assert len(spooled(root)) == 1
    os.utime(lock, (time.time() - 7200,) * 2)
    mlrepo(root, "doctor", code=1).says("problem", "locks", "box")
    mlrepo(root, "doctor", "--fix").says("removed", "box.lock", "recorded the run")
    assert [validity for validity, _ in _recorded(root)] == ["VALID"]


def test_two_runs_at_once_are_both_recorded(root: Path) -> None:
    """Two benchmarks side by side in one repository on one branch: two commits, one line."""
    first, second = start(root, *BENCH), start(root, *BENCH, "--threads", "1")
    codes = (finish(first).code, finish(second).code)
    assert codes == (0, 0)
    assert len(_recorded(root)) == 2
    assert git(root, "rev-list", "--merges", "exp/box") == ""
    assert spooled(root) == []


def test_mlrepo_works_in_the_background_without_a_terminal(root: Path) -> None:
    """With all standard streams closed, as cron jobs may have them, the run is still recorded."""
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *MLREPO, *BENCH], cwd=root, env=environment()
    )
    assert process.wait(timeout=60) == 0
    assert [validity for validity, _ in _recorded(root)] == ["VALID"]


def test_messages_without_a_terminal_are_lost_and_nothing_else(root: Path) -> None:
    """The exit code is the command's own, and no other file is written to in their place."""
    command = ("config", "get", "nope")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *MLREPO, *command],
        cwd=root,
        env=environment(),
        timeout=60,
    )
    assert closed.returncode == 2
