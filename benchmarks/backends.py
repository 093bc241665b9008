"""What the backends cost and gain: LoadGen against bare loops, precisions, tuning, preparation.

Each figure is a ratio of measurements that alternate in one run; the median is printed, beside the
ratio of CPU times, which other processes disturb less. Everything runs on models made here:
ResNet-50 and BERT with random weights, EfficientNet-Lite0, or what a benchmark brings with it.

Usage::

    python -m benchmarks.backends loadgen [--model bert-large-random] [--backends onnx,openvino,…]
        [--rounds 5] [--seconds 20]
    python -m benchmarks.backends single-stream [the same options]
    python -m benchmarks.backends speed [--model resnet50-random] [--batch 4] [--rounds 7]
    python -m benchmarks.backends compile [--model resnet50-random] [--batch 4]
    python -m benchmarks.backends prepare [--images 64] [--rounds 5]

With ``--answers`` the bare loop does all the work of a benchmark: it reads the answers too, which
takes a third of the time of ``digits-detection``. ``--home DIR`` keeps models and compiled code
(default: made anew); ``speed`` compares every backend and precision with onnx in fp32, TVM also as
tuned by ``mlrepo bench tune`` in the same home.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import child
from benchmarks.harness import quiet_rounds
from mlrepo.bench.tune import probes
from mlrepo.errors import MlrepoError
from mlrepo.harness.probe import ProbeSpec
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin
from mlrepo.workloads.imagenet import RandomImages
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.quantize import Calibration, quantize

_BACKENDS = ("onnx", "openvino", "pytorch", "tvm-onnx", "tvm-pytorch")
_MORE_PRECISIONS = {
    "onnx": ("int8",),
    "openvino": ("bf16", "int8"),
    "pytorch": ("bf16",),
    "tvm-onnx": ("int8",),
}
# Runs models whose own data set is not here on generated images.
_IMAGES = "resnet50-random"


def model_files(home: Path, benchmark: str, *, int8: bool) -> dict[str, Path]:
    """Return the files of a benchmark's model by precision; create missing ones."""
    included = load_plugin(WORKLOADS, benchmark).model
    if included is not None:
        return {"fp32": included.path}
    store = ModelStore(home)
    base = store.require(store.find(benchmark))
    files = {"fp32": base.path}
    if int8:
        name = f"{base.about.variant}-int8"
        known = [m for m in store.known() if (m.benchmark, m.variant) == (benchmark, name)]
        if known:
            files["int8"] = store.require(known[0]).path
        else:
            calibration = Calibration(RandomImages(), range(16), "16 generated images", "")
            files["int8"] = quantize(store, base, name, "minmax", calibration).path
    return files


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_loadgen(arguments: Mapping[str, Any]) -> None:
    """Child process: one Offline run through the harness in the working directory."""
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.execution import execute
    from mlrepo.harness.spec import RunSpec

    workload = replace(load_plugin(WORKLOADS, arguments["workload"]), loadgen_model="noise")
    spec = RunSpec(**arguments)
    backend = load_plugin(BACKENDS, spec.backend)()
    execute(spec, workload, backend, Path.cwd(), Reporter(Path.cwd()))


def loadgen_result(spec: ProbeSpec, scenario: str, conf: Mapping[str, float]) -> dict[str, Any]:
    """Return LoadGen's results of a run with the settings ``conf`` of the scenario."""
    from mlrepo.logs.detail import parse_detail

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        text = "".join(f"*.{scenario}.{key} = {value:.10g}\n" for key, value in conf.items())
        (directory / "user.conf").write_text(text)
        given = {
            "workload": spec.workload,
            "backend": spec.backend,
            "scenario": scenario,
            "mode": "performance",
            "model_file": spec.model_file,
            "threads": spec.threads,
            "max_batch": spec.batch,
            "precision": spec.precision,
            "cache": spec.cache,
        }
        done = subprocess.run(
            child("backends", "--child", json.dumps(given)),
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"{spec.backend} failed: {(directory / 'events.jsonl').read_text()}")
        detail = parse_detail((directory / "mlperf_log_detail.txt").read_bytes())
        return detail.group("result_")


