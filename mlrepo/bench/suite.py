"""All runs that a round asks of one benchmark: planned, executed, resumed."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mlrepo.bench.compliance import identity_of, plan_tests, prepare_test
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.execute import Progress
from mlrepo.bench.matrix import (
    DONE,
    MISSING,
    STALE,
    Cell,
    Journal,
    runs_of,
    scenarios_of,
)
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench, backend_name
from mlrepo.errors import Busy, UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import find_run, load_record, recorded_runs
from mlrepo.repository.locks import hold_if_free
from mlrepo.rounds import Round, load_round
from mlrepo.workloads import Workload

SUITE_TAG = "suite"
RERUN = ("missing", "invalid", "all")
# How long a measured run of `--quick` lasts, and what starting and recording a run take.
_QUICK_SECONDS = 2.0
_OVERHEAD_SECONDS = 3.0
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(h|m|min|s)?", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """One run of the plan: what stands of it in Git, whether it is to be run, and for how long."""

    cell: Cell
    wanted: bool
    seconds: float


@dataclass(frozen=True)
class Suite:
    """The plan of one benchmark on one system.

    Attributes
    ----------
    request:
        What all runs have in common; scenario and mode are those of each step.
    """

    bench: Bench
    request: BenchRequest
    round: Round
    workload: Workload
    quick: bool
    steps: tuple[Step, ...]

    @property
    def wanted(self) -> tuple[Step, ...]:
        """The steps that are to be run."""
        return tuple(step for step in self.steps if step.wanted)

    @property
    def seconds(self) -> float:
        """How long the wanted steps take together, as far as can be told."""
        return sum(step.seconds for step in self.wanted)


def plan_suite(
    bench: Bench,
    request: BenchRequest,
    scenarios: tuple[str, ...],
    *,
    tests: bool | None,
    quick: bool,
    rerun: str,
) -> Suite:
    """Return the runs of the round, and which of them are to be run.

    Parameters
    ----------
    scenarios:
        Only these; none given: those that the round requires in the category.
    tests:
        Whether compliance tests belong; None: as the division asks (all but open).
    quick:
        Whether runs are shortened, and short ones count as done.
    rerun:
        ``missing``: whatever has no VALID run; ``invalid``: only what was run and is not VALID;
        ``all``.
    """
    round_ = load_round(bench.settings["round"].value)
    workload: Workload = load_plugin(WORKLOADS, request.workload)
    division = bench.settings["division"].value
    wanted = scenarios or scenarios_of(round_, bench.settings["category"].value, workload)
    if not wanted:
        raise UserError(
            f"{round_.name} requires no scenario of {workload.name} in the category "
            f"{bench.settings['category'].value}.",
            hint="Name the scenarios with --scenario, or another --category.",
        )
    with_tests = division != "open" if tests is None else tests
    journal = Journal(recorded_runs(bench.repository))
    steps: list[Step] = []
    for scenario in wanted:
        identity = identity_of(
            bench.settings, replace(request, scenario=scenario), backend_name(request.backend)
        )
        for mode, test in runs_of(round_, workload, scenario, tests=with_tests):
            cell = journal.cell(identity, mode, test, quick=quick)
            needed = {
                "missing": cell.state != DONE,
                "invalid": cell.state not in (DONE, MISSING),
                "all": True,
            }[rerun]
            seconds = _seconds(bench, round_, workload, cell, quick=quick)
            steps.append(Step(cell, needed, seconds))
    return Suite(bench, request, round_, workload, quick, tuple(steps))


def run_suite(
    suite: Suite,
    *,
    budget: float | None,
    on_step: Callable[[int, Step, float], Callable[[Progress], None]],
) -> Iterator[tuple[Step, ConcludedRun | UserError]]:
    """Run the wanted steps one after the other and yield how each ended.

    A step that cannot be started (a test whose performance run did not become VALID) is yielded
    with its error, and the suite goes on. ``on_step`` gets the number of the step, the step, and
    the seconds left for the suite.

    Raises
    ------
    Busy
        Another suite runs in this repository.
    UserError
        The budget does not suffice for the next run; what was run is recorded.
    """
    suite.bench.repository.store.mkdir(parents=True, exist_ok=True)
    lock = hold_if_free(suite.bench.repository.store / "suite.lock")
    if lock is None:
        raise Busy(
            "Another suite is running in this repository.", hint="Wait for it, or stop it first."
        )
    begin = time.monotonic()
    left = suite.seconds
    with lock:
        for number, step in enumerate(suite.wanted, start=1):
            spent = time.monotonic() - begin
            if budget is not None and spent + step.seconds > budget:
                raise UserError(
                    f"The budget of {budget:.0f} s does not suffice for {step.cell.scenario} "
                    f"{step.cell.name}, which takes about {step.seconds:.0f} s; {spent:.0f} s are "
                    "spent.",
                    hint="`mlrepo bench resume` goes on from here; give it a larger --budget.",
                )
            on_progress = on_step(number, step, left)
            try:
                yield step, suite.bench.run(_request(suite, step.cell), on_progress)
            except UserError as error:
                yield step, error
            left -= step.seconds


def parse_duration(text: str) -> float:
    """Return seconds from ``3h``, ``90m``, ``45s`` or a plain number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) <= 0:
        raise UserError(f"{text!r} is not a duration.", hint="Write 3h, 90m, or 45s.")
    factor = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}
    return float(match[1]) * factor[(match[2] or "").lower()]


def last_suite(repository: ResultsRepository) -> RunRecord | None:
    """Return the newest run that a suite made, whose command line tells how to go on; or None."""
    for run in recorded_runs(repository):
        if SUITE_TAG in run.trailer("Tags").split(","):
            return load_record(repository, run)
    return None


def _request(suite: Suite, cell: Cell) -> BenchRequest:
    tags = (*suite.request.tags, SUITE_TAG)
    request = replace(suite.request, scenario=cell.scenario, mode=cell.mode, tags=tags)
    if cell.mode == COMPLIANCE:
        plan = plan_tests(suite.round.name, request, (cell.test,))
        return prepare_test(suite.bench, plan, request, cell.test)
    if cell.mode == PERFORMANCE and suite.quick:
        return replace(request, time=_QUICK_SECONDS)
    return request


def _seconds(bench: Bench, round_: Round, workload: Workload, cell: Cell, *, quick: bool) -> float:
    """Estimate a run: as long as the last one of its kind, else what the rules ask for."""
    measured = _QUICK_SECONDS if quick else round_.min_duration_ms() / 1e3
    if cell.run and cell.state in (DONE, STALE):
        record = load_record(bench.repository, find_run(bench.repository, cell.run))
        begin, end = (datetime.datetime.fromisoformat(t) for t in (record.started, record.ended))
        took = max(0.0, (end - begin).total_seconds())  # a clock may have jumped back
        return took if cell.mode == ACCURACY else max(took, measured)
    return _OVERHEAD_SECONDS + (0.0 if cell.mode == ACCURACY else measured)
