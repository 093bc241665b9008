"""What the distribution of latencies costs, how it agrees with LoadGen, how large its files are.

    python -m benchmarks.distribution cost [--only SingleStream] [--rounds 7] [--seconds 4]
    python -m benchmarks.distribution agreement [--seconds 5]
    python -m benchmarks.distribution sizes [--queries 10000000]

`cost`: the null backend with and without recording alternate, each in its own process, Offline and
SingleStream; printed is the median ratio over the rounds, and the CPU time of a query (bounds: 0.99
and 0.5 µs). A round during which other processes used more than ``--foreign`` of the CPU time is
shown but not counted. `agreement`: percentiles ÷ LoadGen's, `digits` in each scenario (bound: 1 %).
`sizes`: of the files of a long SingleStream, a Server and an Offline run (bounds: 64 KiB together,
typically 4 KiB and 16 KiB), and the seconds that reading LoadGen's list takes after a run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import child
from benchmarks.harness import quiet_rounds
from mlrepo.harness.timing import SHARES
from mlrepo.latencies.documents import LATENCIES_FILE, TRACE_FILE, Latencies

_SCENARIOS = ("Offline", "SingleStream", "MultiStream", "Server")


def run_child(arguments: Mapping[str, Any]) -> None:
    """Run LoadGen once in the working directory; print the CPU seconds, and those of reading."""
    from mlrepo.harness import execution, timing
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.spec import RunSpec
    from mlrepo.plugins import BACKENDS, load_plugin
    from mlrepo.workloads.digits import DIGITS

    spent = [0.0]
    if arguments["record"]:
        flush = timing.Timing.flush

        def timed(self: timing.Timing) -> None:
            begin = time.perf_counter()
            flush(self)
            spent[0] = time.perf_counter() - begin

        timing.Timing.flush = timed  # type: ignore[method-assign]
    else:
        vars(execution)["Timing"] = lambda scenario: None
    directory = Path.cwd()
    model = DIGITS.model
    assert model is not None
    spec = RunSpec(
        DIGITS.name,
        arguments["backend"],
        arguments["scenario"],
        "performance",
        str(model.path),
        1,
        arguments["batch"],
        agreement_check=False,
    )
    backend = load_plugin(BACKENDS, spec.backend)()
    execution.execute(spec, DIGITS, backend, directory, Reporter(directory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "reading": spent[0]}))


def run(
    scenario: str,
    conf: Mapping[str, float],
    directory: Path,
    *,
    backend: str = "null",
    record: bool = True,
    batch: int | None = None,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return LoadGen's results of a run in ``directory``, and what the child used."""
    from mlrepo.logs.detail import parse_detail

    lines = (f"*.{scenario}.{key} = {value:.12g}\n" for key, value in conf.items())
    (directory / "user.conf").write_text("".join(lines))
    given = {"scenario": scenario, "backend": backend, "record": record, "batch": batch}
    command = child("distribution", "--role", json.dumps(given))
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{scenario} failed: {done.stderr}{(directory / 'events.jsonl').read_text()}")
    detail = parse_detail((directory / "mlperf_log_detail.txt").read_bytes())
    return detail.group("result_"), json.loads(done.stdout)


