"""False alarms and found regressions of ``--gate`` (bounds: at most 5 %, at least 95 %).

    python -m benchmarks.gate simulate [--cases 3000]
    python -m benchmarks.gate measure DIR [--minutes 2.5] [--sets 25] [--count 4000] [--metric …]
    python -m benchmarks.gate judge DIR [--metric 50.00_percentile_latency]

``simulate`` draws results, makes records of them, and judges them by the code of ``mlrepo compare``
and ``mlrepo trend``: a configuration with itself, and with one that is 5 % slower, with normal
noise, skewed noise, and outliers.

``measure`` records sets of five SingleStream runs of ``digits`` on this machine, in turns as it is
and slower by 5 % of the metric (:mod:`benchmarks.slowed`), until there are ``--sets`` of each or
the time is over; called again, it goes on. ``judge`` judges pairs of sets as ``mlrepo compare
--gate`` does: all pairs of two sets as they are, of which none is a regression (25 sets are 300
pairs), and as many of one as it is with a slower one. A set is compared with sets before and after
it, as in a repository whose machine drifts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Protocol

from benchmarks.slowed import LONGER
from mlrepo.record import Metric, RunRecord
from mlrepo.report.comparison import compare, judge
from mlrepo.report.gate import NOT_JUDGED, PASSED, REGRESSED, RESULT, parse_limit
from mlrepo.report.reported import ReportedRun
from mlrepo.report.sides import Side
from mlrepo.report.trend import find_trends, judge_trend
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.trailers import run_trailers
from mlrepo.rounds import Rounds
from tests.samples import sample_record, sample_run_id

_RUNS = 5
_LOSS = 0.05
_LIMIT = parse_limit("3%")
_MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
_ROOT = Path(__file__).parents[1]

# A result around 1, by the generator and the noise, a standard deviation.
Noise = Callable[[random.Random, float], float]


class Draw(Protocol):
    """Draws results, by their number and by which share they are lower."""

    def __call__(self, number: int, loss: float = 0.0) -> list[float]:
        """Return them in order."""


def _normal(generator: random.Random, noise: float) -> float:
    return generator.gauss(1, noise)


def _skewed(generator: random.Random, noise: float) -> float:
    """Runs are rarely faster than usual, and often a little slower: shifted exponential."""
    return 1 + noise - noise * generator.expovariate(1)


def _with_outliers(generator: random.Random, noise: float) -> float:
    """One run of twenty is five standard deviations slower."""
    return generator.gauss(1, noise) - (5 * noise if generator.random() < 0.05 else 0)


_NOISES: dict[str, Noise] = {
    "normal": _normal,
    "skewed": _skewed,
    "5 % outliers": _with_outliers,
}


def main() -> None:
    """Simulate, measure or judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulated = commands.add_parser("simulate")
    simulated.add_argument("--cases", type=int, default=3000)
    measured = commands.add_parser("measure")
    measured.add_argument("directory", type=Path)
    measured.add_argument("--minutes", type=float, default=2.5)
    measured.add_argument("--sets", type=int, default=25)
    measured.add_argument("--count", type=int, default=4000)
    measured.add_argument("--metric", default=RESULT)
    judged = commands.add_parser("judge")
    judged.add_argument("directory", type=Path)
    judged.add_argument("--metric", default=RESULT)
    asked = parser.parse_args()
    if asked.command == "simulate":
        simulate(asked.cases)
    elif asked.command == "measure":
        measure(asked.directory, asked.minutes, asked.sets, asked.count, asked.metric)
    else:
        judge_sets(asked.directory, asked.metric)


def simulate(cases: int) -> None:
    """Print the share of regressions that the gate claims, by noise, for each kind of series."""
    print(
        f"{cases} cases each, of 50 runs a fifth; gate of 3 %, and of 0 % (any loss beyond noise)"
    )
    print(f"{'noise':22} {'series':26} {'gate 3 %':>9} {'gate 0 %':>9}")
    series: dict[str, tuple[Callable[[Draw], Iterator[tuple[float, str]]], float]] = {
        "5 against 5, same": (lambda draw: _compared(draw(5), draw(5)), 0.0),
        "5 against 5, 5 % slower": (lambda draw: _compared(draw(5), draw(5, _LOSS)), _LOSS),
        "3 against 3, same": (lambda draw: _compared(draw(3), draw(3)), 0.0),
        "trend of 10, same": (lambda draw: _trend(draw(5), draw(5)), 0.0),
        "trend of 50, same": (lambda draw: _trend(draw(45), draw(5)), 0.0),
        "trend 5 and 5 % slower 5": (lambda draw: _trend(draw(5), draw(5, _LOSS)), _LOSS),
        "trend 45 and 5 % slower 5": (lambda draw: _trend(draw(45), draw(5, _LOSS)), _LOSS),
    }
    for kind, noise in itertools.product(_NOISES, (0.01, 0.03, 0.1)):
        for name, (verdicts, loss) in series.items():
            if loss and noise > 0.01:  # the bound is for 1 % noise
                continue
            draw = _draws(_NOISES[kind], noise)
            number = cases // 5 if "50" in name or "45" in name else cases
            found = Counter[float]()
            for _ in range(number):
                found.update(limit for limit, state in verdicts(draw) if state == REGRESSED)
            shares = [f"{100 * found[limit] / number:8.2f}%" for limit in (_LIMIT, 0.0)]
            print(f"{f'{kind}, {100 * noise:.0f} %':22} {name:26} {' '.join(shares)}")


def _draws(of: Noise, spread: float) -> Draw:
    generator = random.Random(7)

    def draw(number: int, loss: float = 0.0) -> list[float]:
        return [1000 * (1 - loss) * of(generator, spread) for _ in range(number)]

    return draw


