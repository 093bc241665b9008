"""Time of ``mlrepo status`` over many branches and runs (bound: 1,000 and 10,000 in 1 s).

    python -m benchmarks.status [--branches 1000] [--runs 10000] [--repeat 5]

A repository is made with ``git fast-import``: each run is one commit with the trailers and the
files of a real one. Printed are the wall and the CPU seconds of the whole command, best and median.
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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mlrepo.record import Placement, configuration_digest
from mlrepo.repository.trailers import commit_message
from tests.samples import sample_record, sample_run_id

SCENARIOS = ("Offline", "SingleStream", "MultiStream")


def main() -> None:
    """Make the repository in a temporary directory, and time the command in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--branches", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    mlrepo = (sys.executable, "-m", "mlrepo.cli.main")
    with tempfile.TemporaryDirectory() as name:
        init = ("init", name + "/r", "--submitter", "Acme", "--division", "open", "--system", "box")
        subprocess.run([*mlrepo, *init], check=True, stdout=subprocess.DEVNULL)
        root = Path(name) / "r"
        stream = b"".join(history(asked.branches, asked.runs))
        subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, check=True)
        subprocess.run(["git", "pack-refs", "--all"], cwd=root, check=True)
        walls, cpus = [], []
        for _ in range(asked.repeat):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.perf_counter()
            out = subprocess.run(
                [*mlrepo, "status", "--json"], cwd=root, check=True, capture_output=True
            ).stdout
            walls.append(time.perf_counter() - begin)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{asked.branches} branches, {asked.runs} runs, {len(out)} bytes of JSON")
    for what, times in (("wall", walls), ("cpu", cpus)):
        print(f"{what}: best {min(times):.2f} s, median {statistics.median(times):.2f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def history(branches: int, runs: int) -> Iterator[bytes]:
    """Yield the input of ``git fast-import``: ``runs`` commits spread over ``branches``."""
    for number in range(runs):
        branch = number % branches
        run = sample_run_id(number, branch)
        record = replace(
            sample_record(run),
            experiment=f"e{branch}",
            division="open",
            system=f"box{branch}",
            benchmark="digits",
            scenario=SCENARIOS[number // branches % 3],
            mode=("accuracy", "performance")[number // branches // 3 % 2],
            configuration=configuration_digest({"branch": branch}),
            placement=Placement(placed=False, reason="made for a benchmark"),
        )
        message, content = commit_message(record).encode(), record.to_json()
        yield f"commit refs/heads/exp/e{branch}\n".encode()
        yield f"committer A <a@example.org> {1_700_000_000 + number} +0000\n".encode()
        yield b"data %d\n%b\n" % (len(message), message)
        yield b"M 100644 inline runs/%b/run.json\n" % run.encode()
        yield b"data %d\n%b\n" % (len(content), content)


if __name__ == "__main__":
    main()
