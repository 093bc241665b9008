"""What the harness costs: LoadGen with our system under test against bare loops and a peer.

Each figure is a ratio (or difference) measured in one interleaved run: bare loop, ours and, with
``--inference CHECKOUT``, MLCommons' Python reference harness alternate, each in its own process,
and the median over the rounds is printed. A round during which other processes used more than
``--foreign`` of the CPU time (default 5 %) is shown but not counted.

Usage::

    python -m benchmarks.harness offline [--backend onnx] [--rounds 5] [--seconds 20]
        [--inference CHECKOUT --reference-python VENV/bin/python]
    python -m benchmarks.harness single-stream [--rounds 5] [--seconds 20]
    python -m benchmarks.harness null [--rounds 5]
    python -m benchmarks.harness startup [--rounds 21]

needs ``pip install onnx`` for the ResNet-50 model (made on the spot, random weights).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import child

_IMAGES = 256
_SHAPE = (3, 224, 224)


@dataclass(frozen=True)
class RandomImages:
    """Noise images of ImageNet's shape, too many to stay in the CPU's cache."""

    @property
    def total(self) -> int:
        """The number of images."""
        return _IMAGES

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return _SHAPE

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Dummy labels: the images show nothing."""
        return np.zeros(_IMAGES, np.int64)

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return images, shape [n, 3, 224, 224]."""
        rng = np.random.default_rng(0)
        images = rng.standard_normal((_IMAGES, *_SHAPE), np.float32)
        return np.ascontiguousarray(images[np.asarray(indices)])

    def describe(self) -> Mapping[str, Any]:
        """Return facts about the images."""
        return {"name": "noise", "samples": _IMAGES, "fingerprint": ""}


def run_ours(arguments: Mapping[str, Any]) -> None:
    """Child process: one LoadGen run through the harness in the working directory."""
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.execution import execute
    from mlrepo.harness.spec import RunSpec
    from mlrepo.plugins import BACKENDS, load_plugin
    from mlrepo.workloads import Model, Workload
    from mlrepo.workloads.classification import Classification
    from mlrepo.workloads.digits import DIGITS

    directory = Path.cwd()
    null = arguments["backend"] == "null"
    workload = (
        DIGITS
        if null
        else Workload(
            name="resnet50-noise",
            task=Classification(),
            follows="resnet",
            loadgen_model="noise",
            performance_samples=_IMAGES,
            model=Model("", Path(), ""),
            open_dataset=RandomImages,
        )
    )
    spec = RunSpec(
        workload.name,
        arguments["backend"],
        arguments["scenario"],
        "performance",
        arguments["model"],
        arguments["threads"],
        arguments["batch"],
        backend_options=arguments["options"],
    )
    backend = load_plugin(BACKENDS, spec.backend)()
    execute(spec, workload, backend, directory, Reporter(directory))


def run_bare(arguments: Mapping[str, Any]) -> None:
    """Child process: session.run in a loop over consecutive images; prints rate and p90."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = arguments["threads"]
    session = onnxruntime.InferenceSession(
        arguments["model"], settings, providers=["CPUExecutionProvider"]
    )
    batch = arguments["batch"]
    images = RandomImages().load(range(_IMAGES))
    outputs = [session.get_outputs()[0].name]
    name = session.get_inputs()[0].name
    for _ in range(3):
        session.run(outputs, {name: images[:batch]})
    times: list[float] = []
    begin = time.perf_counter()
    position = 0
    while time.perf_counter() - begin < arguments["seconds"]:
        start = time.perf_counter()
        session.run(outputs, {name: images[position : position + batch]})
        times.append(time.perf_counter() - start)
        position = (position + batch) % (_IMAGES - batch)
    total = time.perf_counter() - begin
    rate = len(times) * batch / total
    print(json.dumps({"rate": rate, "p90": float(np.quantile(times, 0.9))}))


def _spawn(role: str, arguments: Mapping[str, Any], directory: Path) -> str:
    command = child("harness", "--role", role, json.dumps(arguments))
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        events = directory / "events.jsonl"
        sys.exit(f"{role} failed: {done.stderr}\n{events.read_text() if events.exists() else ''}")
    return done.stdout


