"""``mlrepo trust`` and runs under a profile with a script, killed and interrupted."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pexpect
import pytest

from tests.e2e.driver import LONG, MLREPO, environment, finish, gone, measuring_child, mlrepo, start
from tests.terminal import Terminal

_RUN = (
    "bench",
    "run",
    "--model",
    "digits",
    "--scenario",
    "Offline",
    "--mode",
    "performance",
    "--count",
    "1000",
)


@pytest.fixture
def state(root: Path, tmp_path: Path) -> Path:
    """A file that the script of the profile ``lab`` keeps its state in."""
    state = tmp_path / "state"
    state.write_text("off")
    (root / "platforms").mkdir()
    (root / "platforms" / "lab.toml").write_text('summary = "The lab\'s own"\nscript = "lab.sh"\n')
    (root / "platforms" / "lab.sh").write_text(
        f'#!/bin/sh\n[ "$1" = apply ] && printf on > {state} || printf off > {state}\n'
        'echo "as $USER, key $KEY"\n'
    )
    return state


def test_a_script_runs_after_it_was_read_and_trusted(root: Path, state: Path) -> None:
    """On a terminal the script is shown and a question asked; a no changes nothing."""
    mlrepo(root, "trust", "lab", code=2).says("no terminal", "--yes")
    refused = mlrepo(root, *_RUN, "--platform", "lab")
    refused.says("not set by the platform profile lab", "lab.sh: it is not trusted", "mlrepo trust")
    for answer, code in (("n", 130), ("y", 0)):
        environ = environment(PAGER="cat", TERM="dumb")
        terminal = Terminal([*MLREPO, "trust", "lab"], root, environ)
        terminal.expect_exact("#!/bin/sh")
        terminal.expect_exact("SHA-256")
        terminal.expect_exact("Trust it?")
        terminal.sendline(answer)
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == code, terminal.before
        listed = json.loads(mlrepo(root, "trust", "--json").out)
        assert listed["schema"] == "mlrepo.trust/1"
        assert [entry["name"] for entry in listed["scripts"]] == ["lab.sh"] * (answer == "y")
    secret = "hunter2-is-no-password"
    done = mlrepo(
        root, *_RUN, "--platform", "lab", "--json", USER="ada-lovelace", KEY=secret, API_KEY=secret
    )
    platform = json.loads(done.out)["record"]["host"]["platform"]
    assert platform["problems"] == []
    assert platform["script"]["action"] == "apply"
    assert "ada-lovelace" not in done.out
    assert secret not in done.out
    assert state.read_text() == "off"
    mlrepo(root, "trust", "lab", "--revoke")
    assert mlrepo(root, "trust").err == "No script is trusted here.\n"
    mlrepo(root, "trust", "lab", "--revoke", code=2).says("is not trusted")


def test_what_cannot_be_trusted_is_told(root: Path, state: Path) -> None:
    """No such profile, one without a script, options without a profile."""
    mlrepo(root, "trust", "no-such", code=2).says("no platform profile", "Profiles:")
    mlrepo(root, "trust", "generic-linux", code=2).says("has no script")
    mlrepo(root, "trust", "--yes", code=2).says("No profile is named")
    (root / "platforms" / "lab.sh").unlink()
    mlrepo(root, "trust", "lab", "--yes", code=2).says("is no plain file", "platforms/")


def test_a_clone_trusts_nothing(root: Path, state: Path, tmp_path: Path) -> None:
    """Trust lies under the Git directory of the one who read the script."""
    from tests.samples import git

    mlrepo(root, "trust", "lab", "--yes")
    git(root, "add", "platforms")
    git(root, "commit", "--quiet", "-m", "lab")
    git(tmp_path, "clone", "--quiet", str(root), "clone")
    assert json.loads(mlrepo(tmp_path / "clone", "trust", "--json").out)["scripts"] == []


def test_a_killed_run_is_undone_by_doctor(root: Path, state: Path) -> None:
    """kill -9 in the middle of a real run: named by ``doctor``, put back by ``doctor --fix``."""
    mlrepo(root, "trust", "lab", "--yes")
    process = start(root, *LONG, "--platform", "lab")
    child = measuring_child(root)
    assert state.read_text() == "on"
    process.kill()
    process.communicate()
    gone(child)
    assert state.read_text() == "on"
    mlrepo(root, "doctor", code=1).says("A run that crashed left the profile lab applied")
    assert state.read_text() == "on"
    mlrepo(root, "doctor", "--fix").says("restored script lab.sh")
    assert state.read_text() == "off"
    mlrepo(root, "doctor")


def test_a_killed_run_is_undone_by_the_next_run(root: Path, state: Path) -> None:
    """Whatever profile that has itself, and before it measures."""
    mlrepo(root, "trust", "lab", "--yes")
    process = start(root, *LONG, "--platform", "lab")
    child = measuring_child(root)
    process.kill()
    process.communicate()
    gone(child)
    assert state.read_text() == "on"
    mlrepo(root, *_RUN).says("Recovered the run")
    assert state.read_text() == "off"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_is_undone_at_once(root: Path, state: Path, number: signal.Signals) -> None:
    """Ctrl-C, ``kill`` and a closed terminal: the machine is as before when the command ends."""
    mlrepo(root, "trust", "lab", "--yes")
    process = start(root, *LONG, "--platform", "lab")
    measuring_child(root)
    assert state.read_text() == "on"
    process.send_signal(number)
    assert finish(process).code == 130
    assert state.read_text() == "off"
    assert mlrepo(root, "platform", "restore").out == "Nothing to put back.\n"


def test_an_impatient_second_ctrl_c_does_not_cut_the_restoring_in_two(
    root: Path, state: Path
) -> None:
    """In a terminal it goes to the whole foreground group, while the script puts things back."""
    script = root / "platforms" / "lab.sh"
    script.write_text(script.read_text().replace("[", "sleep 1\n[", 1))
    mlrepo(root, "trust", "lab", "--yes")
    command = [*MLREPO, *LONG, "--platform", "lab"]
    terminal = Terminal(command, root, environment(TERM="xterm"))
    child = measuring_child(root)
    terminal.sendintr()
    gone(child)
    time.sleep(0.3)
    assert state.read_text() == "on"
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert state.read_text() == "off"
    mlrepo(root, "doctor", "--fix")  # the run is recorded, there or here
    runs = json.loads(mlrepo(root, "log", "--json").out)["runs"]
    assert [run["validity"] for run in runs] == ["INTERRUPTED"]


_SWAPPINESS = Path("/proc/sys/vm/swappiness")


@pytest.mark.skipif(not os.access(_SWAPPINESS, os.W_OK), reason="needs root on the machine itself")
def test_the_kernel_s_own_setting_returns_after_kill_9(root: Path) -> None:
    """The same with a file of the kernel, as root."""
    before = _SWAPPINESS.read_text().strip()
    wanted = "7" if before != "7" else "8"
    (root / "platforms").mkdir()
    (root / "platforms" / "swap.toml").write_text(f"[state]\nswappiness = {wanted}\n")
    process = start(root, *LONG, "--platform", "swap")
    child = measuring_child(root)
    try:
        assert _SWAPPINESS.read_text().strip() == wanted
    finally:
        process.kill()
        process.communicate()
        gone(child)
        mlrepo(root, "doctor", "--fix").says("restored /proc/sys/vm/swappiness")
    assert _SWAPPINESS.read_text().strip() == before
