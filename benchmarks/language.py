"""What LoadGen and the harness cost a language and a speech model, and what batching brings.

Each run is a process of its own. ``offline`` and ``whisper`` alternate between LoadGen and the
engine's own loop on the same samples, and compare CPU time from the first sample on: other
processes change the time on the clock. ``latency`` compares LoadGen's medians with those that the
engine measured of the same requests. ``server`` raises the rate until a limit of the token
latencies does not hold, with continuous batching and with one request at a time; ``batching``
compares the CPU time of the same questions, which a busy machine does not change.

Usage::

    mlrepo model fetch smollm2; mlrepo dataset prepare bfcl-v4
    mlrepo model fetch whisper-base; mlrepo dataset prepare speech-clips
    python -m benchmarks.language offline | whisper | batching [--samples 16] [--rounds 3]
    python -m benchmarks.language latency | server [--samples 16] [--ttft MS] [--tpot MS]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from mlrepo.cli.context import user_directory
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin
from mlrepo.workloads.model_store import ModelStore

_ENGINES = {"smollm2": "openvino-genai", "whisper-base": "ctranslate2"}
# The whisper model computes one clip at a time: no batch is faster on a few cores.
_CLIPS = 1
# So many clips are in the data set.
_SHIPPED = 10
# The round's limits for Llama 3.1 8B; a busy machine needs others.
_TTFT_MS, _TPOT_MS = 2000.0, 100.0
_STEP = 1.3
_FIGURES = ("offline", "latency", "server", "whisper", "batching")


def loadgen(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Child process: one run through the harness; return its CPU seconds and medians."""
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.execution import execute
    from mlrepo.harness.spec import RunSpec

    times: dict[str, float] = {}

    class Timed(Reporter):
        """Takes the CPU time from the first query to the end of LoadGen."""

        def event(self, name: str, **values: Any) -> None:
            """Note the CPU time."""
            super().event(name, **values)
            times[name] = time.process_time()

    workload = load_plugin(WORKLOADS, arguments["workload"])
    spec = RunSpec(**arguments)
    backend = load_plugin(BACKENDS, spec.backend)()
    handles: list[Any] = []
    if hasattr(backend, "_add"):
        add = backend._add

        def kept(request: Any) -> Any:
            handles.append(add(request))
            return handles[-1]

        backend._add = kept
    bound = workload.of_model(spec.model_file)
    execute(spec, bound, backend, Path.cwd(), Timed(Path.cwd()))
    timed = [one.get_perf_metrics() for one in handles][-arguments["max_batch"] :]
    return {
        "cpu": times["finished"] - times["started"],
        "ttft": [one.get_ttft().mean for one in timed],
        "tpot": [one.get_tpot().mean for one in timed],
    }


