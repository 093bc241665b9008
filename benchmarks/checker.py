"""Measure ``mlrepo check`` beside the round's official checker on a published tree.

The two alternate on the same files, so that noise affects both equally: pinned to one processor
with one worker, then unpinned with one worker per processor. Neither keeps anything between runs.
Then, in a Git repository with the same files: a check of the directory and of the index with no
changes, and of the index after one file of a result changed. All times are of whole processes.
Memory is the sum of the proportional set sizes (PSS) of all processes at the same moment.

Usage::

    python -m benchmarks.checker TREE ROUND --checker submission_checker.py [--runs 3] [--dir DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

# Byte code is compiled once, as for users.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
_MLREPO = str(Path(sys.executable).with_name("mlrepo"))


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("round")
    parser.add_argument("--checker", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where the repository is made")
    given = parser.parse_args()
    check = [_MLREPO, "check", "--round", given.round, "--quiet"]
    with tempfile.TemporaryDirectory(dir=given.dir) as directory:
        scratch = Path(directory)
        official = [
            sys.executable,
            str(given.checker),
            "--input",
            str(given.tree),
            "--version",
            given.round,
            "--csv",
            str(scratch / "summary.csv"),
        ]
        _beside(given.tree, [*check, "--no-cache"], official, given.runs)
        _remembering(given.tree, check, scratch / "results", given.runs)


def _beside(tree: Path, check: Sequence[str], official: Sequence[str], runs: int) -> None:
    ours = [*check, str(tree)]
    _seconds(ours)  # the page cache is warm for both
    cores = len(os.sched_getaffinity(0))
    for name, pinned, workers in (("one core", True, 1), (f"{cores} cores", False, cores)):
        times: list[tuple[float, float]] = []
        for _ in range(runs):
            mine = _seconds([*ours, "--workers", str(workers)], pinned=pinned)
            times.append((mine, _seconds(official, pinned=pinned)))
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(theirs / mine for mine, theirs in times)
        print(f"{name}: {mine:.2f} s beside {theirs:.2f} s of the official checker: 1/{ratio:.1f}")
    print(f"peak memory of all processes: {_peak([*ours, '--workers', str(cores)]):.0f} MiB")


def _remembering(tree: Path, check: Sequence[str], root: Path, runs: int) -> None:
    shutil.copytree(tree, root, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    git = ["git", "-C", str(root), "-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Add the tree"]):
        subprocess.run([*git, *command], check=True)
    time.sleep(2.5)  # files changed in the last two seconds are not cached
    directory = [*check, str(root)]
    index = [_MLREPO, "-C", str(root), *check[1:], "--staged"]
    first, staged = _seconds(directory), _seconds(index)
    print(f"remembering: the first check {first:.2f} s, of the index {staged:.2f} s")
    for name, command in (("directory", directory), ("index", index)):
        took = statistics.median(_seconds(command) for _ in range(runs * 3))
        print(f"nothing changed, {name}: {took:.3f} s")
    changed = next(iter(sorted(root.glob("closed/*/results/*/*/*/accuracy/accuracy.txt"))))
    times = []
    for number in range(runs * 3):
        with changed.open("a") as stream:
            stream.write(f"{number}\n")
        subprocess.run([*git, "add", "-A", str(changed.relative_to(root))], check=True)
        times.append(_seconds(index))
    print(f"one result changed, index: {statistics.median(times):.3f} s")


def _seconds(command: Sequence[str], *, pinned: bool = False) -> float:
    pin = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))] if pinned else []
    start = time.perf_counter()
    done = subprocess.run(
        [*pin, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}.")
    return time.perf_counter() - start


def _peak(command: Sequence[str]) -> float:
    """Return the largest sum of all processes' proportional memory, in MiB."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_full_info().pss
            except psutil.Error:  # it ended meanwhile
                continue
        peak = max(peak, total)
        time.sleep(0.02)
    return peak / 2**20


if __name__ == "__main__":
    main()
