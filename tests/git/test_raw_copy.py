"""Backing up and restoring full logs: each is verified, and only missing ones are copied."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.disk import disk_words, readable_size, size_below
from mlrepo.repository.raw_copy import copy_logs
from mlrepo.repository.raw_place import DirectoryPlace
from mlrepo.repository.raw_store import RawStore
from tests.samples import git


def _store(root: Path, tmp_path: Path, *texts: bytes) -> tuple[RawStore, list[str]]:
    store = RawStore(root)
    names = []
    for text in texts:
        (tmp_path / "log").write_bytes(text)
        names.append(store.add(tmp_path / "log"))
        (tmp_path / "log").unlink()
    return store, names


def test_a_copy_has_what_is_missing_and_overwrites_nothing(tmp_path: Path) -> None:
    """A second one copies nothing; a damaged source is never copied, a damaged copy renamed."""
    store, (one, two) = _store(tmp_path / "raw", tmp_path, b"one" * 1000, b"two" * 1000)
    store.pin(two, "closed/Acme/accuracy/mlperf_log_accuracy.json")
    source, target = DirectoryPlace(store.root), DirectoryPlace(tmp_path / "backup" / "raw")
    first = copy_logs(source, target)
    assert sorted(first.copied) == sorted([one, two])
    assert (first.size, first.there, first.damaged) == (6000, 0, ())
    assert (target.root / one).read_bytes() == b"one" * 1000
    assert target.pins() == store.pinned()
    again = copy_logs(source, target)
    assert (again.copied, again.there) == ((), 2)
    for kept, text in ((target.root / one, b"x" * 3000), (store.root / two, b"y" * 3000)):
        kept.chmod(0o644)
        kept.write_bytes(text)
    (target.root / two).unlink()
    third = copy_logs(source, target)
    assert (third.copied, third.damaged, third.set_aside) == ((one,), (two,), (one,))
    assert [path.name for path in target.root.iterdir() if not path.suffix] == [one]
    (aside,) = target.root.glob(".*.damaged")
    assert aside.read_bytes() == b"x" * 3000
    assert list(target.root.glob(".*.part")) == []


def test_a_copy_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A file in its place; what is there stays."""
    store, _ = _store(tmp_path / "raw", tmp_path, b"one")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used"):
        copy_logs(DirectoryPlace(store.root), DirectoryPlace(tmp_path / "file" / "raw"))


def test_what_was_lost_comes_back(
    results: ResultsRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the commands; a damaged log of the place is named, with exit code 1."""
    monkeypatch.chdir(results.root)
    store, (one,) = _store(results.store / "raw", tmp_path, b"one" * 1000)
    away = tmp_path / "away"
    assert main(["raw", "push", str(away)]) == 0
    assert "copied 1 log (3000 bytes)" in capsys.readouterr().out
    assert main(["raw", "push", "inside"]) == 0
    assert git(results.root, "status", "--porcelain") == ""
    (store.root / one).unlink()
    assert main(["raw", "fetch", str(away)]) == 0  # no run here needs it
    assert store.entries() == []
    assert main(["raw", "fetch", "--all", str(away)]) == 0
    assert hashlib.sha256((store.root / one).read_bytes()).hexdigest() == one
    (store.root / one).unlink()
    (away / one).chmod(0o644)
    (away / one).write_bytes(b"other")
    assert main(["raw", "fetch", "--all", str(away)]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert store.entries() == []
    assert main(["raw", "fetch", str(tmp_path / "nowhere")]) == 2
    assert "is not a directory" in capsys.readouterr().err
    assert main(["path", "raw"]) == 0
    assert capsys.readouterr().out.strip() == str(store.root)


def test_disk_use_counts_files_and_follows_no_link(tmp_path: Path) -> None:
    """In units that people read."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"x" * 1500)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    length = len(str(tmp_path))
    assert size_below(tmp_path / "a") == 1500 + length
    assert size_below(tmp_path / "absent") == 0
    assert [readable_size(size) for size in (0, 999, 1000, 1_234_567, 2 * 10**15)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "1.23 MB",
        "2e+03 TB",
    ]
    assert disk_words({"logs": 0, "history": 2000}, 10**9) == "2 kB of history; 1 GB free"
