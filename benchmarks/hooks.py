"""Measure what the commit hooks cost, and truncation beside ``sha256sum``.

The repository has ``--files`` files in the layout of the published results, and a valid submission
of v6.1. One file is changed and committed, alternately with the hooks and with ``--no-verify``, so
that noise affects both equally; the median and the minimum of the pairs' differences are printed.
"result" changes the detail log of a result, all of which is judged; "run" a file below runs/;
"text" the README of the repository. CPU seconds are those of all processes of the commit; those of
starting Python alone are printed beside them.

Truncation of a log of ``--size`` MiB is timed beside ``sha256sum`` of the same file, each in a
process of its own, with its peak memory.

Usage: ``python -m benchmarks.hooks [--files 49000] [--commits 20] [--size 1024] [--dir DIR]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlrepo.repository.discovery import find_repository
from mlrepo.repository.hook_install import install_hooks
from tests.submissions import write_submission

_TRUNCATE = (
    "import sys; from pathlib import Path; from mlrepo.guard.truncate import truncate; "
    "truncate(Path(sys.argv[1]), Path(sys.argv[2]))"
)


class Cost(NamedTuple):
    """Wall and CPU seconds of a process and its children; peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=49_000)
    parser.add_argument("--commits", type=int, default=20)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the accuracy log")
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    # Installed code is compiled already.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(dir=given.dir) as directory:
        root = Path(directory)
        _commits(root / "results", given.files, given.commits)
        _truncation(root / "log", given.size)


def _commits(root: Path, files: int, commits: int) -> None:
    log = _make(root, files)
    text = log.read_text()
    changes: dict[str, tuple[Path, Callable[[int], str]]] = {
        "result": (log, lambda n: text.replace("12:00:00Z", f"12:{n // 60:02}:{n % 60:02}Z")),
        "run": (
            root / "runs" / "20260301T120000Z-0a1b2c" / "run.json",
            lambda n: f'{{"n": {n}}}\n',
        ),
        "text": (root / "README.md", lambda n: f"Results, see https://example.org/{n}\n"),
    }
    start = statistics.median(
        1000 * _cost((sys.executable, "-S", "-c", "pass"), root).cpu for _ in range(9)
    )
    print(f"python -S -c pass: CPU {start:.1f} ms")
    print(f"git commit in {files} files, {commits} pairs: with - without hooks, median (least)")
    for name, (path, content) in changes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs: list[tuple[Cost, Cost]] = []
        for number in range(1, commits + 2):
            costs: dict[bool, Cost] = {}
            for hooks in (True, False):
                path.write_text(content(2 * number + hooks))
                _git(root, "add", str(path))
                verify = () if hooks else ("--no-verify",)
                costs[hooks] = _cost(("git", "commit", "--quiet", "-m", "x", *verify), root)
            pairs.append((costs[True], costs[False]))
        pairs = pairs[1:]  # the first commit of a kind compiles byte code
        wall = sorted(1000 * (hooked.wall - bare.wall) for hooked, bare in pairs)
        cpu = sorted(1000 * (hooked.cpu - bare.cpu) for hooked, bare in pairs)
        print(
            f"  {name:<8} wall {statistics.median(wall):6.1f} ({wall[0]:.1f}) ms   "
            f"CPU {statistics.median(cpu):6.1f} ({cpu[0]:.1f}) ms"
        )


def _make(root: Path, files: int) -> Path:
    """Make the repository with the plain hooks; return a detail log of its valid submission."""
    root.mkdir()
    _git(root, "init", "--quiet")
    (root / "mlrepo.toml").write_text('round = "v6.1"\n')
    (root / "README.md").write_text("Results\n")
    for number in range(files):
        scenario, name = divmod(number, 25)
        organisation, scenario = divmod(scenario, 100)
        place = f"Org{organisation}/results/sys{scenario // 20}/m{scenario % 20 // 4}"
        directory = root / "closed" / place / f"s{scenario % 4}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"file{name}.txt").write_text(f"{number}\n")
    submission = write_submission(root, "v6.1")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "-m", "Begin")
    install_hooks(find_repository(root), "plain")
    return submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"


def _truncation(directory: Path, size: int) -> None:
    (directory / "accuracy").mkdir(parents=True)
    log = directory / "accuracy" / "mlperf_log_accuracy.json"
    log.with_name("accuracy.txt").write_text("accuracy=76.0\n")
    block = os.urandom(1 << 20)
    with log.open("wb") as stream:
        for _ in range(size):
            stream.write(block)
    reference = _cost(("sha256sum", str(log)), directory)
    command = (sys.executable, "-c", _TRUNCATE, str(log), str(directory / "store"))
    ours = _cost(command, directory)
    print(f"truncation of {size} MiB ÷ sha256sum")
    print(f"  wall {ours.wall:.2f} s ÷ {reference.wall:.2f} s = {ours.wall / reference.wall:.2f}")
    print(f"  CPU  {ours.cpu:.2f} s ÷ {reference.cpu:.2f} s = {ours.cpu / reference.cpu:.2f}")
    print(f"  peak memory {ours.memory:.0f} MiB")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def _cost(command: tuple[str, ...], cwd: Path) -> Cost:
    """Run ``command`` and return what it and its children used."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
