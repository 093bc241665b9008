"""Plan, execute and resume all runs that a round requires of one benchmark."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlrepo.backends.devices import Device
from mlrepo.bench.audit import official_name
from mlrepo.bench.compliance import has_full_log, identity_of
from mlrepo.bench.estimate import Speed, estimates, measure_speed
from mlrepo.bench.inputs import find_model
from mlrepo.bench.matrix import (
    DONE,
    INFERRED,
    MISSING,
    SETTLED,
    STALE,
    Cell,
    RunsByResult,
    runs_of,
    scenarios_of,
)
from mlrepo.bench.recorded import RequestedConfiguration, configuration_words, differing_settings
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.run import Bench
from mlrepo.compliance import compliance_test
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE, SWEEP_TAG, run_stamp
from mlrepo.record.first_requests import request_of
from mlrepo.record.plans import SuitePlan, SweepPlan
from mlrepo.record.request import Request
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import (
    RecordedRun,
    readable_record,
    recorded_runs,
)
from mlrepo.rounds import Round
from mlrepo.rounds.inference import sources_of
from mlrepo.shell import shell_command
from mlrepo.workloads import Model, Workload

SUITE_TAG = "suite"


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan.

    Attributes
    ----------
    cell:
        Its state in Git.
    seconds:
        Its estimated duration; 0 if it is not wanted.
    completes:
        The run of the same result whose configuration it takes; None for that of the request.
    """

    cell: Cell
    wanted: bool
    seconds: float
    completes: RecordedRun | None = None


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
    remarks:
        What the configurations of the steps are taken from, and how recorded runs differ.
    """

    bench: Bench
    request: BenchRequest
    round: Round
    workload: Workload
    plan: SuitePlan
    steps: tuple[PlannedRun, ...]
    choices: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def model(self) -> Model | None:
        """The model; None if it is not on this machine."""
        request = self.request
        if request.endpoint:
            return Model.at_endpoint(request.endpoint_model)
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


def plan_suite(
    bench: Bench,
    request: BenchRequest,
    plan: SuitePlan,
    speed: Callable[[Bench, BenchRequest], Speed] = measure_speed,
) -> Suite:
    """Return the runs that the round requires, and which of them to run.

    A run takes the configuration of the run whose result it completes, unless all are repeated.
    Options that were typed choose among the configurations. With ``all``, runs that the suite has
    made since it began are not repeated. ``speed`` is asked once if a run of this kind is the
    first.

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
    typed = RequestedConfiguration.of(bench, request)
    planned: list[PlannedRun] = []
    for scenario in wanted:
        identity = identity_of(bench.settings, replace(request, scenario=scenario), backend)
        sources = sources_of(round_, scenario, category) if plan.infer else ()
        follows = any(one in wanted for one in sources)
        leading = None
        if plan.rerun != "all":
            leading = journal.leading(identity, quick=plan.quick, fits=typed.fits)
        steps_of: list[PlannedRun] = []
        for mode, test in runs_of(round_, workload, scenario, tests=with_tests):
            cell = journal.cell(identity, mode, test, quick=plan.quick, fits=typed.fits)
            if follows and cell.state == MISSING:
                cell = replace(cell, state=INFERRED)
            steps_of.append(PlannedRun(cell, _is_needed(cell, plan), 0.0, leading))
        planned += _with_accuracy_log(bench, journal, steps_of)
    wanted_cells = [(step.cell, step.wanted) for step in planned]
    seconds = estimates(
        bench, request, workload, journal, wanted_cells, quick=plan.quick, measure=speed
    )
    steps = tuple(replace(step, seconds=took) for step, took in zip(planned, seconds, strict=True))
    decided = replace(
        plan,
        scenarios=tuple(wanted),
        compliance=with_tests,
        since=plan.since or run_stamp(datetime.datetime.now(datetime.UTC)),
    )
    bench = replace(bench, request=replace(bench.request, plan=decided))
    official = official_name(round_, workload)
    choices = () if plan.scenarios else round_.scenario_choices(category, official)
    remarks = tuple(_remarks(bench, journal, typed, steps))
    return Suite(bench, request, round_, workload, decided, steps, choices, remarks)


def _with_accuracy_log(
    bench: Bench, journal: RunsByResult, steps: Sequence[PlannedRun]
) -> list[PlannedRun]:
    """Return the runs of a result; repeat an accuracy run whose full log a test needs here."""
    tests = [step.cell.test for step in steps if step.wanted and step.cell.mode == COMPLIANCE]
    if not any(compliance_test(test).needs_accuracy_log for test in tests):
        return list(steps)
    found = []
    for step in steps:
        if step.cell.mode == ACCURACY and step.cell.state == DONE:
            record = readable_record(bench.repository, journal.find(step.cell.run), {})
            lost = record is not None and not has_full_log(bench.repository, record)
            step = replace(step, wanted=step.wanted or lost)
        found.append(step)
    return found


def _is_needed(cell: Cell, plan: SuitePlan) -> bool:
    match plan.rerun:
        case "missing":
            return cell.state not in SETTLED
        case "invalid":
            return cell.state not in SETTLED | {MISSING}
    made = plan.since and cell.state == DONE and cell.run >= plan.since
    return cell.state not in SETTLED - {DONE} and not made


def _remarks(
    bench: Bench, journal: RunsByResult, typed: RequestedConfiguration, steps: Sequence[PlannedRun]
) -> Iterator[str]:
    said: set[str] = set()
    for step in steps:
        cell, same = step.cell, step.completes
        if not step.wanted:
            continue
        if same is not None and cell.scenario not in said:
            said.add(cell.scenario)
            record = readable_record(bench.repository, same, {})
            words = shell_command(configuration_words(record)) if record else ""
            if words:
                mode = same.trailer("Mode")
                yield f"{cell.scenario}: as in the {mode} run {same.run}: {words}."
        if cell.mode == ACCURACY and cell.state == DONE and same is not None:
            yield (
                f"{cell.scenario} {cell.name}: a test needs the full log of the run {cell.run}, "
                "which is not on this machine."
            )
        if cell.state == STALE:
            run = journal.find(cell.run)
            differs = ", ".join(typed.unlike(run))
            if not differs and same is not None:
                differs = differing_settings(bench.repository, same, run)
            if differs:
                yield f"{cell.scenario} {cell.name}: the run {cell.run} differs in {differs}."


def last_suite(
    repository: ResultsRepository, unreadable: dict[str, str]
) -> tuple[RecordedRun, Request[SuitePlan] | Request[SweepPlan]] | None:
    """Return the newest run of a suite or a sweep, and the request of that; or None.

    Runs whose record cannot be read are skipped and noted in ``unreadable``.
    """
    for run in recorded_runs(repository):
        if {SUITE_TAG, SWEEP_TAG}.isdisjoint(run.tags):
            continue
        record = readable_record(repository, run, unreadable)
        request = None if record is None else request_of(record)
        if request is None:
            continue
        if isinstance(request.plan, SuitePlan):
            return run, Request(request.plan, request.run, request.where, request.origins)
        if isinstance(request.plan, SweepPlan):
            return run, Request(request.plan, request.run, request.where, request.origins)
    return None
