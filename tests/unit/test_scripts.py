"""Profile scripts: trusted ones run, others do not, and their effect is always undone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.errors import Busy, UserError
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import Profile, load_profile
from mlrepo.systems.scripts import Script
from mlrepo.systems.tuning import Tuner
from tests import machines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the script writes its calls to."""
    return tmp_path / "log"


@pytest.fixture
def platforms(tmp_path: Path, log: Path) -> Path:
    """A directory with the profile ``lab`` and its script."""
    directory = tmp_path / "platforms"
    directory.mkdir()
    (directory / "lab.toml").write_text('script = "lab.sh"\n[state]\nswappiness = 1\n')
    (directory / "lab.sh").write_text(f'#!/bin/sh\necho "$1" >> {log}\necho "did $1"\n')
    return directory


@pytest.fixture
def tuner(tmp_path: Path) -> Tuner:
    """The tuner of a recorded machine."""
    return Tuner(Machine(machines.tunable(tmp_path / "machine")), tmp_path / "store" / "platform")


def _calls(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def _trusted(tuner: Tuner, platforms: Path) -> Profile:
    profile = load_profile(platforms, "lab")
    assert profile.script is not None
    tuner.scripts.trust(profile.script)
    return profile


def test_a_script_that_nobody_trusted_does_not_run(
    tuner: Tuner, platforms: Path, log: Path
) -> None:
    """The rest is done and the reason told; a required profile is refused."""
    with tuner.applied(load_profile(platforms, "lab")) as applied:
        assert applied.problems == (
            "script lab.sh: it is not trusted: read it, then run `mlrepo trust`",
        )
        assert tuner.machine.text("proc/sys/vm/swappiness") == "1"
    assert tuner.machine.text("proc/sys/vm/swappiness") == "60"
    toml = platforms / "lab.toml"
    toml.write_text(f"required = true\n{toml.read_text()}")
    with pytest.raises(UserError, match=r"script lab\.sh: it is not trusted"):
        tuner.apply(load_profile(platforms, "lab"))
    assert tuner.machine.text("proc/sys/vm/swappiness") == "60"
    assert not tuner.journal.path.exists()
    assert _calls(log) == []


def test_a_trusted_script_runs_around_the_body(tuner: Tuner, platforms: Path, log: Path) -> None:
    """After the state is set, and before it is put back; what it printed is recorded."""
    with tuner.applied(_trusted(tuner, platforms)) as applied:
        assert applied.problems == ()
        assert applied.script is not None
        assert applied.script.output == "did apply"
        assert _calls(log) == ["apply"]
    assert _calls(log) == ["apply", "restore"]
    assert sorted(p.name for p in tuner.directory.iterdir()) == ["lock", "trusted.json"]


def test_a_script_that_changed_is_not_trusted_any_more(
    tuner: Tuner, platforms: Path, log: Path
) -> None:
    """One byte suffices; trust that was revoked is gone."""
    profile = _trusted(tuner, platforms)
    script = platforms / "lab.sh"
    script.write_text(script.read_text() + "#\n")
    with tuner.applied(load_profile(platforms, "lab")) as applied:
        assert "not trusted" in applied.problems[0]
    assert profile.script is not None
    assert tuner.scripts.distrust(profile.script)
    assert not tuner.scripts.distrust(profile.script)
    with tuner.applied(profile) as applied:
        assert "not trusted" in applied.problems[0]
    assert _calls(log) == []


def test_what_restores_is_what_applied(tuner: Tuner, platforms: Path, log: Path) -> None:
    """Another branch may be checked out meanwhile, with another script or none."""
    tuner.apply(_trusted(tuner, platforms))
    (platforms / "lab.sh").write_text("#!/bin/sh\nexit 9\n")
    changes = tuner.restore()
    assert changes is not None
    assert not any(change.problem for change in changes)
    assert [change.label for change in changes] == ["script lab.sh", "/proc/sys/vm/swappiness"]
    assert _calls(log) == ["apply", "restore"]


def test_a_copy_that_was_tampered_with_does_not_run(
    tuner: Tuner, platforms: Path, log: Path
) -> None:
    """Nor one whose trust was revoked: the journal stays, and says what is left to do."""
    tuner.apply(_trusted(tuner, platforms))
    (copy,) = tuner.directory.glob("script-*")
    whole = copy.read_bytes()
    copy.write_bytes(b"#!/bin/sh\ntouch evil\n")
    changes = tuner.restore()
    assert changes is not None
    assert changes[0].problem == "it is not trusted"
    assert not (tuner.directory / "evil").exists()
    assert tuner.applied_by_user() == "lab"
    copy.write_bytes(whole)
    changes = tuner.restore()
    assert changes is not None
    assert not any(change.problem for change in changes)
    assert _calls(log) == ["apply", "restore"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#!/bin/sh\necho out of order >&2\nexit 3\n", "exit code 3: out of order"),
        ("#!/no/such/interpreter\n", "No such file"),
        ("echo no interpreter\n", "a script begins with #!"),
        ("#!/bin/sh\nkill -9 $$\n", "exit code -9"),
    ],
)
def test_a_script_that_fails_is_a_problem_and_is_still_undone(
    tuner: Tuner, platforms: Path, text: str, problem: str
) -> None:
    """Its last line is told; a body that may run does so."""
    (platforms / "lab.sh").write_text(text)
    with tuner.applied(_trusted(tuner, platforms)) as applied:
        assert problem in applied.problems[0]
    with pytest.raises(Busy, match="still applied"), tuner.applied(Profile("x", state={"a": 1})):
        raise AssertionError("its restore failed too, so the machine is not as it was")


