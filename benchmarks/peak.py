"""The peak search of Server on the embedded workload, against a dense grid and against LoadGen.

    python -m benchmarks.peak [--full 60] [--probe 5] [--start 1000] [--latency 0.01]
        [--grid 9] [--rounds 3] [--find-peak]

Three things are done in one repository on one machine, in turns:

1. ``mlrepo bench peak`` from ``--start`` queries/s: what it finds, and how long it takes.
2. The dense grid: full-length runs at rates around what was found, one resolution (1 %) apart;
   ``--rounds`` times, outwards and interleaved, so that a slow minute hits no rate alone. The best
   rate of the grid is the largest at which most rounds are VALID.
3. ``--find-peak``: LoadGen's own FindPeakPerformance mode through the same harness, from the same
   start and with full-length runs. It may take an hour; it is stopped once it has taken
   ``--patience`` times as long as the search, which is all that the bound asks.

Bounds: found ÷ best of the grid within 3 %; time ÷ FindPeakPerformance's at most 1/3.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import child
from mlrepo.bench.peak import RESOLUTION

MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
MODEL = ("--model", "digits", "--backend", "onnx", "--scenario", "Server")


def main() -> None:
    """Search, run the grid, let LoadGen search; print each figure with its bound."""
    asked = _arguments()
    if asked.find_peak_child:
        find_peak(json.loads(asked.find_peak_child))
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "r"
        init = ("init", str(root), "--submitter", "A", "--division", "open", "--system", "box")
        subprocess.run([*MLREPO, *init], check=True, stdout=subprocess.DEVNULL)
        found, seconds = search(root, asked)
        best = grid(root, asked, found)
        ratio = f"{found / best:.4f}" if best else "no rate of the grid was VALID"
        print(f"found ÷ best of the grid: {ratio} (bound 0.97 to 1.03)")
        if asked.find_peak:
            loadgen(root, asked, seconds)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", type=float, default=60.0, help="seconds of a full run")
    parser.add_argument("--probe", type=float, default=5.0, help="seconds of a probe")
    parser.add_argument("--start", type=float, default=1000.0, help="queries/s to begin with")
    parser.add_argument("--latency", type=float, default=0.01, help="the bound in seconds")
    parser.add_argument("--grid", type=int, default=9, help="rates of the grid")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--find-peak", action="store_true")
    parser.add_argument("--patience", type=float, default=4.0)
    parser.add_argument("--find-peak-child", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _common(asked: argparse.Namespace) -> tuple[str, ...]:
    return (*MODEL, "--max-latency", str(asked.latency), "--threads", str(asked.threads))


def search(root: Path, asked: argparse.Namespace) -> tuple[float, float]:
    """Run ``bench peak`` and return the found rate and the wall seconds."""
    command = (
        "bench",
        "peak",
        *_common(asked),
        "--qps",
        str(asked.start),
        "--probe",
        str(asked.probe),
        "--time",
        str(asked.full),
        "--no-remember",
    )
    begin = time.monotonic()
    done = subprocess.run(
        [*MLREPO, *command, "--json"], cwd=root, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begin
    peak = json.loads(done.stdout)
    print(f"{'WHAT':<32}{'RESULT':>24}  VERDICT")
    for point in peak["points"]:
        result = f"{point['result']['value']:.6g} {point['result']['unit']}"
        print(f"{point['label']:<32}{result:>24}  {point['validity']}")
    confirmed = "confirmed" if peak["confirmed"] else f"not confirmed: {peak['reason']}"
    if peak["value"] is None:
        sys.exit(f"the search found nothing in {seconds:.0f} s: {peak['reason']}")
    print(f"found {peak['value']:.6g} queries/s, {confirmed}, in {seconds:.0f} s")
    return float(peak["value"]), seconds


def grid(root: Path, asked: argparse.Namespace, found: float) -> float:
    """Return the largest rate around ``found`` at which most full runs are VALID, or 0."""
    offsets = sorted(range(-(asked.grid // 2), asked.grid - asked.grid // 2), key=abs)
    rates = [found * (1 + RESOLUTION) ** offset for offset in offsets]
    valid: Counter[float] = Counter()
    for number in range(asked.rounds):
        for rate in rates if number % 2 == 0 else reversed(rates):
            run = (
                "bench",
                "run",
                *_common(asked),
                "--mode",
                "performance",
                "--qps",
                f"{rate:.6g}",
                "--time",
                str(asked.full),
                "--json",
            )
            done = subprocess.run(
                [*MLREPO, *run], cwd=root, capture_output=True, text=True, check=False
            )
            record = json.loads(done.stdout)["record"]
            valid[rate] += record["validity"] == "VALID"
            p99 = record["metrics"]["99.00_percentile_latency"]["value"]
            others = record["load"]["noise"]["others_cpus"]
            outcome = f"{record['validity']}, p99 {p99:.3g} ms, others used {others:.2f} CPUs"
            print(f"grid {number + 1}: {rate:.6g} {outcome}", flush=True)
    for rate in sorted(rates):
        print(f"grid: {rate:.6g} queries/s VALID {valid[rate]} of {asked.rounds}")
    return max((rate for rate in rates if 2 * valid[rate] > asked.rounds), default=0.0)


def loadgen(root: Path, asked: argparse.Namespace, seconds: float) -> None:
    """Time LoadGen's FindPeakPerformance from the same start, for ``--patience`` at most."""
    directory = root.parent / "find-peak"
    directory.mkdir()
    given = {
        "start": asked.start,
        "full": asked.full,
        "latency": asked.latency,
        "threads": asked.threads,
    }
    command = child("peak", "--find-peak-child", json.dumps(given))
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=directory)
    try:
        process.wait(timeout=asked.patience * seconds)
        took, note = time.monotonic() - begin, ""
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        took, note = time.monotonic() - begin, " at least (stopped)"
    detail = (directory / "mlperf_log_detail.txt").read_text(errors="replace")
    messages = [line for line in detail.splitlines() if "FindPeakPerformance: " in line]
    for line in messages:
        print("LoadGen:", json.loads(line.removeprefix(":::MLLOG "))["value"])
    print(f"FindPeakPerformance took {took:.0f} s{note}")
    if not note and "Found peak" not in "".join(messages):
        print("LoadGen's search gave up, so there is no time to compare with")
        return
    print(
        f"time of the search ÷ LoadGen's: {seconds / took:.3f}{' at most' if note else ''} "
        "(bound 0.333)"
    )


