"""Plan, execute and resume all runs that a round requires of one benchmark."""

from __future__ import annotations

import contextlib
import datetime
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlrepo.backends.devices import Device
from mlrepo.bench.advice import MOST_ATTEMPTS, attempts
from mlrepo.bench.audit import official_name
from mlrepo.bench.compliance import identity_of, newest_valid, plan_tests, prepare_test
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.estimate import Speed, least_offline_samples, measure_speed
from mlrepo.bench.execute import Progress
from mlrepo.bench.inputs import find_model
from mlrepo.bench.matrix import (
    DONE,
    INFERRED,
    MISSING,
    STALE,
    Cell,
    RunsByResult,
    runs_of,
    scenarios_of,
)
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.errors import Busy, UserError
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, run_stamp
from mlrepo.record.first_requests import BEGAN, request_of
from mlrepo.record.plans import SuitePlan
from mlrepo.record.request import Request
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, readable_record, recorded_runs
from mlrepo.repository.locks import hold_if_free
from mlrepo.rounds import Round
from mlrepo.rounds.inference import sources_of
from mlrepo.workloads import Model, Workload

SUITE_TAG = "suite"
# The duration of a performance run with `--quick`.
_QUICK_SECONDS = 2.0
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(h|m|min|s)?", re.IGNORECASE)


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan: its state in Git, whether to run it, and its estimated duration."""

    cell: Cell
    wanted: bool
    seconds: float


@dataclass(frozen=True)
class Suite:
    """The plan of one benchmark on one system.

    Attributes
    ----------
    bench:
        Its request holds the decided plan, which each run records.
    request:
        What all runs have in common; scenario and mode are those of each step.
    plan:
        The request with nothing left open; a resumed suite keeps the start of its first part.
    choices:
        Sets of scenarios of which the round requires one, and the plan chose one.
    """

    bench: Bench
    request: BenchRequest
    round: Round
    workload: Workload
    plan: SuitePlan
    steps: tuple[PlannedRun, ...]
    choices: tuple[tuple[str, ...], ...] = ()

    @property
    def model(self) -> Model | None:
        """The model; None if it is not on this machine."""
        request = self.request
        with contextlib.suppress(UserError):
            return find_model(
                self.bench.home,
                self.workload,
                request.model_file,
                request.model_variant,
                backend=backend_name(request.backend),
                device=Device.parse(request.device).kind,
                precision=request.precision,
                way=request.way,
                layout=request.layout,
            )
        return None

    @property
    def wanted(self) -> tuple[PlannedRun, ...]:
        """The steps that are to be run."""
        return tuple(step for step in self.steps if step.wanted)

    @property
    def seconds(self) -> float:
        """The estimated duration of the wanted steps together."""
        return sum(step.seconds for step in self.wanted)


def plan_suite(bench: Bench, request: BenchRequest, plan: SuitePlan) -> Suite:
    """Return the runs that the round requires, and which of them to run.

    With ``all``, runs that the suite has made since it began are not repeated.

    Raises
    ------
    UserError
        Nothing is required, the ``user.conf`` has a setting that no result may have, or the backend
        does not run here: the estimate needs a short probe.
    """
    round_ = bench.round
    workload: Workload = load_plugin(WORKLOADS, request.benchmark)
    division = bench.settings["division"].value
    category = bench.settings["category"].value
    backend = backend_name(request.backend)
    journal = RunsByResult(recorded_runs(bench.repository), bench.repository.rounds)
    run = journal.scenarios(identity_of(bench.settings, request, backend))
    wanted = plan.scenarios or scenarios_of(round_, category, workload, run)
    if not wanted:
        raise UserError(
            f"{round_.name} requires no scenario of {workload.name} in the category {category}.",
            hint="Name the scenarios with --scenario, or another --category.",
        )
    for scenario in wanted:
        bench.check_settings(replace(request, scenario=scenario, mode=PERFORMANCE))
    with_tests = division != "open" if plan.compliance is None else plan.compliance
    planned: list[tuple[Cell, bool]] = []
    for scenario in wanted:
        identity = identity_of(bench.settings, replace(request, scenario=scenario), backend)
        sources = sources_of(round_, scenario, category) if plan.infer else ()
        follows = any(one in wanted for one in sources)
        for mode, test in runs_of(round_, workload, scenario, tests=with_tests):
            cell = journal.cell(identity, mode, test, quick=plan.quick)
            if follows and cell.state == MISSING:
                cell = replace(cell, state=INFERRED)
            needed = {
                "missing": cell.state not in (DONE, INFERRED),
                "invalid": cell.state not in (DONE, MISSING, INFERRED),
                "all": cell.state != INFERRED
                and not (plan.since and cell.state == DONE and cell.run >= plan.since),
            }[plan.rerun]
            planned.append((cell, needed))
    seconds = _estimates(bench, request, round_, workload, journal, planned, quick=plan.quick)
    steps = tuple(
        PlannedRun(cell, needed, took)
        for (cell, needed), took in zip(planned, seconds, strict=True)
    )
    decided = replace(
        plan,
        scenarios=tuple(wanted),
        compliance=with_tests,
        since=plan.since or run_stamp(datetime.datetime.now(datetime.UTC)),
    )
    bench = replace(bench, request=replace(bench.request, plan=decided))
    official = official_name(round_, workload)
    choices = () if plan.scenarios else round_.scenario_choices(category, official)
    return Suite(bench, request, round_, workload, decided, steps, choices)


def run_suite(
    suite: Suite,
    *,
    budget: float | None,
    on_step: Callable[[int, PlannedRun, float], Callable[[Progress], None]],
) -> Iterator[tuple[PlannedRun, ConcludedRun | UserError]]:
    """Run the wanted steps in order and yield how each ended.

    A step that cannot be started (a test whose performance run did not become VALID) is yielded
    with its error, and the suite continues. ``on_step`` gets the number of the step, the step, and
    the seconds left for the suite including this step. With ``auto``, an INVALID performance run
    that a setting can fix is retried, and each attempt is yielded.

    Raises
    ------
    Busy
        Another suite runs in this repository.
    UserError
        The budget does not suffice for the next run; completed runs are recorded.
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

            def run(
                request: BenchRequest, on_progress: Callable[[Progress], None] = on_progress
            ) -> ConcludedRun:
                return suite.bench.run(request, on_progress)

            most = MOST_ATTEMPTS if suite.plan.auto and step.cell.mode == PERFORMANCE else 1
            try:
                for _, done in attempts(run, _request(suite, step.cell), most):
                    yield step, done
            except UserError as error:
                yield step, error
            left -= step.seconds


