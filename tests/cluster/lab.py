"""A results repository with a hub, and commands that submit its runs to the tests' Slurm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.slurm import Cluster
from tests.e2e.driver import Done, mlrepo
from tests.samples import git

RUN = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "performance")
SHORT = ("--count", "100", "--time", "0.1")


@dataclass(frozen=True)
class Lab:
    """A submitter's clone, its hub, and the nodes' directories below ``place``."""

    root: Path
    hub: Path
    place: Path
    cluster: Cluster

    def mlrepo(self, *words: str, code: int | None = 0, **environ: str | None) -> Done:
        return mlrepo(self.root, *words, code=code, **{**self.cluster.environ, **environ})

    def submit(
        self, *words: str, on: str = "slurm", options: tuple[str, ...] = (), code: int | None = 0
    ) -> list[str]:
        """Submit jobs, and return their ids."""
        chosen = (f"directory={self.place}/$SLURMD_NODENAME", *options)
        more = [word for option in chosen for word in ("--on-opt", option)]
        done = self.mlrepo(*words, "--on", on, *more, "--json", code=code)
        return [job["id"] for job in done.json["jobs"]] if not code else []

    def refused(self, *words: str, on: str = "slurm", options: tuple[str, ...] = ()) -> Done:
        """Submit what is refused, and return what was said."""
        more = [word for option in options for word in ("--on-opt", option)]
        return self.mlrepo(*words, "--on", on, *more, code=2)

    def jobs(self, *names: str) -> dict[str, dict[str, Any]]:
        """Return the jobs by id."""
        listed = self.mlrepo("jobs", "list", *names, "--json").json["jobs"]
        return {job["id"]: job for job in listed}

    def job(self, name: str) -> dict[str, Any]:
        return self.jobs(name)[name]

    def wait(self, *names: str, code: int | None = 0, **environ: str | None) -> Done:
        return self.mlrepo(
            "jobs", "wait", *names, "--every", "0.5", "--timeout", "4m", code=code, **environ
        )

    def until(self, name: str, *states: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until a job is in a state, without submitting it again."""
        self.await_(lambda: self.job(name), lambda job: job["state"] in states, seconds)
        return self.job(name)

    def measuring(self, name: str) -> dict[str, Any]:
        """Wait until a job's LoadGen runs on its node."""
        job = self.until(name, "running")
        self.await_(
            lambda: any('"started"' in path.read_text() for path in self.spooled(job["node"])), bool
        )
        return job

    def spooled(self, node: str) -> list[Path]:
        return list(self.place.glob(f"{node}/*/.git/mlrepo/spool/*/events.jsonl"))

    @staticmethod
    def await_(look: Callable[[], Any], fits: Callable[[Any], bool], seconds: float = 60.0) -> Any:
        deadline = time.monotonic() + seconds
        while not fits(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all runs that the hub has."""
        found = {}
        heads = git(self.hub, "for-each-ref", "--format=%(refname)", "refs/heads/exp/").split()
        for head in heads:
            names = git(self.hub, "ls-tree", "--name-only", f"{head}:runs").split()
            for name in names:
                found[name] = json.loads(git(self.hub, "show", f"{head}:runs/{name}/run.json"))
        return list(found.values())


def make_lab(directory: Path, cluster: Cluster) -> Lab:
    """Make a results repository and its hub."""
    directory.mkdir(parents=True, exist_ok=True)
    hub = directory / "hub.git"
    git(directory, "init", "--quiet", "--bare", "--initial-branch=main", str(hub))
    mlrepo(
        directory,
        "init",
        "results",
        "--submitter",
        "Acme",
        "--division",
        "open",
        "--system",
        "desk",
    )
    root = directory / "results"
    git(root, "remote", "add", "origin", str(hub))
    git(root, "push", "--quiet", "origin", "HEAD:main")
    return Lab(root, hub, directory / "nodes", cluster)
