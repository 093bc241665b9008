"""Many machines that record and synchronise at random, while the hub packs and collects garbage.

    python -m benchmarks.sync machines [--machines 8] [--runs 100] [--seed 1]
    python -m benchmarks.sync branch [--runs 50] [--seed 1]
    python -m benchmarks.sync nothing-new [--branches 1000] [--runs 10000] [--repeat 5]

``machines``: each machine records on its own branch in a clone of its own, as a process of its
own, and synchronises after a run with a chance of one in five. At the end every clone must have
every run and be sound, and so must the hub.

``branch``: two machines record on one branch, with runs of three configurations for the same
results; at the end both must have all runs, the same tree, and no result with runs of two
configurations.

``nothing-new``: the time of `mlrepo sync` if there is nothing to do, beside that of the `git
ls-remote` in it, which is the network (bound: 1 s).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.status import history
from mlrepo.record import configuration_digest
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import load_record, recorded_runs
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.sync.synchronise import synchronise
from tests.curated import placed_run
from tests.samples import git

_MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
_CONFIGURATIONS = [configuration_digest({"a": value}) for value in range(3)]
_LOG = "mlperf_log_detail.txt"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("what", choices=("machines", "branch", "nothing-new", "worker"))
    parser.add_argument("--machines", type=int, default=8)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--branches", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--branch", default="")
    asked = parser.parse_args()
    os.environ |= {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Bench"), ("EMAIL", "bench@example.org"))
    }
    if asked.what == "worker":
        work(asked.root, asked.branch, asked.number, asked.runs, asked.seed)
        return
    with tempfile.TemporaryDirectory(prefix="mlrepo-sync-") as name:
        base = Path(name)
        if asked.what == "machines":
            print(machines(base, asked.machines, asked.runs or 100, asked.seed))
        elif asked.what == "branch":
            print(one_branch(base, asked.runs or 50, asked.seed))
        else:
            nothing_new(base, asked.branches, asked.runs or 10_000, asked.repeat)


@dataclass
class Team:
    """A hub and its clones, and how they end."""

    base: Path
    clones: list[Path] = field(default_factory=list)
    collections: int = 0

    @property
    def hub(self) -> Path:
        """The bare repository."""
        return self.base / "hub.git"

    def make(self, number: int) -> None:
        """Make the hub, with the settings on ``main``, and the clones."""
        first = self.base / "first"
        first.mkdir()
        git(first, "init", "--quiet", "--initial-branch=main")
        settings = 'round = "v6.1"\ndivision = "closed"\nsubmitter = "Acme"\n'
        (first / "mlrepo.toml").write_text(settings)
        git(first, "add", ".")
        git(first, "commit", "--quiet", "--message", "Begin")
        git(self.base, "clone", "--quiet", "--bare", str(first), str(self.hub))
        for each in range(number):
            self.clones.append(self.base / f"machine-{each}")
            git(self.base, "clone", "--quiet", str(self.hub), str(self.clones[-1]))

    def run(self, branches: Sequence[str], runs: int, seed: int) -> None:
        """Let each clone record in a process of its own, with the hub collecting beside them."""
        done = threading.Event()
        beside = threading.Thread(target=self._collect, args=(done, random.Random(seed)))
        beside.start()
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.sync", "worker"),
                    *("--root", str(clone), "--branch", branch, "--runs", str(runs)),
                    *("--number", str(number), "--seed", str(seed)),
                ],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for number, (clone, branch) in enumerate(zip(self.clones, branches, strict=True))
        ]
        try:
            said = [process.communicate()[1] for process in processes]
        finally:
            done.set()
            beside.join()
        wrong = [text for process, text in zip(processes, said, strict=True) if process.returncode]
        if wrong:
            raise AssertionError("\n".join(wrong))

    def settle(self) -> None:
        """Synchronise all clones once in turn, and once more to fetch what the last ones pushed."""
        for clone in (*self.clones, *self.clones):
            report = synchronise(find_repository(clone), "origin", dict(os.environ))
            assert report.complete, report

    def _collect(self, done: threading.Event, chance: random.Random) -> None:
        """Pack and collect garbage in the hub until ``done``."""
        commands = (("gc", "--quiet"), ("repack", "-q", "-a", "-d"), ("pack-refs", "--all"))
        while not done.wait(chance.uniform(0.05, 0.5)):
            git(self.hub, *chance.choice(commands), ok=False)
            self.collections += 1


def work(root: Path, branch: str, number: int, runs: int, seed: int) -> None:
    """Record runs on a branch and synchronise at random, as one machine."""
    chance = random.Random(f"{seed} {number}")
    for index in range(runs):
        repository = find_repository(root)
        placed_run(
            Recorder(repository, git_identity(root)),
            index * 8 + number,
            Experiment(branch),
            system=f"machine-{number}" if branch.startswith("m") else "shared",
            sut="shared",
            mode=chance.choice(["accuracy", "performance"]),
            configuration=chance.choice(_CONFIGURATIONS),
            scenario=chance.choice(["Offline", "SingleStream", "MultiStream"]),
        )
        if chance.random() < 0.2:
            report = synchronise(find_repository(root), "origin", dict(os.environ))
            if not report.complete:
                raise SystemExit(f"machine {number}, run {index}: {report}")


def machines(base: Path, number: int, runs: int, seed: int) -> str:
    """Let machines record on their own branches; return how many runs each has at the end."""
    team = Team(base)
    team.make(number)
    begin = time.perf_counter()
    team.run([f"m{each}" for each in range(number)], runs, seed)
    seconds = time.perf_counter() - begin
    team.settle()
    counted = [len(list(recorded_runs(find_repository(clone)))) for clone in team.clones]
    assert counted == [number * runs] * number, counted
    for each in (team.hub, *team.clones):
        git(each, "fsck", "--strict", "--no-progress")
    return (
        f"{number} machines, {runs} runs each, {seconds:.0f} s, {team.collections} collections of "
        f"the hub beside them: {counted[0]} of {number * runs} runs at every machine, git fsck "
        "clean in the hub and all clones"
    )


def one_branch(base: Path, runs: int, seed: int) -> str:
    """Let two machines record on one branch; return how they end."""
    team = Team(base)
    team.make(2)
    team.run(["shared", "shared"], runs, seed)
    team.settle()
    tips = {git(clone, "rev-parse", "exp/shared") for clone in team.clones}
    trees = {git(clone, "rev-parse", "exp/shared^{tree}") for clone in team.clones}
    assert len(tips) == len(trees) == 1, (tips, trees)
    results = [_standing(clone) for clone in team.clones]
    for found in results:
        assert all(len(configurations) == 1 for configurations in found.values()), found
    held = git(team.clones[0], "ls-tree", "--name-only", "exp/shared", "runs/").split()
    assert len(held) == 2 * runs, len(held)
    for each in (team.hub, *team.clones):
        git(each, "fsck", "--strict", "--no-progress")
    merges = git(team.clones[0], "rev-list", "--count", "--merges", "exp/shared").strip()
    return (
        f"two machines on one branch, {runs} runs each, {merges} merges, {team.collections} "
        f"collections: {len(held)} runs in runs/, {len(results[0])} results, none with two "
        "configurations, the same commit and tree at both, git fsck clean"
    )


def _standing(clone: Path) -> dict[str, set[str]]:
    """Return the configurations of the runs that stand in each result of the shared branch."""
    repository = find_repository(clone)
    runs = {run.run: run for run in recorded_runs(repository)}
    listed = git(clone, "ls-tree", "-r", "exp/shared").splitlines()
    blobs = {line.partition("\t")[2]: line.split()[2] for line in listed}
    of_runs = {oid: path.split("/")[1] for path, oid in blobs.items() if path.endswith(_LOG)
               and path.startswith("runs/")}  # fmt: skip
    found: dict[str, set[str]] = {}
    for path, oid in blobs.items():
        if path.startswith("closed/") and path.endswith(_LOG):
            record = load_record(repository, runs[of_runs[oid]])
            found.setdefault("/".join(path.split("/")[:6]), set()).add(record.configuration)
    return found


def nothing_new(base: Path, branches: int, runs: int, repeat: int) -> None:
    """Time a synchronisation without anything to do, in a clone that owns all branches."""
    root, hub = base / "r", base / "hub.git"
    init = ("init", str(root), "--submitter", "Acme", "--division", "open", "--system", "box")
    subprocess.run([*_MLREPO, *init], check=True, stdout=subprocess.DEVNULL)
    stream = b"".join(history(branches, runs))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, check=True)
    git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(hub))
    git(root, "remote", "add", "origin", str(hub))
    git(root, "push", "--quiet", "--no-verify", "origin", "main", "refs/heads/exp/*")
    git(root, "pack-refs", "--all")
    whole, cpus, network = [], [], []
    for _ in range(repeat):
        begin = time.perf_counter()
        git(root, "ls-remote", "--heads", "origin")
        network.append(time.perf_counter() - begin)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        done = subprocess.run([*_MLREPO, "sync"], cwd=root, check=True, capture_output=True)
        whole.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert b"Nothing new" in done.stdout, done.stdout
    print(f"{branches} branches, {runs} runs, nothing new")
    measured = (("mlrepo sync", whole), ("its CPU", cpus), ("git ls-remote in it", network))
    for what, times in measured:
        print(f"{what}: best {min(times):.2f} s, median {statistics.median(times):.2f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