def agree_to_words(suite: Suite) -> None:
    """Ask about all words of others that will run, before anything runs.

    These are tuned settings, and the prefixes and options of runs that tests verify.

    Raises
    ------
    UserError
        Some may not run here: see :class:`Gate`.
    """
    for cell in (step.cell for step in suite.wanted if step.cell.mode != COMPLIANCE):
        suite.bench.agree_to_tuned(replace(suite.request, scenario=cell.scenario, mode=cell.mode))
    rerun = {step.cell.scenario for step in suite.wanted if step.cell.mode == PERFORMANCE}
    tested = {step.cell.scenario for step in suite.wanted if step.cell.mode == COMPLIANCE}
    runs = list(recorded_runs(suite.bench.repository)) if tested - rerun else []
    for scenario in sorted(tested - rerun):
        request = replace(suite.request, scenario=scenario)
        identity = identity_of(suite.bench.settings, request, backend_name(request.backend))
        run = newest_valid(runs, identity, PERFORMANCE)
        record = readable_record(suite.bench.repository, run, {}) if run is not None else None
        if run is not None and record is not None:
            suite.bench.gate.prefix(record, run)
            if not suite.request.backend_options:
                suite.bench.gate.options(record, run)


def parse_duration(text: str) -> float:
    """Return seconds from ``3h``, ``90m``, ``45s`` or a plain number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) <= 0:
        raise UserError(f"{text!r} is not a duration.", hint="Write 3h, 90m, or 45s.")
    factor = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}
    return float(match[1]) * factor[(match[2] or "").lower()]


def without_suite_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the user's tags, without those of a suite."""
    return tuple(tag for tag in tags if tag != SUITE_TAG and not BEGAN.fullmatch(tag))


def last_suite(
    repository: ResultsRepository, unreadable: dict[str, str]
) -> tuple[RecordedRun, Request[SuitePlan]] | None:
    """Return the newest run of a suite, and the request of that suite; or None.

    Runs whose record cannot be read are skipped and noted in ``unreadable``.
    """
    for run in recorded_runs(repository):
        if SUITE_TAG in run.trailer("Tags").split(","):
            record = readable_record(repository, run, unreadable)
            request = None if record is None else request_of(record)
            if request is not None and isinstance(request.plan, SuitePlan):
                plan = request.plan
                return run, Request(plan, request.run, request.where, request.origins)
    return None


def _request(suite: Suite, cell: Cell) -> BenchRequest:
    tags = (*suite.request.tags, SUITE_TAG, f"{SUITE_TAG}-{suite.plan.since}")
    request = replace(suite.request, scenario=cell.scenario, mode=cell.mode, tags=tags)
    if cell.mode == COMPLIANCE:
        plan = plan_tests(suite.round, request, (cell.test,))
        return prepare_test(suite.bench, plan, request, cell.test)
    if cell.mode == PERFORMANCE and suite.plan.quick:
        return replace(request, time=_QUICK_SECONDS)
    return request


def _estimates(
    bench: Bench,
    request: BenchRequest,
    round_: Round,
    workload: Workload,
    journal: RunsByResult,
    planned: Sequence[tuple[Cell, bool]],
    *,
    quick: bool,
) -> list[float]:
    """Estimate the seconds of each run from the last one of its kind, or from a short probe."""
    shortest = _QUICK_SECONDS if quick else round_.min_duration_ms() / 1e3
    speed: Speed | None = None
    found = []
    for cell, needed in planned:
        before = _took(bench, journal, cell) if needed else 0.0
        if before is None:
            speed = speed or measure_speed(bench, request)
            least = 1 if quick else least_offline_samples(round_, workload)
            before = speed.seconds_of(cell.scenario, cell.mode, shortest, least)
        elif needed and cell.mode != ACCURACY:
            before = max(before, shortest)
        found.append(before)
    return found


def _took(bench: Bench, journal: RunsByResult, cell: Cell) -> float | None:
    """Return how long the run of a cell took, or None if it has no successful run."""
    if not cell.run or cell.state not in (DONE, STALE):
        return None
    record = readable_record(bench.repository, journal.find(cell.run), {})
    if record is None:
        return None
    # Prefer the monotonic clock, if the record has it.
    measured = record.load.noise.seconds
    if measured is not None:
        return measured
    begin, end = (datetime.datetime.fromisoformat(t) for t in (record.started, record.ended))
    return max(0.0, (end - begin).total_seconds())
