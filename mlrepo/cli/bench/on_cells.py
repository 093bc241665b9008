"""The jobs that a command of ``mlrepo bench`` becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlrepo.bench.compliance import plan_tests
from mlrepo.bench.matrix import runs_of, scenarios_of
from mlrepo.bench.request import BenchRequest
from mlrepo.cli.bench.on import Target, job_words
from mlrepo.durations import parse_duration
from mlrepo.errors import UserError
from mlrepo.jobs.estimate import expected_seconds
from mlrepo.jobs.spec import JobRun
from mlrepo.jobs.submit import NewJob
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE
from mlrepo.record.plans import SweepPlan
from mlrepo.record.request import Request
from mlrepo.rounds.inference import sources_of
from mlrepo.workloads import Workload

if TYPE_CHECKING:
    import click

    from mlrepo.record.plans import CompliancePlan, PeakPlan, RunPlan, SuitePlan, TunePlan


# To load and warm up a model on a machine of which nothing is known.
_START_SECONDS = 60.0


def run_jobs(target: Target, plan: RunPlan, *, trusted: bool) -> list[NewJob]:
    """Return a job for each repeat of a run.

    Raises
    ------
    UserError
        The request is refused whatever the machine.
    """
    asked = BenchRequest.of(target.request.run).checked()
    once = replace(target.request, plan=replace(plan, repeat=1))
    seconds = expected_seconds(target.repository, target.round, asked)
    words = job_words(target, once, *_trust(trusted))
    kinds = (JobRun(asked.scenario, asked.mode),)
    return [NewJob(words, kinds, seconds) for _ in range(plan.repeat)]


def suite_jobs(
    target: Target, plan: SuitePlan, budget: str | None, *, trusted: bool
) -> list[NewJob]:
    """Return a job for each scenario of a suite: the runs of one result belong to one machine.

    Raises
    ------
    UserError
        The round requires no scenario of the benchmark.
    """
    asked = BenchRequest.of(target.request.run)
    workload: Workload = load_plugin(WORKLOADS, asked.benchmark)
    where, round_ = target.request.where, target.round
    wanted = plan.scenarios or scenarios_of(round_, where.category, workload)
    if not wanted:
        raise UserError(
            f"{round_.name} requires no scenario of {workload.name} in the category "
            f"{where.category}.",
            hint="Name the scenarios with --scenario, or another --category.",
        )
    tests = where.division != "open" if plan.compliance is None else plan.compliance
    jobs = []
    for scenario in wanted:
        if plan.infer and set(sources_of(round_, scenario, where.category)) & set(wanted):
            continue
        kinds = tuple(
            JobRun(scenario, mode, test)
            for mode, test in runs_of(round_, workload, scenario, tests=tests)
        )
        part = replace(plan, scenarios=(scenario,), compliance=tests, infer=False)
        seconds = sum(
            expected_seconds(
                target.repository,
                round_,
                asked,
                scenario=scenario,
                mode=ACCURACY if kind.mode == ACCURACY else PERFORMANCE,
                quick=plan.quick,
            )
            for kind in kinds
        )
        more = ("--budget", budget) if budget else ()
        words = job_words(target, replace(target.request, plan=part), *more, *_trust(trusted))
        jobs.append(NewJob(words, kinds, seconds))
    return jobs


def sweep_jobs(
    ctx: click.Context,
    target: Target,
    budget: str | None,
    *,
    most: int,
    retry: bool,
    trusted: bool,
) -> list[NewJob]:
    """Return a job for each run that a sweep still needs.

    With ``--adaptive``, where a point depends on those before it, the sweep is one job.

    Raises
    ------
    UserError
        The plan is malformed or too large.
    """
    from mlrepo.bench.sweep.cells import cell_request
    from mlrepo.bench.sweep.plan import plan_sweep
    from mlrepo.cli.bench.session import open_bench, typed_arguments

    plan = target.request.plan
    assert isinstance(plan, SweepPlan)
    bench = open_bench(target.request, typed_arguments(ctx))
    typed = Request(plan, bench.request.run, bench.request.where, bench.request.origins)
    sweep = plan_sweep(bench, typed, most=most, retry=retry, elsewhere=True)
    experiment = target.request.where.experiment
    if plan.adaptive:
        more = ("--yes", "--max-cells", str(most), *(("--budget", budget) if budget else ()))
        whole = replace(target.request, plan=sweep.plan)
        seconds = parse_duration(budget) if budget and "run" not in budget else sweep.seconds * 2
        return [NewJob(job_words(target, whole, *more, *_trust(trusted)), (), seconds)]
    jobs = []
    for one in sweep.cells:
        made = cell_request(bench, one.cell)
        made = replace(made, where=replace(made.where, experiment=experiment))
        request = one.cell.request.checked()
        words = job_words(target, made, *_trust(trusted))
        kinds = (JobRun(request.scenario, request.mode),)
        jobs += [NewJob(words, kinds, one.seconds + _START_SECONDS) for _ in range(one.wanted)]
    return jobs


def peak_jobs(target: Target, plan: PeakPlan, *, fresh: bool, trusted: bool) -> list[NewJob]:
    """Return the job of a search; it takes its budget and the confirming run.

    Raises
    ------
    UserError
        The request is refused whatever the machine.
    """
    asked = replace(target.request.run, mode=PERFORMANCE)
    scenario = BenchRequest.of(asked).checked().scenario
    full = plan.full or target.round.min_duration_ms() / 1e3
    more = ("--fresh",) if fresh else ()
    words = job_words(target, target.request, *more, *_trust(trusted))
    return [NewJob(words, (JobRun(scenario, PERFORMANCE),), parse_duration(plan.budget) + full)]


def compliance_jobs(target: Target, plan: CompliancePlan, *, trusted: bool) -> list[NewJob]:
    """Return the job of the tests of one result: they need the logs on the machine of its runs.

    Raises
    ------
    UserError
        There is no such test, or the request is refused whatever the machine.
    """
    asked = BenchRequest.of(replace(target.request.run, mode=PERFORMANCE)).checked()
    tests = plan_tests(target.round, asked, plan.tests).tests
    kinds = tuple(JobRun(asked.scenario, COMPLIANCE, test) for test in tests)
    one = expected_seconds(target.repository, target.round, asked)
    words = job_words(target, target.request, *_trust(trusted))
    return [NewJob(words, kinds, one * max(1, len(kinds)))]


def tune_jobs(target: Target, plan: TunePlan) -> list[NewJob]:
    """Return the job that tunes a node; what it finds stays on the node, in its clone."""
    words = job_words(target, target.request)
    return [NewJob(words, (), parse_duration(plan.budget))]


def _trust(trusted: bool) -> tuple[str, ...]:
    return ("--trust-prefix",) if trusted else ()