def bare(model: Path, batch: int, threads: int, seconds: float) -> dict[str, float]:
    """Return ``rate`` (images/s) and ``p90`` (s) of the bare loop."""
    with tempfile.TemporaryDirectory() as directory:
        given = {"model": str(model), "batch": batch, "threads": threads, "seconds": seconds}
        result: dict[str, float] = json.loads(_spawn("bare", given, Path(directory)))
        return result


def ours(
    model: Path | None,
    scenario: str,
    batch: int | None,
    threads: int,
    conf: Mapping[str, float],
    options: Mapping[str, str] | None = None,
    backend: str = "onnx",
) -> dict[str, Any]:
    """Run LoadGen through the harness; return the numeric results in its detail log."""
    from mlrepo.logs.detail import parse_detail

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lines = (f"*.{scenario}.{key} = {value:.10g}\n" for key, value in conf.items())
        (directory / "user.conf").write_text("".join(lines))
        given = {
            "backend": backend if model else "null",
            "scenario": scenario,
            "batch": batch,
            "threads": threads,
            "model": str(model),
            "options": dict(options or {}),
        }
        _spawn("ours", given, directory)
        return parse_detail((directory / "mlperf_log_detail.txt").read_bytes()).group("result_")


def foreign_cpu(measure: Callable[[], None]) -> float:
    """Run ``measure`` and return the share of CPU time used by other processes."""

    def busy() -> tuple[int, int]:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)

    def own() -> float:
        times = os.times()
        return (times.user + times.system + times.children_user + times.children_system) * 100

    before, mine = busy(), own()
    measure()
    after = busy()
    total = max(1, after[1] - before[1])
    return max(0.0, (after[0] - before[0] - (own() - mine)) / total)


def quiet_rounds(options: argparse.Namespace, one: Callable[[], str], rows: list[Any]) -> None:
    """Repeat ``one``, which adds a row and returns its text, for the needed quiet rounds."""
    counted = 0
    for number in range(4 * options.rounds):
        shown: list[str] = []
        foreign = foreign_cpu(lambda kept=shown: kept.append(one()))  # type: ignore[misc]
        counts = foreign <= options.foreign
        counted += counts
        note = "" if counts else ", not counted"
        print(f"round {number + 1}: {shown[0]}  (others: {foreign:.1%} CPU{note})", flush=True)
        if not counts:
            rows.pop()
        if counted == options.rounds:
            return
    if not rows:
        sys.exit("No round was quiet enough; try again on an idle machine.")


def offline(options: argparse.Namespace, model: Path) -> None:
    """Print our Offline throughput ÷ the bare loop's, and ÷ the reference's if given."""
    rows: list[tuple[float, ...]] = []
    threads = len(os.sched_getaffinity(0))
    pilot = bare(model, options.batch, threads, 5)["rate"]
    work = Path(options.work or tempfile.mkdtemp())

    def one() -> str:
        loop = bare(model, options.batch, threads, options.seconds)["rate"]
        conf = {"min_duration": options.seconds * 1e3, "target_qps": pilot / 1.1}
        conf["min_query_count"] = 1
        # As `mlrepo bench tune` does: with several streams, each gets a share of a batch.
        more = {"streams": str(options.streams)} if options.streams > 1 else {}
        batch = options.batch * options.streams
        result = ours(model, "Offline", batch, threads, conf, more, options.backend)
        row = [loop, float(result["samples_per_second"])]
        if options.inference:
            from benchmarks.reference_harness import run_reference

            row.append(
                run_reference(
                    options.inference,
                    options.reference_python,
                    model,
                    work,
                    samples=_IMAGES,
                    duration_s=options.seconds,
                    batch=None,
                    threads=None,
                )
            )
        rows.append(tuple(row))
        names = ("bare", "ours", "reference")
        return "  ".join(f"{n} {v:.2f}" for n, v in zip(names, row, strict=False)) + " images/s"

    quiet_rounds(options, one, rows)
    print(
        f"ours ({options.backend}) / bare onnx = {median(r[1] / r[0] for r in rows):.3f}   "
        "(bound for onnx: >= 0.98)"
    )
    if options.inference:
        ratio = median(r[1] / r[2] for r in rows)
        print(f"ours ({options.backend}) / reference = {ratio:.3f}   (bound: >= 1.3)")


