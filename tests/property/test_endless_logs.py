"""Time and memory do not grow with a log: the checker streams gigabytes."""

from __future__ import annotations

import io
import resource
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.report import Report
from mlrepo.repository.trees import DirectoryTree
from mlrepo.tree import Entry
from tests.submissions import Submission, write_submission


class _Endless(io.RawIOBase):
    """A log that repeats its last line until it has a size; it is made as it is read."""

    def __init__(self, log: bytes, size: int) -> None:
        self._log, self._line = log, log[log.rindex(b"\n", 0, -1) + 1 :]
        self._block = self._line * (1 + (1 << 20) // len(self._line))
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at < len(self._log):
            data = self._log[self._at : self._at + len(buffer)]
        elif self._at >= self._size:
            return 0
        else:
            start = (self._at - len(self._log)) % len(self._line)
            data = self._block[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Tree:
    """A directory in which one log is endless."""

    def __init__(self, root: Path, endless: str, size: int) -> None:
        self._tree, self._endless, self._size = DirectoryTree(root), endless, size

    def entries(self, path: str) -> Sequence[Entry]:
        return self._tree.entries(path)

    def entry(self, path: str) -> Entry | None:
        return self._tree.entry(path)

    def read(self, path: str, limit: int = -1) -> bytes:
        return self._tree.read(path, limit)

    def open(self, path: str) -> BinaryIO:
        if path == self._endless:
            return io.BufferedReader(_Endless(self._tree.read(path), self._size))
        return self._tree.open(path)

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        return self._tree.oids(paths, workers)


def _tree(submission: Submission, run: str, size: int) -> _Tree:
    log = submission.result("Offline") / run / "mlperf_log_detail.txt"
    return _Tree(submission.root, str(log.relative_to(submission.root)), size)


def _judged(submission: Submission, run: str) -> Report:
    """Judge with a log of 40 MB; no more memory than for a log of a few blocks is used."""
    tracemalloc.start()
    try:
        report = check(_tree(submission, run, 40 << 20), submission.round)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    return report


@pytest.mark.parametrize(
    ("round_name", "run"),
    [
        ("v0.7", "performance/run_1"),
        ("v0.7", "accuracy"),
        ("v6.1", "performance/run_1"),
        ("v6.1", "accuracy"),
    ],
)
def test_a_long_log_takes_no_more_memory(tmp_path: Path, round_name: str, run: str) -> None:
    """A clean log is valid, and is never held whole."""
    report = _judged(write_submission(tmp_path, round_name), run)
    assert report.valid("strict"), [f for r in report.results for f in r.findings]


def test_a_finding_in_a_long_log_is_looked_up_in_the_stream(tmp_path: Path) -> None:
    """A wrong seed at the start, 40 MB behind it."""
    submission = write_submission(tmp_path, "v6.1")
    log = submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"
    key, seed = "effective_schedule_rng_seed", submission.round.seeds()["schedule_rng_seed"]
    before = log.read_text()
    log.write_text(before.replace(f'"{key}", "value": {seed}', f'"{key}", "value": 1'))
    assert log.read_text() != before
    report = _judged(submission, "performance/run_1")
    [finding] = [f for r in report.results for f in r.findings if f.rule == "performance-seeds"]
    assert finding.line > 1


@pytest.mark.slow
@pytest.mark.parametrize("run", ["performance/run_1", "accuracy"])
@pytest.mark.parametrize("round_name", ["v0.7", "v6.1"])
def test_a_log_of_2_gb_takes_no_more_memory(tmp_path: Path, round_name: str, run: str) -> None:
    """The whole process grows by no more than a few blocks."""
    submission = write_submission(tmp_path, round_name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = check(_tree(submission, run, 2 << 30), submission.round)
    assert report.valid("strict"), [f for r in report.results for f in r.findings]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
