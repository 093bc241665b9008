"""Measure what recording one run costs, and whether it depends on how much is recorded already.

For each size, a repository is made whose experiment branch has that many files, in the layout of
the published results repositories (``closed/<submitter>/results/<system>/<benchmark>/…``) beside
the lab notebook ``runs/``. Then runs of 8 files (about 70 KB, 4 of them placed in the round's
layout) are recorded in all repositories alternately, so that noise affects all equally, with fsync
of every object and of the branch, as in ``mlrepo bench``.

The time is that of ``Recorder.record``: from the end of a benchmark until its result is safe.

Usage: ``python -m benchmarks.record [--files 5000,50000] [--runs 60] [--notebook 200] [--dir DIR]``
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2

from mlrepo.paths import RepoPath
from mlrepo.record import PERFORMANCE, VALID, BackendFacts, Metric, Placement, RunRecord
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import RUNS, Composition, Recorder
from mlrepo.repository.trailers import commit_message

_EXPERIMENT = Experiment("bench")
_BENCHMARKS = ("resnet50", "retinanet", "bert-99", "dlrm-v2-99", "3d-unet-99", "rnnt", "gptj-99")
_SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
_RESULT_FILES = (
    "accuracy/accuracy.txt",
    "accuracy/mlperf_log_accuracy.json",
    "accuracy/mlperf_log_detail.txt",
    "accuracy/mlperf_log_summary.txt",
    "performance/run_1/mlperf_log_accuracy.json",
    "performance/run_1/mlperf_log_detail.txt",
    "performance/run_1/mlperf_log_summary.txt",
    "performance/run_1/mlperf_log_trace.json",
    "measurements.json",
    "user.conf",
)
# Name and bytes of the files of a run.
_RUN_FILES = {
    "mlperf_log_detail.txt": 52_000,
    "mlperf_log_summary.txt": 1_600,
    "mlperf_log_accuracy.json": 8_199,
    "console.txt": 3_000,
    "environment.json": 2_500,
    "system.json": 1_800,
    "user.conf": 300,
}
_PLACE = "closed/Acme/results/alpha/resnet50/Offline"
_PLACED = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json")


@dataclass(frozen=True)
class Subject:
    """One repository under measurement, and the seconds that its records took."""

    files: int
    recorder: Recorder
    seconds: list[float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the repositories, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", default="5000,50000", help="files at the tip, one per size")
    parser.add_argument("--runs", type=int, default=60, help="runs to record at each size")
    parser.add_argument("--notebook", type=int, default=200, help="runs recorded before")
    parser.add_argument("--dir", type=Path, help="where to make the repositories")
    asked = parser.parse_args(arguments)
    sizes = [int(size) for size in asked.files.split(",")]
    os.environ |= {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Bench"), ("EMAIL", "bench@example.org"))
    }
    with tempfile.TemporaryDirectory(prefix="mlrepo-record-", dir=asked.dir) as directory:
        root = Path(directory)
        subjects = []
        for size in sizes:
            repository = build(root / str(size), size, asked.notebook)
            subjects.append(Subject(size, Recorder(repository, git_identity(repository.root)), []))
        for number in range(asked.runs + 3):
            for subject in subjects[:: -1 if number % 2 else 1]:  # none is always first
                seconds = record(subject.recorder, number)
                if number >= 3:  # the first ones read packs into the cache
                    subject.seconds.append(seconds)
        report(subjects, root)


def build(root: Path, files: int, notebook: int) -> ResultsRepository:
    """Make a repository whose experiment branch holds ``files`` files, with ``notebook`` runs."""
    root.mkdir()
    _git(root, "init", "--quiet", "--initial-branch=main")
    stream = subprocess.Popen(
        ["git", "fast-import", "--quiet"], cwd=root, stdin=subprocess.PIPE, text=True
    )
    assert stream.stdin is not None
    who = "committer Bench <bench@example.org> 1700000000 +0000\n"
    write = stream.stdin.write
    for mark in range(1, 501):
        content = f"content {mark}\n" * (mark % 40 + 1)
        write(f"blob\nmark :{mark}\ndata {len(content)}\n{content}")
    settings = 'round = "v6.1"\n'
    write(f"commit refs/heads/main\nmark :1000\n{who}data 5\nBegin\n")
    write(f'M 100644 inline "mlrepo.toml"\ndata {len(settings)}\n{settings}')
    write(f"\ncommit {_EXPERIMENT.ref}\n{who}data 4\nMany\nfrom :1000\n")
    for number, path in enumerate(_layout(files - 1, notebook)):
        write(f'M 100644 :{number % 500 + 1} "{path}"\n')
    stream.stdin.close()
    if stream.wait() != 0:
        raise SystemExit("git fast-import failed")
    _git(root, "reset", "--quiet", "--hard")
    held = _git(root, "ls-tree", "-r", "--name-only", _EXPERIMENT.ref).count("\n")
    assert held == files, (held, files)
    return find_repository(root)


def _layout(files: int, notebook: int) -> Iterator[str]:
    """Yield ``files`` paths: ``notebook`` runs of 8, then results of ever more submitters."""
    for number in range(min(files, notebook * 8)):
        yield f"runs/{_run_id(-1 - number // 8)}/file-{number % 8}.txt"
    left = files - min(files, notebook * 8)
    for submitter in range(left):
        for system in range(12):
            for benchmark in _BENCHMARKS:
                for scenario in _SCENARIOS:
                    for name in _RESULT_FILES:
                        if not left:
                            return
                        left -= 1
                        base = f"closed/Submitter {submitter}/results/system-{system}"
                        yield f"{base}/{benchmark}/{scenario}/{name}"


def record(recorder: Recorder, number: int) -> float:
    """Record run ``number`` and return the seconds it took."""
    run = _run_id(number)
    chance = random.Random(run)
    files: dict[RepoPath, Path | bytes] = {
        RepoPath((RUNS, run, name)): _log(chance, size) for name, size in _RUN_FILES.items()
    }
    about = RunRecord(
        run=run,
        started="2026-11-23T12:00:00Z",
        ended="2026-11-23T12:10:00Z",
        experiment="bench",
        round="v6.1",
        division="closed",
        submitter="Acme",
        category="edge",
        system="alpha",
        sut="alpha-onnx",
        benchmark="resnet50",
        scenario="Offline",
        mode=PERFORMANCE,
        validity=VALID,
        result=Metric(885.05, "samples/s"),
        backend=BackendFacts(name="onnx"),
        placement=Placement(placed=True, path=_PLACE),
    )
    place = RepoPath.parse(f"{_PLACE}/performance/run_1")
    composition = Composition(
        message=commit_message(about),
        files={RepoPath((RUNS, run, "run.json")): about.to_json()},
        links={RepoPath((*place.parts, name)): RepoPath((RUNS, run, name)) for name in _PLACED},
    )
    begin = time.perf_counter()
    recorded = recorder.record(_EXPERIMENT, run, files, lambda tip: composition)
    seconds = time.perf_counter() - begin
    assert not recorded.already
    return seconds


def report(subjects: Sequence[Subject], directory: Path) -> None:
    """Print a line per size, the ratio of most files to fewest, and the cost of fsync."""
    print(f"{'files at the tip':>17} {'records':>8} {'p50 ms':>8} {'p90 ms':>8} {'min ms':>8}")
    for subject in subjects:
        p50, p90 = _percentiles(subject.seconds)
        size, records, least = subject.files, len(subject.seconds), min(subject.seconds) * 1e3
        print(f"{size:>17} {records:>8} {p50:>8.1f} {p90:>8.1f} {least:>8.1f}")
    few, many = (
        _percentiles(extreme(subjects, key=lambda subject: subject.files).seconds)[0]
        for extreme in (min, max)
    )
    print(f"ratio of p50, most files to fewest: {many / few:.2f}")
    root = subjects[-1].recorder.repository.root
    before = int(_git(root, "count-objects").split()[0])
    record(subjects[-1].recorder, 900_000)
    objects = int(_git(root, "count-objects").split()[0]) - before
    cost = _fsync_milliseconds(directory)
    pygit2.settings.enable_fsync_gitdir(False)
    without = [record(subjects[-1].recorder, 900_001 + number) for number in range(20)]
    pygit2.settings.enable_fsync_gitdir(True)
    print(
        f"context: a record writes {objects} objects, each with 2 fsyncs; one fsync takes "
        f"{cost:.2f} ms here (p50), and without fsync a record takes "
        f"{_percentiles(without)[0]:.1f} ms (p50); load average {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} CPUs"
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p90 in milliseconds."""
    return (
        statistics.median(seconds) * 1e3,
        statistics.quantiles(seconds, n=10, method="inclusive")[8] * 1e3,
    )


def _fsync_milliseconds(directory: Path) -> float:
    """Return the median time of an fsync after writing 8 KB to a new file."""
    times = []
    for number in range(60):
        with (directory / f"fsync-{number}").open("wb") as stream:
            stream.write(os.urandom(8192))
            stream.flush()
            begin = time.perf_counter()
            os.fsync(stream.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def _run_id(number: int) -> str:
    day, second = divmod(number + 1_000_000, 86_400)
    clock = f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
    return f"2026{day // 28 % 12 + 1:02}{day % 28 + 1:02}T{clock}Z-{number & 0xFFFFFF:06x}"


def _log(chance: random.Random, size: int) -> bytes:
    """Return text that compresses about as LoadGen's logs do."""
    lines: list[str] = []
    while size > 0:
        line = f':::MLLOG {{"key": "result_{len(lines)}", "value": {chance.getrandbits(64)}}}\n'
        lines.append(line)
        size -= len(line)
    return "".join(lines).encode()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