def single_stream(options: argparse.Namespace, model: Path) -> None:
    """Print p90 of SingleStream minus p90 of the bare loop."""
    rows: list[tuple[float, float]] = []
    threads = len(os.sched_getaffinity(0))

    def one() -> str:
        loop = bare(model, 1, threads, options.seconds)["p90"]
        conf = {"min_duration": options.seconds * 1e3, "target_latency": loop * 800}
        result = ours(model, "SingleStream", None, threads, conf)
        loadgen = result["90.00_percentile_latency_ns"] / 1e9
        rows.append((loop, loadgen))
        return f"bare p90 {loop * 1e3:.3f} ms  SingleStream p90 {loadgen * 1e3:.3f} ms"

    quiet_rounds(options, one, rows)
    extra = median(b - a for a, b in rows)
    share = median(b / a - 1 for a, b in rows)
    print(f"p90 - bare p90 = {extra * 1e6:+.0f} us = {share:+.2%}   (bound: <= 1 % or 100 us)")


def null(options: argparse.Namespace) -> None:
    """Print samples per second of the null backend, Offline."""
    rates: list[float] = []

    def one() -> str:
        conf = {"min_duration": 1000, "target_qps": 2.5e6}
        rates.append(float(ours(None, "Offline", 1024, 1, conf)["samples_per_second"]))
        return f"{rates[-1]:,.0f} samples/s"

    quiet_rounds(options, one, rates)
    print(
        f"null backend = {median(rates):,.0f} samples/s, best {max(rates):,.0f}"
        "   (bound: >= 2,000,000)"
    )


def startup(options: argparse.Namespace) -> None:
    """Print the whole-process time of ``mlrepo --help`` ÷ ``python -c pass``."""
    commands = (
        [sys.executable, "-c", "pass"],
        [str(Path(sys.executable).parent / "mlrepo"), "--help"],
    )
    times: list[list[float]] = [[], []]
    for number in range(options.rounds + 2):
        for command, kept in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if number >= 2:
                kept.append(time.perf_counter() - start)
    ratio = median(b / a for a, b in zip(*times, strict=True))
    print(
        f"python -c pass {median(times[0]) * 1e3:.1f} ms, mlrepo --help "
        f"{median(times[1]) * 1e3:.1f} ms, ratio {ratio:.2f}   (bound: <= 5)"
    )


def main() -> None:
    """Parse the command line and print one figure."""
    if sys.argv[1:2] == ["--role"]:
        {"ours": run_ours, "bare": run_bare}[sys.argv[2]](json.loads(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figure", choices=("offline", "single-stream", "null", "startup"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--streams", type=int, default=1, help="ours: sessions beside each other")
    parser.add_argument("--backend", default="onnx", help="ours, offline")
    parser.add_argument("--inference", type=Path, help="checkout of mlcommons/inference")
    parser.add_argument("--reference-python", type=Path, help="interpreter of its environment")
    parser.add_argument("--foreign", type=float, default=0.05, help="share of CPU time")
    parser.add_argument("--work", help="directory for the reference's images (kept)")
    options = parser.parse_args()
    if options.figure in ("null", "startup"):
        {"null": null, "startup": startup}[options.figure](options)
        return
    from mlrepo.workloads.resnet50 import write_resnet50

    with tempfile.TemporaryDirectory() as directory:
        # The reference needs an ArgMax output; both harnesses get the same file.
        model = write_resnet50(Path(directory) / "resnet50.onnx", argmax=bool(options.inference))
        {"offline": offline, "single-stream": single_stream}[options.figure](options, model)


if __name__ == "__main__":
    main()
