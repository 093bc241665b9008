"""A disk that fills up at any moment of a run: nothing is half-written or lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import BENCH, branch_files, mlrepo, refs, spooled
from tests.samples import git


@pytest.fixture
def small_disk(scaffold: Path, small_mount: Path) -> Path:
    """A results repository on a disk of its own with 4 MiB."""
    return Path(shutil.copytree(scaffold, small_mount / "results", symlinks=True))


def _leave(root: Path, free: int) -> Path:
    """Fill the disk of ``root`` until about ``free`` bytes are left."""
    filler = root.parent / "filler"
    room = shutil.disk_usage(root).free - free
    filler.write_bytes(b"x" * max(0, room))
    return filler


@pytest.mark.parametrize("free", [0, 16, 32, 64, 96, 192, 400])
def test_a_disk_that_fills_up_leaves_nothing_half_written(small_disk: Path, free: int) -> None:
    """With ``free`` KiB left a run is refused, fails, waits or is recorded: never torn, never lost.

    Once there is room again, every run that was started is in Git, whole.
    """
    root = small_disk
    before = refs(root)
    filler = _leave(root, free * 1024)
    done = mlrepo(root, *BENCH, code=None)
    assert done.code in (0, 1, 2, 75), done.err
    started = "Offline accuracy: starting" in done.err
    if done.code in (2, 75):
        assert refs(root) == before
        done.says("room" if done.code == 2 else "doctor --fix")
    git(root, "fsck", "--strict", "--no-progress", "--no-dangling")
    waiting = spooled(root)

    filler.unlink()
    mlrepo(root, "doctor", "--fix")
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert spooled(root) == []
    if done.code in (0, 1) or waiting:
        assert len(runs) == 1
        _whole(root, runs[0])
    else:
        assert not started
        assert runs == []
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict", "--no-progress", "--no-dangling")


def _whole(root: Path, run: dict[str, object]) -> None:
    record = mlrepo(root, "show", str(run["run"]), "--json").json["record"]
    files = branch_files(root)
    for name in record["logs"]:
        assert f"runs/{run['run']}/{name}" in files
    if run["validity"] == "VALID":
        assert record["accuracy"]["judged"] == 500
        mlrepo(root, "raw", "export", "latest", "--output", str(root.parent / "full.json"))
    else:
        assert run["validity"] in ("FAILED", "INTERRUPTED")
        assert run["placed"] == ""
        assert record["reasons"]


def test_init_on_a_full_disk_leaves_no_directory(small_disk: Path) -> None:
    """All of a results repository or nothing."""
    filler = _leave(small_disk, 16 * 1024)
    done = mlrepo(
        small_disk.parent, "init", "second", "--submitter", "Acme", "--division", "open", code=None
    )
    assert done.code == 2, done.out + done.err
    assert "bug" not in done.err
    assert sorted(p.name for p in small_disk.parent.iterdir()) == ["filler", "results"]
    filler.unlink()
