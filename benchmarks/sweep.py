"""The adaptive sweep of a Server curve against a dense grid: the knee found, and the runs needed.

    python -m benchmarks.sweep [--searches 200] [--real] [--seconds 2] [--low 200] [--high 12000]

Two things are done:

1. A simulated service, a queue with exponential service times whose 99th percentile is known for
   every rate: ``--searches`` capacities, each without noise, and with a fifth of the runs slowed
   down by up to 30 %. The dense grid has a rate every 3 %; its knee is the largest rate that holds
   the limit.
2. With ``--real``, ``mlrepo bench sweep`` on the embedded workload with ``--backend``: adaptive
   from 6 rates, then a grid of rates 3 % apart over the part of the range in which the knee can be
   (a factor of ``--around`` to each side of it), each rate ``--repeat`` times. The knee of the grid
   is the largest rate at which most runs hold; a grid over the whole range would have more runs.

Bounds: knee ÷ that of the dense grid within 3 %; runs ÷ the dense grid's at most 1/3.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlrepo.bench.sweep.adaptive import find_knee, next_loads
from mlrepo.bench.sweep.points import LoadPoint

MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
_STEP = 1.03
# The limit of the simulated service, in seconds.
_BOUND = 0.5
# Holds the limit, and fell behind the load.
Service = Callable[[float], tuple[bool, bool]]


def main() -> None:
    """Search, run the grids, print each figure with its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a run")
    parser.add_argument("--low", type=float, default=200.0, help="queries/s")
    parser.add_argument("--high", type=float, default=12000.0, help="queries/s")
    parser.add_argument("--latency", type=float, default=0.01, help="the bound in seconds")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each rate of the grid")
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--batch", default="", help="the largest; found in the warm-up if empty")
    parser.add_argument("--around", type=float, default=1.5)
    asked = parser.parse_args()
    for noise in (0.0, 0.3):
        simulate(asked.searches, noise)
    if asked.real:
        with tempfile.TemporaryDirectory() as name:
            real(Path(name) / "r", asked)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def grid(low: float, high: float) -> list[float]:
    """Return rates from ``low`` to ``high``, 3 % apart at most."""
    count = math.ceil(math.log(high / low) / math.log(_STEP)) + 1
    return [low * (high / low) ** (place / (count - 1)) for place in range(count)]


def simulate(searches: int, noise: float) -> None:
    """Search on simulated services from 10 to 400 queries/s, and print what was found."""
    ratios, shares = [], []
    dense = grid(10, 400)
    for seed in range(searches):
        chance = random.Random(seed)
        capacity = chance.uniform(60, 380)

        def run(rate: float, capacity: float = capacity, chance: random.Random = chance) -> Any:
            now = capacity * (1 - noise * chance.random() if chance.random() < 0.2 else 1)
            p99 = math.inf if rate >= now else math.log(100) / (now - rate)
            behind = rate > now / 0.97
            return p99 <= _BOUND and not behind, behind

        # The grid's own knee, without noise: what a patient person would find.
        truth = max(rate for rate in dense if math.log(100) / _BOUND <= capacity - rate)
        knee, runs = search(run, [10 * 40 ** (place / 7) for place in range(8)])
        ratios.append(knee / truth)
        shares.append(runs / len(dense))
    within = sum(0.97 <= ratio <= _STEP for ratio in ratios)
    print(
        f"simulated, {'a fifth of the runs spoilt' if noise else 'no noise'}: knee ÷ dense grid "
        f"{min(ratios):.3f} to {max(ratios):.3f}, median {statistics.median(ratios):.3f}, "
        f"{within} of {searches} within 3 %; runs ÷ dense grid ({len(dense)}) "
        f"{max(shares):.3f} at most, {statistics.mean(shares):.3f} on average (bound 0.333)"
    )


def search(service: Service, rates: list[float]) -> tuple[float, int]:
    """Return the knee that further points find from these rates on, and the number of runs."""
    ran: dict[float, list[tuple[bool, bool]]] = {rate: [service(rate)] for rate in rates}
    wanted: list[float] = rates
    while wanted:
        points = [
            LoadPoint(
                rate,
                sum(h for h, _ in found),
                sum(not h for h, _ in found),
                any(b for _, b in found),
                None,
            )
            for rate, found in ran.items()
        ]
        wanted = next_loads(points, limited=True, whole=False, resolution=0.02)
        for rate in wanted:
            ran.setdefault(rate, []).append(service(rate))
    return find_knee(points, limited=True).load or 0.0, sum(map(len, ran.values()))


def real(root: Path, asked: argparse.Namespace) -> None:
    """Sweep the embedded workload for real: adaptive, then the grid around what was found."""
    init = ("init", str(root), "--submitter", "A", "--division", "open", "--system", "box")
    subprocess.run([*MLREPO, *init], check=True, stdout=subprocess.DEVNULL)
    common = (
        *("bench", "sweep", "--benchmark", "digits", "--backend", asked.backend),
        *("--scenario", "Server", "--threads", "1", "--max-latency", str(asked.latency)),
        *("--time", str(asked.seconds), *(("--max-batchsize", asked.batch) if asked.batch else ())),
        *("--yes", "--json"),
    )
    begin = time.monotonic()
    rates = f"{asked.low:g}:{asked.high:g}:log6"
    found = sweep(root, *common, "--qps", rates, "--adaptive", "--name", "adaptive")
    seconds = time.monotonic() - begin
    knee, runs = found["knee"]["load"], len(found["points"])
    whole = len(grid(asked.low, asked.high))
    print(f"adaptive: knee {knee:.6g} queries/s in {runs} runs, {seconds:.0f} s")
    rates_of_grid = grid(asked.low, asked.high)
    around = [one for one in rates_of_grid if 1 / asked.around <= one / knee <= asked.around]
    words = ",".join(f"{rate:.5g}" for rate in around)
    dense = sweep(root, *common, "--qps", words, "--name", "dense", "--repeat", str(asked.repeat))
    holding: dict[float, int] = {}
    for point in dense["points"]:
        held = point["p99"] <= asked.latency * 1e3 and point["achieved"] >= 0.97 * point["load"]
        holding[point["load"]] = holding.get(point["load"], 0) + held
    for rate in sorted(holding):
        print(f"  grid: {rate:.6g} queries/s holds in {holding[rate]} of {asked.repeat}")
    best = max((rate for rate, times in holding.items() if 2 * times > asked.repeat), default=0.0)
    print(
        f"real: knee ÷ dense grid {knee / best if best else math.nan:.3f} (bound 0.97 to 1.03); "
        f"runs ÷ a dense grid of {whole} rates {runs / whole:.3f} (bound 0.333)"
    )


def sweep(root: Path, *words: str) -> Any:
    """Run a sweep and return its only curve."""
    done = subprocess.run([*MLREPO, *words], cwd=root, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["curves"][0]


if __name__ == "__main__":
    main()
