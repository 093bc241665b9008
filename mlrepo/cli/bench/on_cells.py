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
from mlrepo.rounds.inference import sources_of
from mlrepo.workloads import Workload

if TYPE_CHECKING:
    from mlrepo.record.plans import CompliancePlan, PeakPlan, RunPlan, SuitePlan, TunePlan


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