def find_peak(given: dict[str, Any]) -> None:
    """Child process: LoadGen in FindPeakPerformance mode through mlrepo's system under test."""
    import mlperf_loadgen as lg

    from mlrepo.backends import BackendOptions
    from mlrepo.backends.onnxruntime import OnnxRuntimeBackend
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.samples import SampleLibrary
    from mlrepo.harness.sut import Pipeline, ServerSut
    from mlrepo.harness.warmup import LARGEST_BATCH, choose_batch, measure_batches
    from mlrepo.workloads.digits import DIGITS

    directory = Path.cwd()
    reporter = Reporter(directory)
    dataset = DIGITS.open("")
    backend = OnnxRuntimeBackend()
    assert DIGITS.model is not None
    backend.load(DIGITS.model.path, BackendOptions(threads=given["threads"]))
    library = SampleLibrary(dataset, LARGEST_BATCH)
    pipeline = Pipeline(library, backend, DIGITS.task, LARGEST_BATCH, reporter)
    loaded = list(range(dataset.total))
    library.load(loaded)
    times = measure_batches(pipeline, loaded, None, 1)
    pipeline.max_batch = choose_batch(times, None, given["latency"])
    settings = lg.TestSettings()
    settings.FromConfig("", DIGITS.loadgen_model, "Server", 0)
    settings.scenario = lg.TestScenario.Server
    settings.mode = lg.TestMode.FindPeakPerformance
    settings.server_target_qps = given["start"]
    settings.server_target_latency_ns = round(given["latency"] * 1e9)
    settings.min_duration_ms = round(given["full"] * 1e3)
    sut = ServerSut(pipeline, reporter)
    handle = lg.ConstructFastSUT(sut.issue, lambda: None)
    library_handle = lg.ConstructQSL(dataset.total, dataset.total, library.load, library.unload)
    output = lg.LogOutputSettings()
    output.outdir = str(directory)
    logs = lg.LogSettings()
    logs.log_output = output
    logs.enable_trace = False
    absent = str(directory / "no-audit.config")
    lg.StartTestWithLogSettings(handle, library_handle, settings, logs, absent)
    sut.close()
    os._exit(0)


if __name__ == "__main__":
    main()
