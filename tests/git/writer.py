"""A process that records runs, for tests that run many of them or kill them.

Usage: ``python writer.py ROOT EXPERIMENT WRITER COUNT [--acknowledge FILE]``. Each recorded run's
id is written to FILE (unbuffered) when the run is in Git and its spool entry is gone.
"""

from __future__ import annotations

import argparse
import itertools
import os
from pathlib import Path

from mlrepo.paths import RepoPath
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import RUNS, Composition, Recorded, Recorder
from mlrepo.repository.spool import Spool, SpooledRun
from tests.samples import sample_composition, sample_files, sample_run_id


def main() -> None:
    """Record ``COUNT`` runs (0: for ever) through the spool."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("experiment", type=Experiment.parse)
    parser.add_argument("writer", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--acknowledge", type=Path)
    asked = parser.parse_args()
    repository = find_repository(asked.root)
    recorder = Recorder(repository, git_identity(repository.root))
    spool = Spool(repository.store / "spool")
    sink = os.open(asked.acknowledge or "/dev/null", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in range(asked.count) if asked.count else itertools.count():
        run = spool_run(spool, sample_run_id(number, asked.writer))
        record_spooled(recorder, asked.experiment, run)
        run.discard()
        os.write(sink, f"{run.run_id}\n".encode())


def spool_run(spool: Spool, run_id: str) -> SpooledRun:
    """Put a run into the spool as a benchmark does: file by file."""
    run = spool.create(run_id)
    for path, content in sample_files(run_id).items():
        (run.directory / path.name).write_bytes(content)
    return run


def record_spooled(
    recorder: Recorder, experiment: Experiment, run: SpooledRun
) -> Recorded[Composition]:
    """Record what lies in the spool; only a complete run is placed."""
    files = {RepoPath((RUNS, run.run_id, p.name)): p for p in sorted(run.directory.iterdir())}
    complete = files.keys() == sample_files(run.run_id).keys()
    place = f"closed/Acme/results/alpha-{run.run_id[-6:]}/resnet50/Offline" if complete else ""
    return recorder.record(
        experiment, run.run_id, files, lambda tip: sample_composition(run.run_id, tip, place)
    )


if __name__ == "__main__":
    main()
