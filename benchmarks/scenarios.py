"""Every backend and precision through LoadGen in every scenario, beside onnx fp32.

Each round runs all of them, one process at a time. The medians over the rounds are printed, with
the speedup over onnx fp32 in brackets: the ratio of throughputs, or the inverse ratio of latencies.
All get the same Server load: half of the throughput of onnx fp32 with single images.

Usage::

    python -m benchmarks.scenarios [--backends onnx,openvino,…] [--rounds 3] [--seconds 6]
        [--home DIR]

``--home DIR`` keeps models and compiled code (default: made anew).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.backends import (
    loadgen_result,
    make_spec,
    model_files,
    ways,
)
from mlrepo.bench.tune import fixed_batch, probes
from mlrepo.harness.probe import ProbeSpec

_OFFLINE_BATCH = 4
# LoadGen's name of the figure, its unit, and whether more is better.
_FIGURES = {
    "Offline": ("samples_per_second", "samples/s", True),
    "SingleStream": ("90.00_percentile_latency_ns", "p90 ms", False),
    "MultiStream": ("99.00_percentile_latency_ns", "p99 ms", False),
    "Server": ("99.00_percentile_latency_ns", "p99 ms", False),
}


def figure(spec: ProbeSpec, scenario: str, seconds: float, load: float) -> float:
    """Return a scenario's figure of one backend; ``load`` is Server's, in queries/s."""
    batch = fixed_batch(scenario) or _OFFLINE_BATCH
    spec = replace(spec, batch=batch)
    with probes([spec], os.environ) as (process,):
        rate = process.ask("measure", batch=batch, seconds=1.0)["rate"]
    conf = {"min_duration": seconds * 1e3, "min_query_count": 1}
    if scenario == "Server":
        conf |= {"target_qps": load, "target_latency": 1e6}
    elif scenario == "Offline":
        conf["target_qps"] = rate / 1.1
    else:
        conf["target_latency"] = 0.9e3 * batch / rate
    name, unit, _ = _FIGURES[scenario]
    value = float(loadgen_result(spec, scenario, conf)[name])
    return value / 1e6 if unit.endswith("ms") else value


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet50-random")
    parser.add_argument("--backends", default="onnx,openvino,pytorch,tvm-onnx,tvm-pytorch")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a LoadGen run")
    parser.add_argument("--home", type=Path, help="keeps models and compiled code")
    parser.set_defaults(batch=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        home = options.home or Path(made)
        files = model_files(home, options.model, int8=True)
        specs = {
            f"{name} {precision}": make_spec(options, home, name, precision, files)
            for name, precision in ways(options.backends)
        }
        first = next(iter(specs))
        with probes([specs[first]], os.environ) as (process,):
            load = process.ask("measure", batch=1, seconds=3.0)["rate"] / 2
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(options.rounds):
            for scenario in _FIGURES:
                for name, spec in specs.items():
                    value = figure(spec, scenario, options.seconds, load)
                    found.setdefault((name, scenario), []).append(value)
    print(f"{options.model}, {options.threads} threads, Server at {load:.1f} queries/s")
    heads = [f"{scenario}, {unit}" for scenario, (_, unit, _) in _FIGURES.items()]
    print(f"{'':18}" + "".join(f"{head:>24}" for head in heads))
    for name in specs:
        cells = []
        for scenario, (_, _, more) in _FIGURES.items():
            own, base = found[name, scenario], found[first, scenario]
            ratio = median(o / b if more else b / o for o, b in zip(own, base, strict=True))
            cells.append(f"{median(own):.2f} ({ratio:.2f})")
        print(f"{name:18}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