def _records(values: Sequence[float], source: str, first: int) -> tuple[RunRecord, ...]:
    return tuple(
        sample_record(
            sample_run_id(first + number),
            result=Metric(value, "samples/s"),
            metrics={},
            source={"commit": source * 40},
        )
        for number, value in enumerate(values)
    )


def _compared(before: Sequence[float], after: Sequence[float]) -> Iterator[tuple[float, str]]:
    kind = ("resnet50", "Offline", "performance", "")
    sides = [
        Side(name, {kind: _records(values, name, 0)})
        for name, values in (("a", before), ("b", after))
    ]
    [one] = compare(sides, Rounds())
    for limit in (_LIMIT, 0.0):
        yield limit, judge(one, limit)[0].state


def _trend(before: Sequence[float], after: Sequence[float]) -> Iterator[tuple[float, str]]:
    records = (*_records(before, "a", 0), *_records(after, "b", len(before)))
    runs = [ReportedRun(RecordedRun(one.run, "0" * 40, run_trailers(one)), one) for one in records]
    [trend] = find_trends(runs, Rounds(), most=100)
    for limit in (_LIMIT, 0.0):
        yield limit, judge_trend(trend, limit).state


def measure(directory: Path, minutes: float, sets: int, count: int, metric: str) -> None:
    """Record sets of runs in a repository, until there are enough or the time is over."""
    begin = time.monotonic()
    directory = directory.resolve()
    root = directory / "results"
    plugin = directory / "plugin" / "slowed-1.0.dist-info"
    if not root.exists():
        plugin.mkdir(parents=True)
        (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: slowed\nVersion: 1.0\n")
        (plugin / "entry_points.txt").write_text(
            "[mlrepo.backends]\nslowed = benchmarks.slowed:Slowed\n"
        )
        names = ("--submitter", "Acme", "--division", "open", "--system", "box")
        _run(directory, directory, "init", "results", *names)
    while time.monotonic() - begin < 60 * minutes:
        number = len(_sets(directory, "same"))
        if number >= sets:
            break
        # In turns, so that a drift of the machine is in both.
        for kind in ("same", "slow"):
            so_far = [value for of in _sets(directory, "same", metric).values() for value in of]
            longer = _LOSS * median(so_far) / 1000 if kind == "slow" else 0.0
            _run(
                directory,
                root,
                *("bench", "run", "--benchmark", "digits", "--backend", "slowed"),
                *("--scenario", "SingleStream", "--mode", "performance", "--threads", "1"),
                *("--count", str(count), "--repeat", str(_RUNS), "--tag", f"{kind}-{number:03}"),
                **{LONGER: str(longer)},
            )
    print(f"{len(_sets(directory, 'same'))} of {sets} sets of each, {_RUNS} runs a set")


def _run(directory: Path, cwd: Path, *arguments: str, **variables: str) -> str:
    paths = f"{directory / 'plugin'}{os.pathsep}{_ROOT}"
    environment = {**os.environ, "PYTHONPATH": paths, **variables}
    done = subprocess.run(
        [*_MLREPO, *arguments],
        cwd=cwd,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _sets(directory: Path, kind: str, metric: str = RESULT) -> dict[str, list[float]]:
    """Return the figures of each set that is whole, by its tag."""
    listed = json.loads(_run(directory, directory / "results", "log", "--json"))["runs"]
    for run in listed:
        if metric != RESULT:
            run["result"] = run["metrics"][metric]
    found: dict[str, list[float]] = {}
    for run in listed:
        for tag in run["tags"]:
            if tag.startswith(kind) and run["validity"] == "VALID":
                found.setdefault(tag, []).append(run["result"]["value"])
    return {tag: found[tag] for tag in sorted(found) if len(found[tag]) == _RUNS}


def judge_sets(directory: Path, metric: str) -> None:
    """Print how many pairs of sets the gate calls a regression, and the noise of the runs."""
    directory = directory.resolve()
    os.chdir(directory / "results")
    same, slow = (_sets(directory, kind, metric) for kind in ("same", "slow"))
    noise = [stdev(values) / fmean(values) for values in same.values()]
    between = stdev(map(fmean, same.values())) / fmean(map(fmean, same.values()))
    loss = fmean(map(fmean, slow.values())) / fmean(map(fmean, same.values())) - 1
    print(
        f"{len(same)} sets of {_RUNS}: noise of a run {100 * fmean(noise):.2f} %, of a set's mean "
        f"{100 * between:.2f} %; the slowed ones are {100 * loss:.2f} % slower"
    )
    pairs = list(itertools.combinations(same, 2))
    _judge_pairs("a configuration with itself", pairs, metric)
    others = list(itertools.product(same, slow))
    random.Random(7).shuffle(others)
    _judge_pairs("with one that is 5 % slower", others[: len(pairs)], metric)


def _judge_pairs(name: str, pairs: Sequence[tuple[str, str]], metric: str) -> None:
    from mlrepo.report.sides import find_side
    from mlrepo.repository.discovery import find_repository

    repository = find_repository(Path.cwd())
    kept = {
        tag: find_side(repository, f"tag:{tag}") for tag in {tag for pair in pairs for tag in pair}
    }
    for limit in (_LIMIT, 0.0):
        states = Counter(
            judge(compare([kept[one], kept[other]], repository.rounds)[0], limit, metric)[0].state
            for one, other in pairs
        )
        print(
            f"{name}, gate {100 * limit:g} %: {len(pairs)} comparisons, {states[REGRESSED]} "
            f"regressions ({100 * states[REGRESSED] / len(pairs):.1f} %), {states[PASSED]} passed, "
            f"{states[NOT_JUDGED]} not judged"
        )


if __name__ == "__main__":
    main()