def cost(options: argparse.Namespace) -> None:
    """Print rates with recording ÷ without, and the CPU time of a query with − without."""
    ways = {
        "Offline": ("samples_per_second", {"target_qps": 2.5e6}, 1024),
        "SingleStream": ("qps_with_loadgen_overhead", {"target_latency": 0.002}, 1),
    }
    for scenario, (rate, load, batch) in ways.items():
        if options.only not in ("", scenario):
            continue
        conf = {"min_duration": options.seconds * 1e3, **load}
        rows: list[tuple[float, float]] = []

        def one(
            scenario: str = scenario,
            rate: str = rate,
            conf: Mapping[str, float] = conf,
            batch: int = batch,
            rows: list[tuple[float, float]] = rows,
        ) -> str:
            rates, each = {}, {}
            # The order alternates, so that what drifts favours neither.
            for record in (True, False) if len(rows) % 2 else (False, True):
                with tempfile.TemporaryDirectory() as name:
                    found, used = run(scenario, conf, Path(name), record=record, batch=batch)
                rates[record] = float(found[rate])
                queries = options.seconds * rates[record]
                each[record] = 1e6 * (used["cpu"] - used["reading"]) / queries
            rows.append((rates[True] / rates[False], each[True] - each[False]))
            return f"{scenario}: with {rates[True]:,.0f}/s, without {rates[False]:,.0f}/s"

        quiet_rounds(options, one, rows)
        print(
            f"{scenario}: with / without = {median(r for r, _ in rows):.4f}   (bound: >= 0.99); "
            f"CPU with - without = {median(c for _, c in rows):+.3f} us a query   (bound: <= 0.5)"
        )


def agreement(options: argparse.Namespace) -> None:
    """Print percentiles of the distribution ÷ LoadGen's, of runs on `digits`."""
    worst = 0.0
    for scenario in _SCENARIOS:
        conf = {"min_duration": options.seconds * 1e3, "min_query_count": 1000}
        with tempfile.TemporaryDirectory() as name:
            found, _ = run(scenario, conf, Path(name), backend="onnx")
            latencies = Latencies.from_json((Path(name) / LATENCIES_FILE).read_bytes())
        if not latencies.distributions:
            sys.exit(f"{scenario}: {latencies.why}")
        histogram = next(iter(latencies.distributions.values()))
        per = "_per_query" if scenario == "MultiStream" else ""
        ratios = {
            share: histogram.percentile(float(share) / 100)
            / float(found[f"{share}_percentile{per}_latency_ns"])
            for share in SHARES
        }
        worst = max(worst, *(abs(ratio - 1) for ratio in ratios.values()))
        text = "  ".join(f"p{share} {ratio:.4f}" for share, ratio in ratios.items())
        print(f"{scenario:<13}{histogram.count:>9}  {text}")
    print(f"farthest from LoadGen's: {worst:.2%}   (bound: <= 1 %)")


def sizes(options: argparse.Namespace) -> None:
    """Print the sizes of the files, and how long LoadGen's list took to read."""
    long = {"min_duration": 1, "min_query_count": options.queries, "target_latency": 0.05}
    runs: Mapping[str, tuple[str, Mapping[str, float], str]] = {
        f"SingleStream, {options.queries:,} queries": ("SingleStream", long, "null"),
        "Server": ("Server", {"min_duration": 20_000, "target_qps": 2000}, "onnx"),
        "Offline": ("Offline", {"min_duration": 10_000}, "onnx"),
    }
    for what, (scenario, conf, backend) in runs.items():
        with tempfile.TemporaryDirectory() as name:
            _, used = run(scenario, conf, Path(name), backend=backend)
            files = [Path(name) / one for one in (LATENCIES_FILE, TRACE_FILE)]
            why = Latencies.from_json(files[0].read_bytes()).why
            if why:
                sys.exit(f"{what}: {why}")
            one, two = (file.stat().st_size for file in files)
        print(f"{what}: {one:,} + {two:,} bytes, reading took {used['reading']:.2f} s")


def main() -> None:
    """Parse the command line and print one figure."""
    if sys.argv[1:2] == ["--role"]:
        run_child(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    figures: Mapping[str, Callable[[argparse.Namespace], None]] = {
        "cost": cost,
        "agreement": agreement,
        "sizes": sizes,
    }
    parser.add_argument("figure", choices=figures)
    parser.add_argument("--only", default="", choices=_SCENARIOS[:2], help="cost: this scenario")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--queries", type=int, default=10_000_000)
    parser.add_argument("--foreign", type=float, default=0.05, help="share of CPU time")
    options = parser.parse_args()
    figures[options.figure](options)


if __name__ == "__main__":
    main()
