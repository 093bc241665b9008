"""``mlrepo doctor``: what it finds, and what it fixes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.e2e.driver import bench, everything, mlrepo, refs
from tests.samples import git


def test_a_sound_repository_is_ok_and_left_alone(measured_copy: Path) -> None:
    """All checks are ok, as text and as JSON, and nothing is written."""
    before = everything(measured_copy)
    done = mlrepo(measured_copy, "doctor")
    assert {line.split()[0] for line in done.out.splitlines()} == {"ok"}
    done.says("8 runs, records and commits agree", "SHA-1 objects")
    checks = mlrepo(measured_copy, "doctor", "--json").json
    assert checks["schema"] == "mlrepo.doctor/2"
    assert {check["status"] for check in checks["checks"]} == {"ok"}
    assert checks["fixed"] == []
    quick = mlrepo(measured_copy, "doctor", "--quick", "--json").json["checks"]
    assert len(quick) == len(checks["checks"]) - 3  # records, layouts, disk
    assert everything(measured_copy) == before


def test_a_commit_whose_message_was_rewritten_is_found(root: Path) -> None:
    """Trailers that no longer say what run.json says: exit code 1, commit and value named."""
    bench(root)
    git(root, "switch", "--quiet", "exp/box")
    message = git(root, "log", "-1", "--format=%B").replace("VALID", "BETTER")
    git(root, "commit", "--quiet", "--amend", "--message", message)
    git(root, "switch", "--quiet", "main")
    done = mlrepo(root, "doctor", code=1)
    done.says("problem", "records", "MLRepo-Validity", "'BETTER'", "'VALID'", "trust run.json")


def test_a_run_json_that_cannot_be_read_is_found(root: Path) -> None:
    """A damaged record is a problem with its place, not a crash."""
    record = bench(root)
    git(root, "switch", "--quiet", "exp/box")
    (root / "runs" / record["run"] / "run.json").write_text('{"schema": "mlrepo.run/1"}')
    git(root, "commit", "--quiet", "--all", "--amend", "--no-edit")
    git(root, "switch", "--quiet", "main")
    mlrepo(root, "doctor", code=1).says("problem", "records", "run.json", "not a run record")
    mlrepo(root, "show", "latest", code=2).says("not a run record", "mlrepo doctor")
    assert mlrepo(root, "log", "--json").json["runs"]


def test_a_record_of_a_newer_mlrepo_asks_for_it(root: Path) -> None:
    """Another schema version is told from damage."""
    record = bench(root)
    git(root, "switch", "--quiet", "exp/box")
    file = root / "runs" / record["run"] / "run.json"
    file.write_text(file.read_text().replace("mlrepo.run/2", "mlrepo.run/3"))
    git(root, "commit", "--quiet", "--all", "--amend", "--no-edit")
    git(root, "switch", "--quiet", "main")
    mlrepo(root, "show", code=2).says("'mlrepo.run/2'", "Use a newer mlrepo")


def test_a_stale_lock_is_removed_but_a_fresh_one_is_not(root: Path) -> None:
    """``--fix`` removes locks of experiment branches that a crash left, never a living one."""
    locks = root / ".git" / "refs" / "heads" / "exp"
    locks.mkdir(parents=True)
    for name, age in (("old.lock", 7200), ("new.lock", 5)):
        (locks / name).touch()
        os.utime(locks / name, (time.time() - age,) * 2)
    before = refs(root)
    mlrepo(root, "doctor", code=1).says("problem", "locks", "old", "doctor --fix")
    mlrepo(root, "doctor", "--fix").says("removed", "old.lock")
    assert [p.name for p in locks.iterdir()] == ["new.lock"]
    assert refs(root) == before


def test_no_identity_and_no_system_are_found(root: Path) -> None:
    """What the next run would stumble over is said beforehand."""
    git(root, "rm", "-r", "--quiet", "systems")
    mlrepo(root, "doctor").says("warning", "systems", "mlrepo system add NAME")
    nobody = dict.fromkeys(
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    )
    mlrepo(root, "doctor", code=1, **nobody).says("problem", "identity", "git config --global")


def test_a_lock_of_the_future_is_removed_as_one_of_the_past(root: Path) -> None:
    """A clock that was put back leaves dates that would never come of age."""
    bench(root)
    lock = root / ".git" / "refs" / "heads" / "exp" / "box.lock"
    lock.touch()
    mlrepo(root, "doctor", "--fix", "--quick")
    assert lock.exists()  # it may be a living git's
    os.utime(lock, (0, time.time() + 90 * 86400))
    mlrepo(root, "doctor", "--quick", code=1).says("locked", "box")
    mlrepo(root, "doctor", "--fix", "--quick").says(f"removed {lock}")
    assert not lock.exists()


def test_what_kills_left_is_told_and_removed(root: Path) -> None:
    """Temporary files, notes and locks of nobody go; what is young, alive or no leftover stays."""
    bench(root)
    store = root / ".git" / "mlrepo"
    dead = int(subprocess.run(["sh", "-c", "echo $$"], capture_output=True, check=True).stdout)
    left = [
        root / ".mlrepo.toml.abcd_123",
        root / "systems" / "box" / ".system.json.abcdefgh",
        store / "raw" / f".{'a' * 64}.{dead}",
        store / "raw" / f".{'a' * 64}.origin.abcdefgh",
        store / "spool" / "20261123T000000Z-000000.lock",
        store / "refs%2Fheads%2Fexp%2Fgone.moving",
        store / "tree-abcdefgh",
        store / "raw" / f".{'c' * 64}.abcdefgh",
        root / ".git" / "info" / ".exclude.abcdefgh",
        store / "quarantine" / "1-abcdef01.lock",
        root / ".git" / "objects" / "pack" / "pack-1.keep",
    ]
    stay = [
        root / ".mlrepo.toml.ijklmnop",
        root / ".mlrepo.toml.bak",
        store / "raw" / f".{'b' * 64}.{os.getpid()}",
        root / ".git" / "objects" / "pack" / "pack-2.keep",
    ]
    for path in (*left, *stay):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mlrepo 1-abcdef01\n" if path.name == "pack-1.keep" else "")
        if path != stay[0]:
            os.utime(path, (0, 0))
    mlrepo(root, "doctor", "--quick").says("leftovers", "crashed left", "doctor --fix")
    mlrepo(root, "doctor", "--fix", "--quick").says(*(f"removed {path}" for path in left[:9]))
    assert [path for path in left if path.exists()] == []
    assert [path for path in stay if not path.exists()] == []
    mlrepo(root, "doctor").says("no temporary file", "1 runs, records and commits agree")
