"""Sample runs, and plain ``git``, for tests and for the processes that tests start."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlrepo.paths import RepoPath
from mlrepo.record import (
    PERFORMANCE,
    VALID,
    AccuracyFacts,
    BackendFacts,
    DatasetFacts,
    HostFacts,
    LoadFacts,
    LoadgenFacts,
    Metric,
    ModelFacts,
    Placement,
    RunRecord,
    SettingFacts,
    SourceFacts,
    StoredLog,
)
from mlrepo.record.codec import Facts
from mlrepo.repository.recorder import RUNS, Composition, Tip
from mlrepo.repository.trailers import commit_message

LOGS = (
    "mlperf_log_summary.txt",
    "mlperf_log_detail.txt",
    "mlperf_log_accuracy.json",
    "user.conf",
    "system.json",
    "environment.json",
)


def git(cwd: Path, *arguments: str, ok: bool = True, stdin: str | None = None) -> str:
    """Run ``git`` as a user would and return what it prints; ``ok=False`` lets it fail."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if ok and done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + ("" if ok else done.stderr)


def tried(cwd: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """Run ``git`` with changes to the environment; return its exit code and all that it says."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def sample_run_id(number: int, writer: int = 0) -> str:
    """Return the run id number ``number`` of one writer."""
    return f"20261123T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-{writer:06x}"


_PARTS: dict[str, type[Facts]] = {
    "accuracy": AccuracyFacts,
    "backend": BackendFacts,
    "dataset": DatasetFacts,
    "host": HostFacts,
    "load": LoadFacts,
    "loadgen": LoadgenFacts,
    "model": ModelFacts,
    "source": SourceFacts,
}


def sample_record(run: str = "20261123T120000Z-0a1b2c", **changes: Any) -> RunRecord:
    """Return the record of a valid, placed run; an object among ``changes`` is a part's JSON."""
    record = RunRecord(
        run=run,
        started="2026-11-23T12:00:00Z",
        ended="2026-11-23T12:10:00Z",
        experiment="tuning",
        round="v6.1",
        division="closed",
        submitter="Acme",
        category="edge",
        system="alpha",
        sut="alpha-onnx",
        benchmark="resnet50",
        scenario="Offline",
        mode=PERFORMANCE,
        validity=VALID,
        result=Metric(885.05, "samples/s"),
        metrics={"latency_p99": Metric(12.5, "ms")},
        tags=("first", "tuned"),
        argv=("mlrepo", "bench", "run"),
        settings={"division": SettingFacts("closed", "mlrepo.toml")},
        model=ModelFacts(name="resnet50.onnx", sha256="0" * 64),
        backend=BackendFacts(name="onnx", others={"version": "1.32.0"}),
        logs={"mlperf_log_summary.txt": StoredLog("1" * 64, 100)},
        placement=Placement(placed=True, path="closed/Acme/results/alpha/resnet50/Offline"),
        tool="mlrepo 0.1.0",
    )
    parts = {
        name: _PARTS[name].from_dict(change)
        for name, change in changes.items()
        if name in _PARTS and isinstance(change, dict)
    }
    return replace(record, **{**changes, **parts})


def sample_files(run: str, size: int = 200) -> dict[RepoPath, bytes]:
    """Return the eight files of a run; each file's content names the run and the file."""
    record = sample_record(run)
    files = {name: (f"{run} {name}\n" * (size // 40 + 1)).encode() for name in LOGS}
    files |= {"run.json": record.to_json(), "console.txt": f"console of {run}\n".encode()}
    return {RepoPath((RUNS, run, name)): content for name, content in files.items()}


def sample_composition(run: str, tip: Tip, place: str = "", **changes: Any) -> Composition:
    """Return a composition as a bench run makes it; ``place`` is the directory of the result."""
    links = {
        RepoPath.parse(f"{place}/performance/run_1/{name}"): RepoPath((RUNS, run, name))
        for name in LOGS[:2]
        if place
    }
    before = f"{len(tip.run_ids())} runs before\n".encode()
    return Composition(
        message=commit_message(sample_record(run, **changes)),
        files={RepoPath((RUNS, run, "before.txt")): before},
        links=links,
    )
