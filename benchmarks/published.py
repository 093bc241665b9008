"""Time and memory of importing a published round (bounds: 60 s, 300 MB).

    python -m benchmarks.published TREE ROUND [--repeat 1] [--report]

TREE is the unpacked repository of a round, such as a clone of mlcommons/inference_results_v1.1.
Its results are imported into a new results repository, then once more, when nothing changes. With
``--report`` the repository's report is made, too. Printed are the wall and the CPU seconds of each
command, and the most memory that all its processes had at a time: shared pages count once (PSS).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_BETWEEN_SAMPLES = 0.2


@dataclass(frozen=True)
class _Cost:
    """Seconds of a command, and the most memory of all its processes together, and of one."""

    wall: float
    cpu: float
    together: int
    alone: int

    def __str__(self) -> str:
        return (
            f"wall {self.wall:.1f} s, cpu {self.cpu:.1f} s, memory {self.together / 1e6:.0f} MB "
            f"(one process {self.alone / 1e6:.0f} MB)"
        )


def main() -> None:
    """Import the round in a temporary directory, and say what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("round")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="Make the report, too.")
    parser.add_argument("--keep", type=Path, help="Where the repository is kept.")
    asked = parser.parse_args()
    for number in range(asked.repeat):
        with tempfile.TemporaryDirectory() as name:
            root = (asked.keep if number == 0 and asked.keep else Path(name)) / "r"
            root.parent.mkdir(parents=True, exist_ok=True)
            names = ("--submitter", "Acme", "--division", "open", "--system", "box")
            _mlrepo(Path.cwd(), root.parent / "out", "init", str(root), *names)
            command = ("import", str(asked.tree.resolve()), "--round", asked.round)
            print(f"import: {_mlrepo(root, root.parent / 'out', *command)}")
            print((root.parent / "out").read_text().splitlines()[-1])
            print(f"again: {_mlrepo(root, root.parent / 'again', *command)}")
            objects = root / ".git" / "objects"
            size = sum(file.stat().st_size for file in objects.rglob("*") if file.is_file())
            print(f"objects: {size / 1e6:.1f} MB")
            if asked.report:
                print(f"report: {_mlrepo(root, root.parent / 'out', 'report')}")
                page = root / "mlrepo-report.html"
                print(f"page: {page.stat().st_size / 1e6:.2f} MB")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def _mlrepo(directory: Path, out: Path, *arguments: str) -> _Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    together = alone = 0
    with out.open("wb") as stream:
        command = (sys.executable, "-m", "mlrepo.cli.main", *arguments)
        process = subprocess.Popen(command, cwd=directory, stdout=stream)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            sizes = list(_sizes(watched))
            together = max(together, sum(sizes))
            alone = max(alone, *sizes, 0)
            time.sleep(_BETWEEN_SAMPLES)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Cost(time.perf_counter() - begin, cpu, together, alone)


def _sizes(process: psutil.Process) -> list[int]:
    """Return the memory of a process and of each below it, in bytes."""
    sizes = []
    try:
        for each in (process, *process.children(recursive=True)):
            try:
                sizes.append(int(each.memory_full_info().pss))
            except (psutil.Error, OSError):
                continue  # it has just ended
    except psutil.Error:
        pass
    return sizes


if __name__ == "__main__":
    main()
