"""Jobs on a real Slurm of three nodes on this machine: what is killed, and what a job costs.

``python -m benchmarks.cluster kills [--runs 60] [--kills 20] [--seed N]`` submits runs of the
digits, and kills at random moments: a job by ``scancel``, all processes of a job, a node with its
daemon, the command that waits, and drains a node. It prints how many cells have one VALID run, how
many none, and how many two that both count; and whether two runs ever overlapped on a node.

``python -m benchmarks.cluster overhead [--repeat 5]`` compares a job of ``--on slurm`` with the
same run by ``sbatch`` alone, from the command to the commit at the hub and in the clone.

``slurmctld``, ``slurmd`` and ``munged`` must be installed; they run as root in a directory of their
own.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import random
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.lab import RUN, Lab, make_lab
from tests.cluster.slurm import cluster, missing
from tests.samples import git

_MLREPO = (sys.executable, "-P", "-m", "mlrepo.cli.main")
_KINDS = ("scancel", "job", "node", "driver", "drain")


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kills", "overhead"))
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="mlrepo-cluster-") as name,
        cluster(Path(name) / "slurm") as made,
    ):
        lab = make_lab(Path(name) / "lab", made)
        if chosen.what == "overhead":
            return _overhead(lab, chosen.repeat)
        return _kills(lab, chosen.runs, chosen.kills, random.Random(chosen.seed))


def _kills(lab: Lab, runs: int, kills: int, chance: random.Random) -> int:
    begin = time.monotonic()
    names = lab.submit(*RUN, "--count", "100", "--time", "0.5", "--repeat", str(runs))
    print(f"{len(names)} jobs submitted in {time.monotonic() - begin:.1f} s", flush=True)
    driver = _driver(lab)
    done: Counter[str] = Counter()
    for number in range(1, kills + 1):
        time.sleep(chance.uniform(0.5, 4.0))
        kind = _KINDS[number % len(_KINDS)]
        hit = _disturb(lab, kind, chance, driver)
        if kind == "driver":
            driver = _driver(lab)
        done[kind] += bool(hit)
        print(
            f"{time.monotonic() - begin:6.1f} s  {kind}: {hit or 'nothing was there'}", flush=True
        )
    while True:
        code = driver.wait()
        states = Counter(job["state"] for job in lab.jobs().values())
        at = f"{time.monotonic() - begin:6.1f} s"
        print(f"{at}  the command that waits ended: {code}, {dict(states)}", flush=True)
        if set(states) <= {"done"} or code not in (-signal.SIGKILL, 0):
            break
        driver = _driver(lab)
    return _judge(lab, names, done)


def _driver(lab: Lab) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*_MLREPO, "jobs", "wait", "--every", "1"],
        cwd=lab.root,
        env=os.environ | lab.cluster.environ,
        stdout=subprocess.DEVNULL,
    )


def _disturb(lab: Lab, kind: str, chance: random.Random, driver: subprocess.Popen[bytes]) -> str:
    """Disturb the cluster in one way, and return what was hit."""
    node = chance.choice(list(lab.cluster.nodes))
    listed = lab.cluster.run("squeue", "-h", "-t", "running", "-o", "%i %N", check=False)
    running = [line.split() for line in listed.splitlines()]
    match kind:
        case "driver":
            driver.kill()
            driver.wait()
            return "the process of jobs wait"
        case "drain":
            lab.cluster.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=x")
            time.sleep(chance.uniform(0.5, 2.0))
            lab.cluster.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
            return node
        case "node":
            lab.cluster.kill_node(node)
            time.sleep(chance.uniform(0.5, 2.0))
            lab.cluster.start_node(node)
            return node
    if not running:
        return ""
    job, where = chance.choice(running)
    if kind == "scancel":
        lab.cluster.run("scancel", job, check=False)
    else:
        for pid in lab.cluster.job_processes(job):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    return f"job {job} on {where}"


def _judge(lab: Lab, names: list[str], done: Counter[str]) -> int:
    """Print the figures; return 0 if they are those that are guaranteed."""
    listed = lab.mlrepo("log", "-n", "100000", "--json").json["runs"]
    valid = defaultdict(list)
    for run in listed:  # withdrawn ones are not among them
        for tag in run["tags"]:
            if tag.startswith("job-") and run["validity"] == "VALID":
                valid[tag.removeprefix("job-")].append(run["run"])
    once = sum(len(valid[name]) == 1 for name in names)
    lost = sum(not valid[name] for name in names)
    twice = sum(len(valid[name]) > 1 for name in names)
    records = lab.records()
    overlaps = list(_overlaps(lab, records))
    verdicts = Counter(record["validity"] for record in records)
    print(f"disturbed: {dict(done)}")
    attempts = sum(job["attempts"] for job in lab.jobs().values())
    print(f"runs at the hub: {dict(verdicts)}; attempts: {attempts}")
    print(f"VALID once per cell / lost / done twice and both counted: {once} / {lost} / {twice}")
    print(f"runs that overlapped on a node: {len(overlaps)}")
    git(lab.hub, "fsck", "--strict", "--no-dangling")
    return int((once, lost, twice, len(overlaps)) != (len(names), 0, 0, 0))


def _overlaps(lab: Lab, records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield pairs of runs on one node of which one began before the other had ended."""
    listed = lab.cluster.run("squeue", "-h", "-t", "all", "-o", "%i %N")
    node_of = dict(line.split()[:2] for line in listed.splitlines() if len(line.split()) == 2)
    times = defaultdict(list)
    for record in records:
        head = f"exp/{record['experiment']}:runs/{record['run']}/environment.json"
        job = json.loads(git(lab.hub, "show", head))["variables"]["SLURM_JOB_ID"]
        begin, end = (datetime.datetime.fromisoformat(record[key]) for key in ("started", "ended"))
        times[node_of.get(job, "?")].append((begin, end, record["run"]))
    print(f"runs by node: { {node: len(found) for node, found in times.items()} }")
    for found in times.values():
        for (_, ended, one), (began, _, other) in itertools.pairwise(sorted(found)):
            if began < ended:
                yield one, other


