"""Time and size of ``mlrepo report`` (bounds: 1,000 runs 3 s, 4 MB; 10,000 runs 15 s, 20 MB).

    python -m benchmarks.report [--branches 100] [--runs 1000] [--repeat 3] [--no-open] …

A repository is made with ``git fast-import``: each run is one commit with the trailers and the
record of a real one, with LoadGen's metrics, a request, and peak probes of Server among them;
performance runs have the distribution of their latencies and a trace.
Printed are the wall and the CPU seconds of the whole command, best and median; the script of Vega
is joined before, by a first report that is not counted but printed. Where Chromium is, the page is
opened in it, too (bound: 3 s with 1,000 runs), from the navigation to the drawn charts.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlrepo.latencies.documents import (
    LATENCIES_FILE,
    QUERY,
    TRACE_FILE,
    Latencies,
    Series,
)
from mlrepo.latencies.histogram import Histogram
from mlrepo.latencies.thinned import thinned
from mlrepo.record import Metric, Placement, RunRecord, configuration_digest
from tests.fast_import import import_runs
from tests.samples import sample_record, sample_run_id

_SCENARIOS = ("Offline", "SingleStream", "MultiStream", "Server")
_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")


def main() -> None:
    """Make the repository in a temporary directory, and time the command in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--branches", type=int, default=100)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Where to copy the report.")
    parser.add_argument("--no-open", action="store_true", help="Open no browser.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = make_repository(Path(name), asked.branches, asked.runs)
        environment = {**os.environ, "MLREPO_HOME": f"{name}/home"}
        walls, cpus = [], []
        for _ in range(1 + asked.repeat):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.perf_counter()
            command = (sys.executable, "-m", "mlrepo.cli.main", "report")
            subprocess.run(
                command, cwd=root, check=True, stdout=subprocess.DEVNULL, env=environment
            )
            walls.append(time.perf_counter() - begin)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        page = root / "mlrepo-report.html"
        size = page.stat().st_size
        opened = [] if asked.no_open else opening_seconds(page, asked.repeat)
        if asked.keep:
            shutil.copy(page, asked.keep)
    print(f"{asked.branches} branches, {asked.runs} runs, {size / 1e6:.2f} MB")
    print(f"first, with the script of Vega: wall {walls[0]:.2f} s, cpu {cpus[0]:.2f} s")
    for what, times in (("wall", walls[1:]), ("cpu", cpus[1:])):
        if times:
            print(f"{what}: best {min(times):.2f} s, median {statistics.median(times):.2f} s")
    if opened:
        best, median = min(opened), statistics.median(opened)
        print(f"opens in Chromium: best {best:.2f} s, median {median:.2f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def opening_seconds(page_file: Path, repeat: int) -> list[float]:
    """Return how long headless Chromium takes from the navigation until all charts are drawn.

    Each time in a new context, without a network; none where Chromium or Playwright is not here.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return []
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    times = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(repeat):
            context = browser.new_context(offline=True)
            page = context.new_page()
            begin = time.perf_counter()
            page.goto(page_file.resolve().as_uri())
            page.wait_for_selector("body[data-state=ready]", timeout=120_000)
            times.append(time.perf_counter() - begin)
            context.close()
        browser.close()
    return times


def make_repository(directory: Path, branches: int, runs: int) -> Path:
    """Return a results repository with ``runs`` runs, made in ``directory``."""
    root = directory / "r"
    mlrepo = (sys.executable, "-m", "mlrepo.cli.main", "init", str(root))
    names = ("--submitter", "Acme", "--division", "open", "--system", "box")
    subprocess.run([*mlrepo, *names], check=True, stdout=subprocess.DEVNULL)
    noise = random.Random(6)
    import_runs(
        root,
        (one_run(i, i % branches, i // branches, noise) for i in range(runs)),
        distribution,
    )
    subprocess.run(["git", "pack-refs", "--all"], cwd=root, check=True)
    return root


def distribution(record: RunRecord) -> Mapping[str, bytes]:
    """Return the files of a run's latencies, as large as those of a real Server."""
    if record.mode != "performance":
        return {}
    rng = np.random.default_rng(int(record.run[9:15]))
    due = 10**18 + np.arange(10_000) * 10**8 // 2
    done = due + rng.lognormal(15, 1, len(due)).astype(np.int64)
    seconds = tuple(np.linspace(0, 500, 200).tolist())
    busy = tuple(rng.uniform(0.5, 1.0, 200).tolist())
    machine = Series(seconds, {"busy": busy, "celsius": tuple(50 + 20 * one for one in busy)})
    trace = replace(thinned(due, done, queued=True), machine=machine)
    found = Latencies({QUERY: Histogram.of(done - due)})
    return {LATENCIES_FILE: found.to_json(), TRACE_FILE: trace.to_json()}


def one_run(number: int, branch: int, turn: int, noise: random.Random) -> RunRecord:
    """Return the record of a run: scenarios take turns, every fifth run is of accuracy."""
    scenario = _SCENARIOS[turn % 4]
    accuracy = turn % 5 == 4
    probe = scenario == "Server" and not accuracy and turn % 8 == 3
    rate = 100.0 * (1 + branch % 7) * noise.gauss(1, 0.01)
    offered = rate * (0.5 + (turn % 5) / 5)
    latency = 1e3 / rate if "Stream" in scenario else 5.0 / max(0.05, 1.3 - offered / rate)
    metrics = {
        f"{name}_percentile_latency": Metric(latency * (1 + place * 0.3), "ms")
        for place, name in enumerate(_PERCENTILES)
    }
    metrics |= {
        "mean_latency": Metric(latency, "ms"),
        "completed_samples_per_sec": Metric(min(rate, offered), "1/s"),
    }
    results = {
        "Offline": Metric(rate, "samples/s"),
        "SingleStream": Metric(latency, "ms"),
        "MultiStream": Metric(latency * 8, "ms"),
        "Server": Metric(min(rate, offered), "queries/s"),
    }
    valid = scenario != "Server" or offered < rate
    record = sample_record(
        sample_run_id(number, branch),
        loadgen={
            "version": "6.0.17",
            "effective": {"target_qps": round(offered, 2), "target_latency_ns": 15_000_000},
        },
        source={"commit": f"{turn // 12:040x}"},
        host={"host_processor_model_name": f"CPU {branch}", "kernel": f"Linux 6.{turn // 30}"},
    )
    return replace(
        record,
        experiment=f"e{branch}",
        division="open",
        system=f"box{branch}",
        benchmark="digits",
        scenario=scenario,
        mode="accuracy" if accuracy else "performance",
        validity="VALID" if valid or accuracy else "INVALID",
        reasons=() if valid or accuracy else ("p99 latency 16.2 ms exceeds the limit of 15 ms",),
        result=Metric(99.4, "%") if accuracy else results[scenario],
        metrics={} if accuracy else metrics,
        tags=("probe",) if probe else ("nightly",),
        configuration=configuration_digest({"branch": branch}),
        placement=Placement(placed=False, reason="made for a benchmark"),
    )


if __name__ == "__main__":
    main()
