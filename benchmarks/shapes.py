"""What answers of any shape cost: fixed and variable ones, requests in flight, Server.

Each figure is LoadGen through the harness with a backend that computes nothing, each run in its own
process. The figures of the version before are those of another checkout; its runs alternate with
ours. Rates are samples per second of CPU time from the first query on, since other processes change
the time on the clock; the best of the rounds counts, and the best by the clock stands beside it.

Usage::

    python -m benchmarks.shapes fixed --before CHECKOUT [--rounds 5]
    python -m benchmarks.shapes variable | requests [--rounds 5]
    python -m benchmarks.shapes server --before CHECKOUT [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

_OURS = Path(__file__).parents[1]
_BYTES = 1024
# Samples of an Offline run: a second of them, and more than any buffer holds.
_CONF = {"min_duration": 1000.0, "target_qps": 2.5e6}
# Seconds of a Server run, its bound, and the step of the search.
_SECONDS, _BOUND, _STEP = 2.0, 0.010, 1.15
# Queries per second that any machine answers.
_CALM = 8000.0


class Kibibytes:
    """A task that answers with 1 KiB for each sample."""

    name = "kibibytes"

    def __init__(self) -> None:
        from mlrepo.workloads import VariableResponses

        self.responses = VariableResponses()
        self._answer = bytes(_BYTES)

    def postprocess(self, outputs: Sequence[Any], indices: Sequence[int]) -> list[bytes]:
        """Return new bytes for each sample, as a task that encodes something does."""
        return [self._answer[:-1] + b"x" for _ in indices]

    def judge(self, entries: Iterable[Any], dataset: Any) -> Any:
        """Judge nothing: only the time counts."""
        raise NotImplementedError

    def misfit(self, outputs: Sequence[Any]) -> str:
        """Take any outputs."""
        return ""


class Answering:
    """A backend whose thread answers what waits, in pieces."""

    def load(self, model: Path, options: Any) -> None:
        """Start the thread."""
        self._waiting: list[tuple[Sequence[Any], Any]] = []
        self._wake = threading.Semaphore(0)
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, requests: Sequence[Any], answers: Any) -> None:
        """Queue the requests."""
        self._waiting.append((requests, answers))
        self._wake.release()

    def describe(self) -> Mapping[str, Any]:
        """Return what every backend says."""
        return {"name": "answering"}

    def close(self) -> None:
        """Leave the thread, which is a daemon."""

    def _work(self) -> None:
        scores = np.zeros(10, np.float32)
        while True:
            self._wake.acquire()
            requests, answers = self._waiting.pop(0)
            for start in range(0, len(requests), 256):
                piece = requests[start : start + 256]
                answers.complete([one.key for one in piece], [scores] * len(piece))


class Classes:
    """A task whose answers are numbers, from outputs that come one by one."""

    name = "classes"

    def __init__(self) -> None:
        from mlrepo.workloads import FixedResponses

        self.responses = FixedResponses("<i4")

    def postprocess(self, outputs: Sequence[Any], indices: Sequence[int]) -> Any:
        """Return a class for each sample."""
        return np.stack(outputs).argmax(axis=1).astype("<i4")

    def judge(self, entries: Iterable[Any], dataset: Any) -> Any:
        """Judge nothing: only the time counts."""
        raise NotImplementedError

    def misfit(self, outputs: Sequence[Any]) -> str:
        """Take any outputs."""
        return ""


def run(figure: str, scenario: str) -> None:
    """Child process: one LoadGen run through the harness in the working directory."""
    from mlrepo.backends.null import NullBackend
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.execution import execute
    from mlrepo.harness.spec import RunSpec
    from mlrepo.workloads.digits import DIGITS

    class Timed(Reporter):
        """Prints the CPU time from the first query to the end of LoadGen, and the samples."""

        def event(self, name: str, **values: Any) -> None:
            """Take the time."""
            super().event(name, **values)
            if name == "started":
                self.begin = time.process_time(), self._completed
            elif name == "finished":
                seconds = time.process_time() - self.begin[0]
                print((self._completed - self.begin[1]) / seconds)

    backend: Any = Answering() if figure == "requests" else NullBackend()
    workload = DIGITS
    if figure == "variable":
        workload = replace(DIGITS, task=Kibibytes())
    elif figure == "requests":
        workload = replace(DIGITS, task=Classes())
    batch = None if scenario == "Server" else 1024
    spec = RunSpec("digits", figure, scenario, "performance", "none", 1, batch)
    execute(spec, workload, backend, Path.cwd(), Timed(Path.cwd()))


def measured(
    checkout: Path, figure: str, scenario: str, conf: Mapping[str, float]
) -> Mapping[str, Any]:
    """Return LoadGen's results of one run with the source of a checkout."""
    from mlrepo.logs.detail import parse_detail

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lines = (f"*.{scenario}.{key} = {value:.10g}\n" for key, value in conf.items())
        (directory / "user.conf").write_text("".join(lines))
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), "--role", figure, scenario],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            events = directory / "events.jsonl"
            sys.exit(done.stderr + (events.read_text() if events.exists() else ""))
        log = parse_detail((directory / "mlperf_log_detail.txt").read_bytes())
        return {
            **log.group("result_"),
            "validity": log.values.get("result_validity"),
            "rate": float(done.stdout.split()[-1]),
        }


