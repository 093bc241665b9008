"""Execute the runs of a suite, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlrepo.bench.advice import MOST_ATTEMPTS, attempts
from mlrepo.bench.compliance import plan_tests, prepare_test
from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.estimate import QUICK_SECONDS
from mlrepo.bench.execute import Progress
from mlrepo.bench.matrix import IMPOSSIBLE, INFERRED
from mlrepo.bench.recorded import completing, with_load_of
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.suite import SUITE_TAG, PlannedRun, Suite
from mlrepo.errors import Busy, UserError
from mlrepo.layout.eligibility import difference
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, VALID, RunRecord
from mlrepo.repository.history import load_record, readable_record
from mlrepo.repository.locks import hold_if_free


@dataclass(frozen=True)
class Turn:
    """The turn of one step: its number, how many there are, and seconds left including it."""

    number: int
    of: int
    left: float
    step: PlannedRun


@dataclass(frozen=True)
class Renewal:
    """A run that has another configuration than the one that it was to complete.

    Something else than the request differs, such as the framework's version. The other runs of the
    result are repeated, or nothing would ever fit again.
    """

    step: PlannedRun
    differs: str


Outcome = ConcludedRun | UserError | Renewal


def agree_to_words(suite: Suite) -> None:
    """Ask about all words of others that will run, before anything runs.

    These are tuned settings, and the prefixes and options of runs that others complete.

    Raises
    ------
    UserError
        Some may not run here: see :class:`Gate`.
    """
    bench = suite.bench
    for step in suite.wanted:
        if step.completes is not None:
            record = readable_record(bench.repository, step.completes, {})
            if record is not None:
                bench.gate.prefix(record, step.completes)
                bench.gate.options(record, step.completes)
                bench.gate.endpoint(record, step.completes)
        elif step.cell.mode != COMPLIANCE:
            cell = step.cell
            bench.agree_to_tuned(replace(suite.request, scenario=cell.scenario, mode=cell.mode))


def run_suite(
    suite: Suite,
    *,
    budget: float | None,
    on_turn: Callable[[Turn], Callable[[Progress], None]],
) -> Iterator[tuple[PlannedRun, Outcome]]:
    """Run the wanted steps in order and yield how each ended.

    A step that cannot be started (a test whose performance run did not become VALID) is yielded
    with its error, and the suite continues. With ``auto``, an INVALID performance run that a
    setting can fix is retried, and each attempt is yielded. A step whose run does not fit what it
    completes is yielded a second time, with a :class:`Renewal`.

    Raises
    ------
    Busy
        Another suite or sweep runs in this repository.
    UserError
        The budget does not suffice for the next run; completed runs are recorded.
    """
    suite.bench.repository.store.mkdir(parents=True, exist_ok=True)
    lock = hold_if_free(suite.bench.repository.store / "suite.lock")
    if lock is None:
        raise Busy(
            "Another suite or sweep is running in this repository.",
            hint="Wait for it, or stop it first.",
        )
    begin = time.monotonic()
    with lock:
        waiting, number = list(suite.wanted), 0
        renewed: set[str] = set()
        while waiting:
            step, number = waiting[0], number + 1
            left = sum(one.seconds for one in waiting)
            _refuse_beyond(budget, time.monotonic() - begin, step)
            on_progress = on_turn(Turn(number, number + len(waiting) - 1, left, step))
            waiting = waiting[1:]
            for done in _attempts(suite, step, on_progress):
                yield step, done
            if isinstance(done, ConcludedRun) and step.cell.scenario not in renewed:
                differs = _differs(suite, step, done.record)
                if differs:
                    renewed.add(step.cell.scenario)
                    waiting = _renewing(suite, step, waiting)
                    yield step, Renewal(step, differs)


def _attempts(
    suite: Suite, step: PlannedRun, on_progress: Callable[[Progress], None]
) -> Iterator[ConcludedRun | UserError]:
    """Run a step, and yield each attempt."""

    def run(request: BenchRequest) -> ConcludedRun:
        return suite.bench.run(request, on_progress)

    most = MOST_ATTEMPTS if suite.plan.auto and step.cell.mode == PERFORMANCE else 1
    try:
        for _, done in attempts(run, _request(suite, step), most):
            yield done
    except UserError as error:
        yield error


def _refuse_beyond(budget: float | None, spent: float, step: PlannedRun) -> None:
    if budget is not None and spent + step.seconds > budget:
        raise UserError(
            f"The budget of {budget:.0f} s does not suffice for {step.cell.scenario} "
            f"{step.cell.name}, which takes about {step.seconds:.0f} s; {spent:.0f} s are spent.",
            hint="`mlrepo bench resume` continues from here; give it a larger --budget.",
        )


def _differs(suite: Suite, step: PlannedRun, made: RunRecord) -> str:
    """Return how a run differs from the one it completes; empty if it fits, or is not VALID."""
    if step.completes is None or made.validity != VALID:
        return ""
    mine, theirs = made.configuration, step.completes.trailer("Configuration")
    if mine == theirs or not mine or not theirs:
        return ""
    record = readable_record(suite.bench.repository, step.completes, {})
    return "its record cannot be read" if record is None else difference(record, made)


def _renewing(suite: Suite, made: PlannedRun, waiting: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return what waits, with all other runs of a result in front."""
    scenario = made.cell.scenario
    shortest = QUICK_SECONDS if suite.plan.quick else suite.round.min_duration_ms() / 1e3
    again = [
        replace(
            step,
            wanted=True,
            seconds=step.seconds or shortest * (step.cell.mode != ACCURACY),
            completes=made.completes,
        )
        for step in suite.steps
        if step.cell.scenario == scenario
        and step.cell.state not in (INFERRED, IMPOSSIBLE)
        # A test belongs to the performance run that is repeated, and must be repeated after it.
        and (step.cell.mode != made.cell.mode or made.cell.mode == COMPLIANCE)
    ]
    return again + [step for step in waiting if step.cell.scenario != scenario]


def _longer_than_asked(suite: Suite, request: BenchRequest) -> float | None:
    """Return the round's duration, if the system's own user.conf asks for a shorter run.

    Such a run would be short every time. A file that was typed is what the user wants.
    """
    if request.user_conf is not None:
        return None
    conf = suite.bench.configured(request).conf
    names = request.loadgen_names(suite.workload.loadgen_model)
    asked, least = conf.effective(*names, "min_duration"), suite.round.min_duration_ms()
    return least / 1e3 if asked is not None and int(asked) < least else None


def _request(suite: Suite, step: PlannedRun) -> BenchRequest:
    cell, quick = step.cell, suite.plan.quick
    tags = (*suite.request.tags, SUITE_TAG, f"{SUITE_TAG}-{suite.plan.since}")
    request = replace(suite.request, scenario=cell.scenario, mode=cell.mode, tags=tags)
    if cell.mode == COMPLIANCE:
        plan = plan_tests(suite.round, request, (cell.test,))
        return prepare_test(suite.bench, plan, request, cell.test, quick=quick)
    if cell.mode == PERFORMANCE:
        seconds = QUICK_SECONDS if quick else _longer_than_asked(suite, request)
        request = replace(request, time=seconds)
    if step.completes is None:
        return request
    record = load_record(suite.bench.repository, step.completes)
    request = completing(suite.bench, step.completes, record, request)
    return with_load_of(record, request) if record.mode == cell.mode == PERFORMANCE else request
