"""Deleting full logs that are no longer needed, while others are added."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mlrepo.guard.truncate import truncate
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.raw_garbage import delete_garbage, find_garbage
from mlrepo.repository.raw_store import RawStore


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_full_log_is_lost_beside_truncate(
    results: ResultsRepository, count: int, tmp_path: Path
) -> None:
    """Each truncated log's full form is kept, however often everything unneeded is deleted."""
    stop, deleted = threading.Event(), list[int]()

    def collect() -> None:
        repository = find_repository(results.root)
        while not stop.is_set():
            garbage = find_garbage(repository, 0.0)
            deleted.append(len(delete_garbage(repository, 0.0, garbage).old))

    collector = threading.Thread(target=collect)
    collector.start()
    wanted = set()
    try:
        for number in range(count):
            wanted.add(truncate(_log(tmp_path / str(number), number), results.store).sha256)
    finally:
        stop.set()
        collector.join()
    kept = {sha256 for sha256, _ in RawStore(results.store / "raw").entries()}
    assert len(wanted) == count
    assert kept == wanted
    assert len(deleted) > 1
    print(f"{count} logs beside {len(deleted)} collections, none lost")


def test_what_is_needed_again_by_then_is_not_deleted(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """Agreed to is a list; deleted is what of it nobody needs at the moment of deleting."""
    store = RawStore(results.store / "raw")
    logs = [store.add(_log(tmp_path / str(number), number)) for number in range(2)]
    agreed = find_garbage(results, 0.0)
    assert {sha256 for sha256, _ in agreed.old} == set(logs)
    store.pin(logs[0], "somewhere")
    third = store.add(_log(tmp_path / "later", 3))
    assert [sha256 for sha256, _ in delete_garbage(results, 0.0, agreed).old] == [logs[1]]
    assert {sha256 for sha256, _ in store.entries()} == {logs[0], third}


def _log(directory: Path, number: int) -> Path:
    """Write an accuracy log that has to be truncated, with what the accuracy script says."""
    accuracy = directory / "accuracy"
    accuracy.mkdir(parents=True)
    (accuracy / "accuracy.txt").write_text("accuracy=76.1%\n")
    log = accuracy / "mlperf_log_accuracy.json"
    log.write_text(
        f"[{number}\n" + '{ "seq_id" : 1, "qsl_idx" : 1, "data" : "00" },\n' * 400 + "]\n"
    )
    return log
