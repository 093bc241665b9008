"""Full accuracy logs are stored by SHA-256 and verified when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.files import write_atomically
from mlrepo.repository.raw_store import RawStore

_LOG = b'[{"seq_id": 1}]\n' * 10_000
_SHA256 = hashlib.sha256(_LOG).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    """A store that does not exist yet."""
    return RawStore(tmp_path / "store" / "raw")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A full accuracy log."""
    path = tmp_path / "mlperf_log_accuracy.json"
    path.write_bytes(_LOG)
    return path


def test_a_log_is_kept_under_its_hash_and_exported(
    store: RawStore, log: Path, tmp_path: Path
) -> None:
    """What is added comes back byte for byte; the kept file cannot be written by accident."""
    assert store.entries() == []
    assert store.add(log) == _SHA256
    assert store.entries() == [(_SHA256, len(_LOG))]
    assert [path.name for path in store.root.iterdir()] == [_SHA256]
    assert (store.root / _SHA256).stat().st_mode & 0o222 == 0
    store.export(_SHA256, tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == _LOG


def test_truncating_the_log_afterwards_does_not_touch_the_kept_one(
    store: RawStore, log: Path
) -> None:
    """Replacing the log by its truncated form, as mlrepo does it, leaves the full one alone."""
    store.add(log)
    write_atomically(log, b"short")
    assert (store.root / _SHA256).read_bytes() == _LOG


def test_the_kept_log_outlives_the_run(store: RawStore, log: Path) -> None:
    """Removing the spool's file leaves the kept one."""
    store.add(log)
    log.unlink()
    assert (store.root / _SHA256).read_bytes() == _LOG


def test_adding_again_changes_nothing_and_leaves_no_other_file(store: RawStore, log: Path) -> None:
    """The same file, and another with the same content, are kept once."""
    for path in (log, log, log.with_name("copy.json")):
        path.write_bytes(_LOG) if not path.exists() else None
        assert store.add(path) == _SHA256
    assert [path.name for path in store.root.iterdir()] == [_SHA256]


def test_adding_again_repairs_a_damaged_log(store: RawStore, log: Path, tmp_path: Path) -> None:
    """A kept log that was damaged, size unchanged, is replaced when its content comes again."""
    copy = tmp_path / "copy.json"
    copy.write_bytes(_LOG)
    store.add(log)
    _damage(store.root / _SHA256)
    store.add(copy)
    store.export(_SHA256, tmp_path / "out.json")


def test_a_damaged_log_is_not_given_out(store: RawStore, log: Path, tmp_path: Path) -> None:
    """Export verifies the hash; nothing is written when it is wrong."""
    store.add(log)
    _damage(store.root / _SHA256)
    with pytest.raises(UserError, match="is damaged"):
        store.export(_SHA256, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_export_does_not_overwrite(store: RawStore, log: Path, tmp_path: Path) -> None:
    """An existing target, and one that a symbolic link points to, keep what they hold."""
    store.add(log)
    target = tmp_path / "out.json"
    target.write_bytes(b"mine")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "elsewhere.json")
    for taken in (target, link):
        with pytest.raises(UserError, match="is not overwritten"):
            store.export(_SHA256, taken)
    assert target.read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere.json").exists()


def test_an_unknown_log_says_where_it_may_be(store: RawStore, tmp_path: Path) -> None:
    """Full logs stay on the machine that made them."""
    with pytest.raises(UserError, match="is not kept on this machine") as unknown:
        store.export(_SHA256, tmp_path / "out.json")
    assert "machine that ran the benchmark" in unknown.value.hint


def test_a_target_that_cannot_be_written_is_an_error_for_the_user(
    store: RawStore, log: Path, tmp_path: Path
) -> None:
    """A missing directory is named."""
    store.add(log)
    with pytest.raises(UserError, match="No such file"):
        store.export(_SHA256, tmp_path / "absent" / "out.json")


def test_a_removed_log_is_gone(store: RawStore, log: Path) -> None:
    """Garbage collection deletes one log and no other."""
    store.add(log)
    other = log.with_name("other.json")
    other.write_bytes(b"other")
    kept = store.add(other)
    store.remove(_SHA256)
    assert store.entries() == [(kept, 5)]


def test_another_file_system_gets_a_copy(log: Path) -> None:
    """Where no hard link is possible the log is copied."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == log.stat().st_dev:
        pytest.skip("there is no second file system")
    store = RawStore(memory / f"mlrepo-test-{os.getpid()}")
    try:
        assert store.add(log) == _SHA256
        assert (store.root / _SHA256).stat().st_nlink == 1
        assert (store.root / _SHA256).read_bytes() == _LOG
    finally:
        store.remove(_SHA256)
        store.root.rmdir()


def _damage(path: Path) -> None:
    """Flip one byte, as a failing disk would."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.unlink()
    path.write_bytes(bytes(data))