def loadgen(options: argparse.Namespace, home: Path) -> None:
    """Print each backend's Offline throughput through LoadGen ÷ its own bare loop."""
    files = model_files(home, options.model, int8=False)
    for name in options.backends.split(","):
        spec = make_spec(options, home, name, "fp32", files)
        try:
            rows: list[float] = []

            def one(spec: ProbeSpec = spec, rows: list[float] = rows) -> str:
                # A separate process per round: CPU time counts as ours only when it has ended.
                with probes([spec], os.environ) as (process,):
                    bare = process.ask(
                        "measure",
                        batch=spec.batch,
                        seconds=options.seconds,
                        answers=options.answers,
                    )["rate"]
                conf = {
                    "min_duration": options.seconds * 1e3,
                    "target_qps": bare / 1.1,
                    "min_query_count": 1,
                }
                through = float(loadgen_result(spec, "Offline", conf)["samples_per_second"])
                rows.append(through / bare)
                return f"{spec.backend}: bare {bare:.2f}  LoadGen {through:.2f}"

            quiet_rounds(options, one, rows)
        except MlrepoError as error:
            print(f"{name}: {error.message}")
            continue
        print(f"{name}: LoadGen / bare = {median(rows):.3f}   (bound: >= 0.98)")


def single_stream(options: argparse.Namespace, home: Path) -> None:
    """Print how much longer SingleStream's p90 is than that of each backend's own bare loop."""
    files = model_files(home, options.model, int8=False)
    for name in options.backends.split(","):
        spec = replace(make_spec(options, home, name, "fp32", files), batch=1)
        try:
            rows: list[tuple[float, float]] = []

            def one(spec: ProbeSpec = spec, rows: list[tuple[float, float]] = rows) -> str:
                with probes([spec], os.environ) as (process,):
                    bare = process.ask(
                        "measure", batch=1, seconds=options.seconds, answers=options.answers
                    )["p90"]
                conf = {"min_duration": options.seconds * 1e3, "min_query_count": 1}
                found = loadgen_result(spec, "SingleStream", conf)
                through = float(found["90.00_percentile_latency_ns"]) / 1e9
                rows.append((through - bare, bare))
                return f"{spec.backend}: bare {bare * 1e3:.3f} ms  LoadGen {through * 1e3:.3f} ms"

            quiet_rounds(options, one, rows)
        except MlrepoError as error:
            print(f"{name}: {error.message}")
            continue
        more = median(difference for difference, _ in rows)
        share = median(difference / bare for difference, bare in rows)
        print(
            f"{name}: LoadGen - bare = {more * 1e6:+.0f} us, {share:+.2%}   "
            "(bound: <= 1 % or 100 us)"
        )


def speed(options: argparse.Namespace, home: Path) -> None:
    """Print the speed of every backend and precision ÷ onnx fp32, by wall and by CPU time."""
    files = model_files(home, options.model, int8=True)
    specs = {
        f"{name} {precision}": make_spec(options, home, name, precision, files)
        for name, precision in ways(options.backends)
    }
    for name in ("tvm-onnx", "tvm-pytorch"):
        tuned = specs.get(f"{name} fp32")
        if tuned is not None:  # the database of tiles is beside the compiled models
            specs[f"{name} fp32 untuned"] = replace(tuned, cache=str(home / "untuned"))
    wall: dict[str, list[float]] = {name: [] for name in specs}
    cpu: dict[str, list[float]] = {name: [] for name in specs}
    for _ in range(options.rounds):
        for name, spec in specs.items():
            # Each alone: beside other loaded ones, later ones can be a tenth slower here.
            with probes([spec], os.environ) as (process,):
                process.ask("measure", batch=spec.batch, seconds=options.turn / 4)
                before = cpu_seconds(process.pid)
                answer = process.ask("measure", batch=spec.batch, seconds=options.turn)
                wall[name].append(answer["rate"])
                cpu[name].append(answer["samples"] / max(cpu_seconds(process.pid) - before, 0.01))
    first = next(iter(specs))
    print(f"{options.model}, batch {options.batch}, {options.threads} threads; ÷ {first}")
    for name in specs:
        ratios = [
            median(own / other for own, other in zip(kind[name], kind[first], strict=True))
            for kind in (wall, cpu)
        ]
        print(
            f"{name:24} {median(wall[name]):9.2f} samples/s   wall {ratios[0]:.3f}   "
            f"CPU {ratios[1]:.3f}"
        )


