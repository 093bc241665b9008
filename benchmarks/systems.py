"""Measure what describing, listing and setting up a machine costs.

Whole commands alternate with ``python -c pass``, so that noise affects both equally, and are
printed beside ``lscpu -J``, which reads part of what ``system detect`` reads. The other figures are
of one process: detection on a synthetic machine with 224 CPUs and 8 accelerators, and applying,
verifying and restoring a profile on a tree of kernel files. Bounds: ``system
detect`` 1 s, ``system list --past`` 0.2 s, apply + verify + restore 0.5 s.

Usage: ``python -m benchmarks.systems [--rounds 15] [--cpus 128]``
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
from collections.abc import Callable, Iterator
from pathlib import Path

from mlrepo.systems.detect import detect
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import Profile
from mlrepo.systems.tuning import Tuner

_MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
_BARE = (sys.executable, "-c", "pass")
_STATE = {
    "governor": "performance",
    "frequency_max": "max",
    "frequency_min": "max",
    "turbo": False,
    "smt": False,
    "transparent_hugepages": "never",
    "swappiness": 1,
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpus", type=int, default=128)
    given = parser.parse_args()
    _commands(given.rounds)
    with tempfile.TemporaryDirectory() as directory:
        _in_process(Path(directory), given.rounds, given.cpus)


def _commands(rounds: int) -> None:
    commands = {
        "python -c pass": _BARE,
        "mlrepo system detect": (*_MLREPO, "system", "detect"),
        "mlrepo system list --past": (*_MLREPO, "system", "list", "--past"),
    }
    if lscpu := shutil.which("lscpu"):
        commands["lscpu -J"] = (lscpu, "-J")
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(_cost(command))
    print(f"whole commands, median of {rounds} interleaved rounds")
    bare = statistics.median(wall for wall, _ in costs["python -c pass"])
    for name, seen in costs.items():
        wall, cpu = (statistics.median(column) for column in zip(*seen, strict=True))
        best = min(wall for wall, _ in seen)
        print(
            f"  {name:<26} wall {wall:6.3f} s (best {best:.3f})   CPU {cpu:6.3f} s   "
            f"÷ bare {wall / bare:5.1f}"
        )


def _cost(command: tuple[str, ...]) -> tuple[float, float]:
    """Return wall and CPU seconds of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return wall, usage.ru_utime + usage.ru_stime


def _in_process(directory: Path, rounds: int, cpus: int) -> None:
    from tests import machines

    gpus = machines.eight_gpus(directory / "gpus")
    tuner = Tuner(Machine(machines.tunable(directory / "tunable", cpus)), directory / "store")

    def apply_and_restore() -> None:
        with tuner.applied(Profile("full", state=_STATE)) as applied:
            if applied.problems:
                raise SystemExit(f"not applied: {applied.problems}")

    print(f"in one process, median of {rounds}")
    for name, work in (
        ("detect, 224 CPUs and 8 accelerators", lambda: detect(gpus)),
        (f"apply + verify + restore, {cpus} CPUs", apply_and_restore),
    ):
        walls, seconds = zip(*_timed(work, rounds), strict=True)
        print(
            f"  {name:<38} wall {statistics.median(walls):6.3f} s (best {min(walls):.3f})   "
            f"CPU {statistics.median(seconds):6.3f} s"
        )


def _timed(work: Callable[[], object], rounds: int) -> Iterator[tuple[float, float]]:
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        yield time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