def rates(checkouts: Sequence[Path], figure: str, rounds: int) -> list[float]:
    """Return the best Offline rate of each checkout, whose runs alternate."""
    best, clock = [0.0] * len(checkouts), [0.0] * len(checkouts)
    for number in range(rounds):
        for place, checkout in enumerate(checkouts):
            result = measured(checkout, figure, "Offline", _CONF)
            best[place] = max(best[place], result["rate"])
            clock[place] = max(clock[place], float(result["samples_per_second"]))
        shown = ", ".join(
            f"{a:,.0f} ({b:,.0f} by the clock)" for a, b in zip(best, clock, strict=True)
        )
        print(f"round {number + 1}: best {shown} samples/s", flush=True)
    return best


def highest(checkouts: Sequence[Path], rounds: int) -> list[float]:
    """Return the highest Server rate of each checkout that LoadGen calls VALID, in any round.

    Where other processes decide that, the queries per second of CPU time at one rate still compare.
    """
    best, cpu = [0.0] * len(checkouts), [0.0] * len(checkouts)
    for number in range(rounds):
        for place, checkout in enumerate(checkouts):
            result = measured(checkout, "fixed", "Server", _server(_CALM, 1.0))
            cpu[place] = max(cpu[place], result["rate"])
            rate = max(best[place] * _STEP, 20_000.0)
            while _is_valid(checkout, rate):
                best[place] = rate
                rate *= _STEP
        shown = "  ".join(f"{rate:,.0f}" for rate in best)
        spent = "  ".join(f"{rate:,.0f}" for rate in cpu)
        print(f"round {number + 1}: best {shown} queries/s, {spent} per CPU second", flush=True)
    return best


def _is_valid(checkout: Path, rate: float) -> bool:
    result = measured(checkout, "fixed", "Server", _server(rate, _BOUND))
    return bool(result["validity"] == "VALID")


def _server(rate: float, bound: float) -> dict[str, float]:
    """Return the settings of a Server run with a latency bound in seconds."""
    return {
        "min_duration": _SECONDS * 1e3,
        "target_qps": rate,
        "target_latency": bound * 1e3,
        "min_query_count": 1.0,
    }


def main() -> None:
    """Parse the command line and print one figure."""
    if sys.argv[1:2] == ["--role"]:
        run(*sys.argv[2:4])
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figure", choices=("fixed", "variable", "requests", "server"))
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    checkouts = [_OURS, *([options.before.resolve()] if options.before else [])]
    server = options.figure == "server"
    best = (
        highest(checkouts, options.rounds)
        if server
        else rates(checkouts, options.figure, options.rounds)
    )
    bounds = {"variable": ">= 500,000", "requests": ">= 200,000"}
    text = f"{options.figure}: {best[0]:,.0f} {'queries' if server else 'samples'}/s"
    if len(best) > 1:
        text += f", before {best[1]:,.0f}, ratio {best[0] / best[1]:.3f}"
        bounds |= {"fixed": "ratio >= 0.98", "server": "ratio >= 1.0"}
    bound = bounds.get(options.figure)
    print(text + (f"   (bound: {bound})" if bound else ""))


if __name__ == "__main__":
    main()