def compile_times(options: argparse.Namespace, home: Path) -> None:
    """Print the time from a model file to a runnable model: cold, and from the cache."""
    files = model_files(home, options.model, int8=False)
    script = (
        "import json, os, sys, time; from pathlib import Path;"
        "from mlrepo.backends import BackendOptions; from mlrepo.plugins import *;"
        "name, model, batch, threads, cache = json.loads(sys.argv[1]);"
        "backend = load_plugin(BACKENDS, name)();"
        "import tvm, onnx; begin, cpu = time.perf_counter(), sum(os.times()[:4]);"
        "options = BackendOptions(batch=batch, threads=threads, cache=Path(cache));"
        "backend.load(Path(model), options);"
        "print(time.perf_counter() - begin, sum(os.times()[:4]) - cpu)"
    )
    for name in ("tvm-onnx", "tvm-pytorch"):
        with tempfile.TemporaryDirectory() as cache:
            given = [name, str(files["fp32"]), options.batch, options.threads, cache]
            for what, bound in (("cold", 15), ("from the cache", 1)):
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", "-c", script, json.dumps(given)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                wall, cpu = map(float, done.stdout.split())
                print(f"{name} {what}: {wall:.2f} s, {cpu:.2f} s of CPU   (bound: <= {bound} s)")


def prepare(options: argparse.Namespace, home: Path) -> None:
    """Print the CPU time of preparing an image ÷ the reference's, for each preprocessing."""
    import cv2
    import numpy as np

    from mlrepo.workloads.imagenet.preprocess import SIZE, preprocessing

    rng = np.random.default_rng(0)
    files = []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.images):
            coarse = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            image = cv2.resize(coarse, (500, 375), interpolation=cv2.INTER_CUBIC)
            image = np.clip(image + rng.integers(-16, 17, image.shape), 0, 255).astype(np.uint8)
            path = Path(directory) / f"{number}.jpg"
            path.write_bytes(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
            )
            files.append(path)
        cv2.setNumThreads(1)
        out = np.empty((3, SIZE, SIZE), np.float32)
        way = preprocessing("vgg")

        def reference() -> None:
            for path in files:
                image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
                image = cv2.resize(image, (341, 256), interpolation=cv2.INTER_AREA)
                image = image[16:240, 58:282].astype(np.float32)
                image -= np.array([123.68, 116.78, 103.94], np.float32)
                np.ascontiguousarray(image.transpose(2, 0, 1))

        def ours() -> None:
            for path in files:
                way.scale(way.crop(path.read_bytes()), out)

        def only_crop() -> None:
            for path in files:
                way.crop(path.read_bytes())

        times = {
            f.__name__: [_cpu(f) for _ in range(options.rounds)]
            for f in (reference, ours, only_crop)
        }
    best = {name: min(values) / options.images * 1e3 for name, values in times.items()}
    print(
        f"reference {best['reference']:.3f} ms, ours {best['ours']:.3f} ms, of it once for the "
        f"cache {best['only_crop']:.3f} ms of CPU per image"
    )
    print(f"ours / reference = {best['ours'] / best['reference']:.3f}   (bound: <= 0.83)")
    print(f"50,000 images on 2 cores: {best['only_crop'] * 25:.0f} s of work   (bound: <= 60 s)")


def _cpu(function: Callable[[], None]) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def ways(backends: str) -> list[tuple[str, str]]:
    """Return pairs of backend and precision for comma-separated backends, onnx first."""
    names = ["onnx", *(name for name in backends.split(",") if name != "onnx")]
    return [
        (name, precision)
        for name in names
        for precision in ("fp32", *_MORE_PRECISIONS.get(name, ()))
    ]


def make_spec(
    options: argparse.Namespace, home: Path, name: str, precision: str, files: Mapping[str, Path]
) -> ProbeSpec:
    """Return how a backend runs the model; precisions other than int8 use the fp32 file."""
    model = files["int8" if precision == "int8" else "fp32"]
    own = load_plugin(WORKLOADS, options.model).dataset is None
    return ProbeSpec(
        options.model if own else _IMAGES,
        name,
        str(model),
        options.threads,
        options.batch,
        precision=precision,
        cache=str(home / "compiled"),
    )


def main() -> None:
    """Parse the command line and print one figure."""
    if sys.argv[1:2] == ["--child"]:
        run_loadgen(json.loads(sys.argv[2]))
        return
    figures = {
        "loadgen": loadgen,
        "single-stream": single_stream,
        "speed": speed,
        "compile": compile_times,
        "prepare": prepare,
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figure", choices=tuple(figures))
    parser.add_argument("--model", default="resnet50-random")
    parser.add_argument(
        "--answers", action="store_true", help="The bare loop also reads the answers: the boxes."
    )
    parser.add_argument("--backends", default=",".join(_BACKENDS))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of a LoadGen run")
    parser.add_argument("--turn", type=float, default=2.0, help="seconds of a turn in speed")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--foreign", type=float, default=0.05, help="share of CPU time")
    parser.add_argument("--home", type=Path, help="keeps models and compiled code")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        figures[options.figure](options, options.home or Path(made))


if __name__ == "__main__":
    main()