def _overhead(lab: Lab, repeat: int) -> int:
    run = (*RUN, "--count", "100", "--time", "0.2")
    (warm,) = lab.submit(*run, options=("options=--nodelist=n1",))
    lab.wait(warm)
    clone = next(lab.place.glob("n1/*/.git")).parent
    system = next((clone / "systems").iterdir()).name
    plain, jobs, inside = [], [], []
    for _ in range(repeat):
        plain.append(_plain(lab, clone, [*run, "--system", system]))
        begin = time.monotonic()
        done = subprocess.run(
            [*_MLREPO, *run, "--on", "slurm", "--on-opt", f"directory={lab.place}/$SLURMD_NODENAME",
             "--on-opt", "options=--nodelist=n1", "--json"],
            cwd=lab.root, env=os.environ | lab.cluster.environ, capture_output=True, check=True,
        )  # fmt: skip
        job = json.loads(done.stdout)["jobs"][0]["id"]
        submitted = time.monotonic() - begin
        while f"job-{job}" not in git(lab.hub, "log", "-n", "20", "--format=%B", "--all"):
            time.sleep(0.02)
        jobs.append(time.monotonic() - begin)
        inside.append(submitted)
        lab.await_(lambda: lab.cluster.run("squeue", "-h").strip(), lambda said: not said)
    for what, times in (
        ("sbatch alone", plain),
        ("--on slurm", jobs),
        ("of it submitting", inside),
    ):
        print(f"{what}: median {statistics.median(times):.2f} s of {[round(t, 2) for t in times]}")
    extra = statistics.median(jobs) - statistics.median(plain)
    print(f"overhead of --on slurm per cell beside Slurm's own latency: {extra:.2f} s (bound: 2 s)")
    return int(extra > 2.0)


def _plain(lab: Lab, clone: Path, run: list[str]) -> float:
    """Return the seconds from ``sbatch`` to the end of the command that records a run."""
    mark = lab.place / "mark"
    mark.unlink(missing_ok=True)
    command = shlex.join([*_MLREPO, "-C", str(clone), *run])
    begin = time.monotonic()
    lab.cluster.run(
        *("sbatch", "--parsable", "--exclusive", "--nodelist=n1", "--output=/dev/null"),
        stdin=f"#!/bin/bash\n{command}\ntouch {shlex.quote(str(mark))}\n",
    )
    while not mark.exists():
        time.sleep(0.02)
    took = time.monotonic() - begin
    lab.await_(lambda: lab.cluster.run("squeue", "-h").strip(), lambda said: not said)
    return took


if __name__ == "__main__":
    sys.exit(main())