def bare(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Child process: the engine's own loop over the first samples; return its CPU seconds."""
    workload = load_plugin(WORKLOADS, arguments["workload"]).of_model(arguments["model_file"])
    dataset = workload.open(arguments["dataset"])
    backend = load_plugin(BACKENDS, arguments["backend"])()
    from mlrepo.backends import BackendOptions

    backend.load(
        Path(arguments["model_file"]),
        BackendOptions(
            threads=arguments["threads"],
            precision=arguments["precision"],
            model_precision=arguments["model_precision"],
            extra=arguments["backend_options"],
        ),
    )
    samples = dataset.load(range(arguments["samples"]))
    if hasattr(backend, "predict"):

        def loop() -> None:
            for sample in samples:
                backend.predict(workload.task.collate([sample]))

    else:
        import numpy as np
        import openvino

        prompts = [
            openvino.Tensor(np.array([backend.prepare(one, "")["input_ids"]], np.int64))
            for one in samples
        ]
        config = backend._genai.GenerationConfig(do_sample=False)
        config.max_new_tokens = samples[0]["max_new_tokens"]
        config.eos_token_id = backend._defaults.eos_token_id
        configs = [config] * len(prompts)

        def loop() -> None:
            backend._pipeline.generate(prompts, configs)

    loop()
    begin = time.process_time()
    loop()
    return {"cpu": time.process_time() - begin}


def child(role: str, arguments: Mapping[str, Any], conf: Mapping[str, float]) -> dict[str, Any]:
    """Return what a role printed, and LoadGen's results if it ran."""
    from mlrepo.logs.detail import parse_detail

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lines = (f"*.*.{key} = {value:.10g}\n" for key, value in conf.items())
        (directory / "user.conf").write_text("".join(lines))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.language", "--role", role, json.dumps(arguments)],
            cwd=directory,
            env={**_environment(), "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        events = directory / "events.jsonl"
        if done.returncode or not done.stdout.strip():
            sys.exit(done.stderr + (events.read_text() if events.exists() else ""))
        log = directory / "mlperf_log_detail.txt"
        results = parse_detail(log.read_bytes()).group("result_") if log.exists() else {}
        return {**results, **json.loads(done.stdout.splitlines()[-1])}


def _environment() -> Mapping[str, str]:
    import os

    return os.environ


def arguments_of(
    benchmark: str, scenario: str, samples: int, options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the fields of a RunSpec for a benchmark's model and data on this machine."""
    home = user_directory()
    store = ModelStore(home)
    model = store.require(store.find(benchmark)).model_file()
    workload = load_plugin(WORKLOADS, benchmark)
    speech = benchmark == "whisper-base"
    return {
        "workload": benchmark,
        "backend": _ENGINES[benchmark],
        "scenario": scenario,
        "mode": "performance",
        "model_file": str(model.path),
        "threads": 1,
        "max_batch": _CLIPS if speech else samples,
        "precision": "int8" if speech else model.precision,
        "model_precision": model.precision,
        "dataset": str(workload.dataset.find(home, model)),
        "backend_options": dict(options or {}),
    }


def conf_of(samples: int, rate: float = 0.01) -> dict[str, float]:
    """Return the settings of a run of so many samples."""
    return {
        "min_query_count": samples,
        "performance_sample_count_override": samples,
        "min_duration": 0,
        "target_qps": rate,
        "target_latency": 1,
        "use_token_latencies": 1,
        "performance_issue_unique": 1,
    }


def overhead(benchmark: str, samples: int, rounds: int) -> None:
    """Print the engine's own loop ÷ LoadGen Offline, same samples, CPU time."""
    options = {"max_num_seqs": str(samples)} if benchmark == "smollm2" else {}
    rows = []
    for _ in range(rounds):
        given = arguments_of(benchmark, "Offline", samples, options)
        own = child("bare", {**given, "samples": samples}, {})["cpu"]
        through = child("loadgen", given, conf_of(samples))["cpu"]
        rows.append((own, through))
        print(f"engine {own:.2f} s, LoadGen {through:.2f} s")
    best = min(own for own, _ in rows) / min(through for _, through in rows)
    print(f"{benchmark} Offline: engine ÷ LoadGen {best:.3f} of CPU time (bound: >= 0.98)")


def latency(samples: int) -> None:
    """Print LoadGen's medians of the token latencies beside those of the engine."""
    given = arguments_of("smollm2", "SingleStream", samples)
    found = child("loadgen", given, conf_of(samples))
    for name, key in (
        ("ttft", "first_token_50.00_percentile_latency_ns"),
        ("tpot", "time_per_output_token_50.00_percentile_ns"),
    ):
        ours, engine = found[key] / 1e6, median(found[name])
        print(f"{name}: LoadGen {ours:.2f} ms, engine {engine:.2f} ms, ratio {ours / engine:.4f}")


def server(samples: int, limits: tuple[float, float]) -> None:
    """Print the tokens per second at the highest rate that holds, with and without batching."""
    best: dict[int, float] = {}
    for together in (1, 16):
        rate = 0.25
        while True:
            given = arguments_of("smollm2", "Server", samples, {"max_num_seqs": str(together)})
            found = child("loadgen", {**given, "threads": None}, conf_of(samples, rate))
            ttft = found["first_token_99.00_percentile_latency_ns"] / 1e6
            tpot = found["time_per_output_token_99.00_percentile_ns"] / 1e6
            tokens = found["completed_tokens_per_second"]
            print(
                f"{together}: {rate:.2f}/s TTFT {ttft:.0f} TPOT {tpot:.0f} ms {tokens:.1f} tokens/s"
            )
            if ttft >= limits[0] or tpot >= limits[1]:
                break
            best[together] = tokens
            rate *= _STEP
    if len(best) < 2:
        print("no rate holds the limits here: see what disturbs, or how slow the machine is")
        return
    print(f"batching ÷ one at a time: {best[16] / best[1]:.2f}   (bound: >= 1.5)")


def batching(samples: int, rounds: int) -> None:
    """Print the CPU time of one request at a time ÷ 16 together, Offline, the same questions."""
    seconds: dict[int, float] = {}
    for _ in range(rounds):
        for together in (1, 16):
            given = arguments_of("smollm2", "Offline", samples, {"max_num_seqs": str(together)})
            took = child("loadgen", given, conf_of(samples))["cpu"]
            seconds[together] = min(took, seconds.get(together, took))
            print(f"{together} together: {took:.2f} s")
    print(f"one at a time ÷ 16 together: {seconds[1] / seconds[16]:.2f} of CPU time")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figure that the command line names."""
    if argv is None and sys.argv[1:2] == ["--role"]:
        role = {"loadgen": loadgen, "bare": bare}[sys.argv[2]]
        print(json.dumps(role(json.loads(sys.argv[3]))), flush=True)
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figure", choices=_FIGURES)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ttft", type=float, default=_TTFT_MS, help="ms, for server")
    parser.add_argument("--tpot", type=float, default=_TPOT_MS, help="ms, for server")
    options = parser.parse_args(argv)
    if options.figure == "batching":
        batching(options.samples, options.rounds)
    elif options.figure == "latency":
        latency(options.samples)
    elif options.figure == "server":
        server(options.samples, (options.ttft, options.tpot))
    else:
        speech = options.figure == "whisper"
        samples = min(options.samples, _SHIPPED) if speech else options.samples
        overhead("whisper-base" if speech else "smollm2", samples, options.rounds)


if __name__ == "__main__":
    main()
