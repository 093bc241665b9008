"""Time of the shell's TAB (bounds: 80 ms for commands, 200 ms for runs among 10,000).

    python -m benchmarks.completion [--branches 1000] [--runs 10000] [--repeat 9]

The shell's function starts ``mlrepo`` with the words in variables; so does this. Printed are the
wall and the CPU milliseconds of the whole process, best and median.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.status import history

_WORDS = (
    "mlrepo ",
    "mlrepo bench run --backend ",
    "mlrepo show ",
    "mlrepo show 2026",
    "mlrepo log --tag ",
)


def main() -> None:
    """Make the repository in a temporary directory, and complete in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--branches", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=9)
    asked = parser.parse_args()
    mlrepo = str(Path(sys.executable).with_name("mlrepo"))
    with tempfile.TemporaryDirectory() as name:
        init = ("init", name + "/r", "--submitter", "Acme", "--division", "open", "--system", "box")
        subprocess.run([mlrepo, *init], check=True, stdout=subprocess.DEVNULL)
        root = Path(name) / "r"
        stream = b"".join(history(asked.branches, asked.runs))
        subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, check=True)
        subprocess.run(["git", "pack-refs", "--all"], cwd=root, check=True)
        for words in _WORDS:
            _measure(mlrepo, words, root, asked.repeat)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def _measure(mlrepo: str, words: str, root: Path, repeat: int) -> None:
    environ = os.environ | {
        "_MLREPO_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    walls, cpus = [], []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        out = subprocess.run([mlrepo], cwd=root, env=environ, check=True, capture_output=True)
        walls.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    shown = "  ".join(
        f"{what}: best {min(times) * 1e3:.0f}, median {statistics.median(times) * 1e3:.0f} ms"
        for what, times in (("wall", walls), ("cpu", cpus))
    )
    print(f"{words + 'TAB':<32} {len(out.stdout.split()):>4} candidates  {shown}")


if __name__ == "__main__":
    main()
