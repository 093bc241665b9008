"""Time of ``mlrepo select`` of 60 results out of 1,000 runs on 10 branches (bound: 1 s).

    python -m benchmarks.selection [--runs 1000] [--files 49000] [--repeat 7]

The repository has 49,000 files of others, like an official one. It is made with ``git
fast-import``: each run is one commit with records and logs of real size. Every selection is made
from scratch, from no branch to a written one. Printed are wall and CPU seconds of the whole command
beside those of ``git checkout-index`` of the selected tree in the same round, the least that
copying the same files by hand costs.
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
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlrepo.record import (
    ACCURACY,
    PERFORMANCE,
    HostFacts,
    LoadFacts,
    LoadgenFacts,
    LoadgenSettings,
    Metric,
    NoiseFacts,
    Placement,
    RunRecord,
    configuration_digest,
)
from mlrepo.repository.trailers import commit_message
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record, sample_run_id

BRANCHES = 10
SCENARIOS = ("Offline", "SingleStream", "MultiStream")
RESULTS = 60
MLREPO = (sys.executable, "-m", "mlrepo.cli.main")


def main() -> None:
    """Make the repository in a temporary directory, and time the command in it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--files", type=int, default=49_000)
    parser.add_argument("--repeat", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "r"
        init = ("init", str(root), "--submitter", "Acme", "--division", "open", "--system", "box")
        subprocess.run([*MLREPO, *init], check=True, stdout=subprocess.DEVNULL)
        stream = b"".join([*others(asked.files), *history(asked.runs)])
        git(root, "fast-import", "--quiet", stdin=stream)
        git(root, "update-ref", "refs/heads/main", "refs/heads/with-others")
        git(root, "pack-refs", "--all")
        ours: list[tuple[float, float]] = []
        peers: list[tuple[float, float]] = []
        for _ in range(asked.repeat):
            git(root, "branch", "-D", "submission/v6.1", check=False)
            ours.append(timed(lambda: mlrepo(root, "select")))
            with tempfile.TemporaryDirectory() as out:
                peers.append(timed(partial(copy_by_git, root, Path(out))))
        listed = git(root, "ls-tree", "-r", "--name-only", "submission/v6.1").decode().splitlines()
        selected = [path for path in listed if path.endswith("measurements.json")]
        print(f"{len(selected)} results, {len(listed)} files selected of {asked.runs} runs")
        assert len(selected) == min(RESULTS, asked.runs // 4)
    for what, times in (("mlrepo select", ours), ("git read-tree, checkout-index", peers)):
        for kind, values in zip(("wall", "cpu"), zip(*times, strict=True), strict=True):
            print(
                f"{what}: {kind} best {min(values):.2f} s, median {statistics.median(values):.2f} s"
            )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def git(
    root: Path,
    *arguments: str,
    stdin: bytes | None = None,
    check: bool = True,
    environ: dict[str, str] | None = None,
) -> bytes:
    """Run git and return what it prints."""
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        input=stdin,
        check=check,
        capture_output=True,
        env={**os.environ, **(environ or {})},
    ).stdout


def mlrepo(root: Path, *arguments: str) -> None:
    """Run the command line."""
    subprocess.run([*MLREPO, *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def copy_by_git(root: Path, out: Path) -> None:
    """Write the selected files into a directory."""
    environ = {"GIT_INDEX_FILE": str(out / "index")}
    git(root, "read-tree", "submission/v6.1", environ=environ)
    git(root, "checkout-index", "--all", f"--prefix={out}/tree/", environ=environ)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return wall and CPU seconds of the processes that ``work`` starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    work()
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def others(files: int) -> Iterator[bytes]:
    """Yield a commit on top of main with the files of other submitters."""
    yield b"commit refs/heads/with-others\n"
    yield b"committer A <a@example.org> 1700000000 +0000\ndata 6\nothers\nfrom refs/heads/main^0\n"
    for number in range(files):
        path = f"closed/S{number // 1000}/results/system{number // 100}/m/{number // 10}/{number}"
        content = f"file {number}\n".encode()
        yield f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"


def history(runs: int) -> Iterator[bytes]:
    """Yield ``runs`` commits spread over the branches; one run in four is an accuracy run."""
    started: set[int] = set()
    for number in range(runs):
        result, turn = number % RESULTS, number // RESULTS
        branch = result % BRANCHES
        mode = ACCURACY if turn % 4 == 0 else PERFORMANCE
        record = real_size(sample_run_id(number, branch), result, mode, number)
        message, content = commit_message(record).encode(), record.to_json()
        yield f"commit refs/heads/exp/e{branch}\n".encode()
        yield f"committer A <a@example.org> {1_700_000_000 + number} +0000\n".encode()
        yield b"data %d\n%b\n" % (len(message), message)
        if branch not in started:
            started.add(branch)
            yield b"from refs/heads/with-others\n"
        files = {
            "run.json": content,
            "mlperf_log_summary.txt": b"summary of %d\n" % number * 100,
            "mlperf_log_detail.txt": b"detail of %d\n" % number * 2500,
            "mlperf_log_accuracy.json": b"accuracy of %d\n" % number * 500,
            "accuracy.txt": b"accuracy=76.0%%, good=1, total=1\nhash=%064d\n" % number,
            "user.conf": b"*.*.target_qps = %d\n" % number,
            "system.json": b'{"status": "available"}\n',
        }
        for name, data in files.items():
            yield f"M 100644 inline runs/{record.run}/{name}\ndata {len(data)}\n".encode()
            yield data + b"\n"


def real_size(run: str, result: int, mode: str, number: int) -> RunRecord:
    """Return a record with as much in it as a real one."""
    round_ = SHIPPED["v6.1"]
    scenario = SCENARIOS[result % len(SCENARIOS)]
    system = f"box{result // len(SCENARIOS)}"
    unit = "%" if mode == ACCURACY else round_.unit("resnet50", scenario)
    return replace(
        sample_record(run),
        experiment=f"e{result % BRANCHES}",
        division="open",
        system=system,
        sut=f"{system}-onnxruntime-cpu",
        scenario=scenario,
        mode=mode,
        result=Metric(76.0 if mode == ACCURACY else 1000.0 + number % 97, unit),
        metrics={f"{n}.00_percentile_latency": Metric(n * 1.5, "ms") for n in range(40)},
        loadgen=LoadgenFacts(
            package="6.0.17",
            effective=LoadgenSettings(
                min_duration_ms=600_000, others={f"setting_{n}": n for n in range(40)}
            ),
            seeds=round_.seeds(),
        ),
        host=HostFacts(others={f"fact_{n}": "a fact about the host" for n in range(40)}),
        load=LoadFacts(noise=NoiseFacts(others={"others": [{"name": "python", "cpus": 0.1}] * 20})),
        tags=(),
        configuration=configuration_digest({"result": result}),
        placement=Placement(placed=False, reason="made for a benchmark"),
    )


if __name__ == "__main__":
    main()
