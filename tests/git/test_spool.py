"""The spool keeps each run until it is recorded, and knows which runs are still alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.locks import locked
from mlrepo.repository.spool import Spool
from tests.samples import sample_run_id

_RUN = sample_run_id(1)
_OWNER = (
    "import sys, time; from pathlib import Path; from mlrepo.repository.spool import Spool\n"
    "run = Spool(Path(sys.argv[1])).create(sys.argv[2])\n"
    "(run.directory / 'file').write_text('kept'); print('ready', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool that does not exist yet."""
    return Spool(tmp_path / "store" / "spool")


def _orphan(spool: Spool, run_id: str = _RUN) -> None:
    run = spool.create(run_id)
    (run.directory / "file").write_text("kept")
    run.release()


def test_a_run_in_progress_is_no_orphan(spool: Spool) -> None:
    """As long as the owning process lives, nobody else takes the run."""
    assert list(spool.orphans()) == []
    run = spool.create(_RUN)
    assert run.run_id == _RUN
    assert spool.count_orphans() == 0
    assert list(spool.orphans()) == []
    with pytest.raises(UserError, match="is being executed already"):
        spool.create(_RUN)
    run.discard()


def test_a_killed_owner_leaves_an_orphan(spool: Spool) -> None:
    """The kernel frees the lock of a process that was killed; its files are still there."""
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(spool.root), _RUN], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    assert spool.count_orphans() == 0
    owner.kill()
    owner.communicate()
    assert spool.count_orphans() == 1
    (run,) = spool.orphans()
    assert (run.directory / "file").read_text() == "kept"
    assert spool.count_orphans() == 0, "it is owned by this process now"
    run.release()
    assert spool.count_orphans() == 1


def test_a_released_run_can_be_taken_again(spool: Spool) -> None:
    """A run that could not be recorded stays an orphan for the next attempt."""
    _orphan(spool)
    for _ in range(2):
        (run,) = spool.orphans()
        run.release()
    with pytest.raises(UserError, match="File exists"):
        spool.create(_RUN)
    assert spool.count_orphans() == 1, "the failed creation holds no lock"


def test_a_discarded_run_leaves_nothing(spool: Spool) -> None:
    """After the record neither directory nor lock is left, and releasing again is harmless."""
    run = spool.create(_RUN)
    (run.directory / "deep" / "er").mkdir(parents=True)
    run.discard()
    assert list(spool.root.iterdir()) == []
    other = (spool.root / "other").open("w")  # may get the file descriptor that was closed
    run.release()
    other.write("still open")
    other.close()


def test_sweeping_removes_what_a_crash_left_of_a_discarded_run(spool: Spool) -> None:
    """Only directories on their way out are removed."""
    _orphan(spool)
    doomed = spool.root / f".{sample_run_id(2)}"
    (doomed / "deep").mkdir(parents=True)
    spool.sweep()
    assert not doomed.exists()
    assert spool.count_orphans() == 1


def test_a_sweep_beside_a_discard_disturbs_it_not(spool: Spool) -> None:
    """Another process may sweep up the directory while its owner removes it."""
    run = spool.create(_RUN)
    for number in range(300):
        (run.directory / f"{number}").touch()
    sweeper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from mlrepo.repository.spool import Spool\n"
            "spool = Spool(Path(sys.argv[1])); print('ready', flush=True)\n"
            "while list(spool.root.glob('*')): spool.sweep()",
            str(spool.root),
        ],
        stdout=subprocess.PIPE,
    )
    assert sweeper.stdout is not None
    sweeper.stdout.readline()
    run.discard()
    assert sweeper.wait(timeout=60) == 0
    sweeper.communicate()
    assert list(spool.root.iterdir()) == []


def test_foreign_files_in_the_spool_are_left_alone(spool: Spool) -> None:
    """What is not named like a run is nobody's run."""
    spool.root.mkdir(parents=True)
    (spool.root / "notes.txt").touch()
    (spool.root / "20261123T000001Z-xyz").mkdir()
    (spool.root / sample_run_id(5)).touch()
    assert list(spool.orphans()) == []
    spool.sweep()
    assert len(list(spool.root.iterdir())) == 3


def test_a_lock_that_is_held_is_busy_after_the_timeout(tmp_path: Path) -> None:
    """Waiting for the recording lock ends, and the message names the file."""
    from mlrepo.errors import Busy

    path = tmp_path / "store" / "record.lock"
    with (
        locked(path, timeout=1),
        pytest.raises(Busy, match=r"record\.lock"),
        locked(path, timeout=0.05),
    ):
        pass
    with locked(path, timeout=0):
        pass
