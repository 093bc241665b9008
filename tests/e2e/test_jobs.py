"""``--on local`` and ``mlrepo jobs``: the queue of this machine, with real runs."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import mlrepo
from tests.samples import git

_RUN = ("bench", "run", "--model", "digits", "--scenario", "Offline", "--mode", "performance")
_SHORT = ("--count", "100", "--time", "0.1")


def _jobs(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mlrepo(root, "jobs", "list", "--json").json["jobs"]
    return found


def _await(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _worker(root: Path) -> int:
    """Return the process that works on the queue."""
    wanted = b"mlrepo.engines.queue\0" + str(root / ".git/mlrepo/jobs/queue").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in path.read_bytes():
                return int(path.parent.name)
        except OSError:
            continue
    raise AssertionError("nobody works on the queue")


@pytest.mark.long
def test_a_killed_job_is_done_again_and_counts_once(root: Path) -> None:
    """Its queue is killed with it; typed again, each cell has one VALID run, one after another."""
    done = mlrepo(root, *_RUN, "--count", "100", "--time", "1", "--repeat", "2", "--on", "local")
    done.says("2 of 2 job(s) on local", "go on without this terminal")
    _await(lambda: any((root / ".git/mlrepo/spool").glob("*/events.jsonl")))
    assert {job["state"] for job in _jobs(root)} == {"running", "queued"}
    os.kill(_worker(root), signal.SIGKILL)
    _await(lambda: _jobs(root)[0]["state"] == "lost")
    mlrepo(root, "jobs").says("lost", "the process of the queue was killed", "jobs wait")

    waited = mlrepo(root, "jobs", "wait", "--every", "0.3")
    waited.says("lost; submitted again (attempt 2)", "2 job(s): 2 done.")
    jobs = _jobs(root)
    # Another process may have taken the queue over before the second job was lost.
    assert [job["attempts"] for job in jobs] in ([2, 1], [2, 2])
    valid = [[run for run in job["runs"] if run["validity"] == "VALID"] for job in jobs]
    assert [len(runs) for runs in valid] == [1, 1]
    records = [
        json.loads(git(root, "show", f"exp/box:runs/{runs[0]['run']}/run.json")) for runs in valid
    ]
    for one, other in itertools.combinations(records, 2):
        assert one["ended"] <= other["started"] or other["ended"] <= one["started"]
    assert f"job-{jobs[0]['id']}" in records[0]["tags"] + records[1]["tags"]
    # Git has the run a moment before the job has said so.
    _await(lambda: '"state": "recorded"' in mlrepo(root, "jobs", "logs", jobs[0]["id"]).out)
    mlrepo(root, "jobs", "logs", jobs[0]["id"], "--attempt", "2").says("samples/s VALID")
    for columns in ("40", "60", "200"):
        mlrepo(root, "jobs", COLUMNS=columns).says("2 job(s): 2 done")
        mlrepo(root, "status", "--machines", COLUMNS=columns).says("box", "1.00", "Next: ")
    machines = mlrepo(root, "status", "--machines", "--json").json["machines"]
    assert [board["standings"][0]["ratio"] for board in machines["best"]] == [1.0]
    assert [one["system"] for one in machines["missing"]] == ["box"]
    # What is settled is not submitted again, and a request that refuses itself is told at once.
    mlrepo(root, "jobs", "wait").says("2 done")
    mlrepo(root, "jobs", "wait", "--json").says("mlrepo.jobs/1")


def test_a_plan_is_printed_and_nothing_is_submitted(root: Path) -> None:
    """A suite becomes a job per scenario, a sweep one per cell; an adaptive sweep is one job."""
    plan = mlrepo(
        root, "bench", "suite", "--model", "digits", "--quick", "--on", "local", "--plan", "--json"
    ).json
    commands = [job["command"] for job in plan["jobs"]]
    assert len(commands) >= 2
    assert all("--scenario" in one and "--system" not in one for one in commands)
    sweep = ("bench", "sweep", "--model", "digits", "--scenario", "Offline", "--threads", "1,2")
    plan = mlrepo(root, *sweep, "--repeat", "2", "--on", "local", "--dry-run", "--json").json
    commands = [job["command"] for job in plan["jobs"]]
    assert len(commands) == 4 and len(set(commands)) == 2
    assert all("bench run" in one and "--tag cell-" in one for one in commands)
    adaptive = (*sweep[:-1], "1,2,3,4", "--adaptive", "--budget", "1m", "--on", "local")
    plan = mlrepo(root, *adaptive, "--dry-run", "--json").json
    assert [one["command"].split()[2] for one in plan["jobs"]] == ["sweep"]
    assert not _jobs(root)
    mlrepo(root, "jobs").says("No job was submitted")


def test_a_cancelled_job_is_not_submitted_again(root: Path) -> None:
    """Neither the one that runs nor the one that waits; both are settled."""
    mlrepo(root, *_RUN, *_SHORT, "--repeat", "2", "--on", "local", "--json")
    mlrepo(root, "jobs", "cancel", code=2).says("--all")
    mlrepo(root, "jobs", "cancel", "--all").says("Cancelled 2")
    mlrepo(root, "jobs", "wait", "--every", "0.2", code=None)
    states = {job["state"] for job in _jobs(root)}
    assert states <= {"cancelled", "done"}
    assert "cancelled" in states


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--on", "nowhere"), ("no engine 'nowhere'", "slurm")),
        (("--on", "local:here"), ("takes no 'here'",)),
        (("--on", "local", "--on-opt", "acount=x"), ("no option 'acount'", "limit")),
        (("--on", "local", "--on-opt", "limit=soon"), ("'soon' is not a duration",)),
        (("--on", "local", "--bootstrap", "."), ("another machine",)),
        (("--on", "slurm", "--on-opt", "exclusive=perhaps"), ("neither true nor false",)),
        (("--on", "slurm", "--on-opt", "container=x"), ("python=",)),
        (("--wait",), ("belong to --on",)),
        (("--on", "local", "--qps", "-1"), ("--qps must be a positive number",)),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_submitted_is_told(
    root: Path, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    """In clear words, and nothing is written."""
    mlrepo(root, *_RUN, *_SHORT, *words, code=2).says(*said)
    assert not (root / ".git/mlrepo/jobs").is_dir() or not _jobs(root)


def test_without_slurm_or_hub(root: Path, tmp_path: Path) -> None:
    """No sbatch and no hub are told before anything is written."""
    git(root, "remote", "add", "origin", str(tmp_path / "hub.git"))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").symlink_to("/usr/bin/git")
    alone = {"PATH": str(tools)}
    done = mlrepo(root, *_RUN, *_SHORT, "--on", "slurm:gpu", code=2, **alone)
    done.says("no sinfo on this machine", "login node")
    assert not _jobs(root)
    git(root, "remote", "remove", "origin")
    done = mlrepo(root, *_RUN, *_SHORT, "--on", "slurm", code=2, **alone)
    done.says("no hub", "git remote add origin")
    git(root, "remote", "add", "origin", "https://me:secretword@example.com/x.git")
    done = mlrepo(root, *_RUN, *_SHORT, "--on", "slurm", code=2, **alone)
    done.says("holds credentials")
    assert "secretword" not in done.err


def test_names_that_no_job_has(root: Path) -> None:
    """And the hidden command of engines refuses what no engine wrote."""
    mlrepo(root, "jobs", "logs", "abc123.1", code=2).says("no job or group 'abc123.1'")
    mlrepo(root, "jobs", "cancel", "abc123", code=2).says("mlrepo jobs")
    mlrepo(root.parent, "jobs", code=2).says("not inside a results repository")
    mlrepo(root, "jobs", "execute", code=2).says("does not describe a job")