def test_a_script_that_hangs_is_stopped(
    tuner: Tuner, platforms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets a minute (here less) and no terminal to wait for an answer from."""
    monkeypatch.setattr("mlrepo.systems.scripts.SECONDS", 0.3)
    (platforms / "lab.sh").write_text("#!/bin/sh\n[ $1 = restore ] && exit\nread x || sleep 60\n")
    with tuner.applied(_trusted(tuner, platforms)) as applied:
        assert "it took more than 0 s" in applied.problems[0]


_CHILD = """
import os, sys
from pathlib import Path
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import load_profile
from mlrepo.systems.tuning import Tuner
with Tuner(Machine(Path(sys.argv[1])), Path(sys.argv[2])).applied(
    load_profile(Path(sys.argv[3]), "lab")
):
    os.kill(os.getpid(), 9)
"""


def test_a_killed_run_has_its_script_undone(tuner: Tuner, platforms: Path, log: Path) -> None:
    """By whoever comes next, even when the profile itself is gone."""
    _trusted(tuner, platforms)
    where = (str(tuner.machine.root), str(tuner.directory), str(platforms))
    command = [sys.executable, "-c", _CHILD, *where]
    assert subprocess.run(command, check=False).returncode == -9
    assert _calls(log) == ["apply"]
    (platforms / "lab.toml").unlink()
    (platforms / "lab.sh").unlink()
    with tuner.applied(Profile("none")):
        assert _calls(log) == ["apply", "restore"]
    assert tuner.machine.text("proc/sys/vm/swappiness") == "60"


def test_a_damaged_list_trusts_nothing(tuner: Tuner, platforms: Path) -> None:
    """The message names the file."""
    profile = _trusted(tuner, platforms)
    tuner.scripts.file.write_text("[]")
    with pytest.raises(UserError, match=r"trusted\.json is damaged"), tuner.applied(profile):
        raise AssertionError("must not run")
    assert tuner.machine.text("proc/sys/vm/swappiness") == "60"


def test_a_script_is_a_plain_file_beside_the_profile(platforms: Path) -> None:
    """No link, no directory, nothing elsewhere."""
    script = platforms / "lab.sh"
    script.unlink()
    for make, remove in (
        (lambda path: path.symlink_to("/bin/true"), Path.unlink),
        (Path.mkdir, Path.rmdir),
        (os.mkfifo, Path.unlink),
    ):
        make(script)
        with pytest.raises(UserError, match="is no plain file"):
            load_profile(platforms, "lab")
        remove(script)


def test_the_hash_is_that_of_the_bytes() -> None:
    """SHA-256, as `sha256sum` prints it."""
    assert Script("x", b"").sha256.startswith("e3b0c44298fc1c149afbf4c8996fb924")
