"""The jobs that a command of ``mlrepo bench`` becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlrepo.cli.bench.on import Target, job_words
from mlrepo.errors import UserError
from mlrepo.jobs.estimate import expected_seconds
from mlrepo.jobs.spec import Kind
from mlrepo.jobs.submit import NewJob
from mlrepo.record import ACCURACY, PERFORMANCE

if TYPE_CHECKING:
    from mlrepo.record.plans import RunPlan, SuitePlan


def run_jobs(target: Target, plan: RunPlan, *, trusted: bool) -> list[NewJob]:
    """Return a job for each repeat of a run.

    Raises
    ------
    UserError
        The request is refused whatever the machine.
    """
    from mlrepo.bench.request import BenchRequest

    asked = BenchRequest.of(target.request.run).checked()
    once = replace(target.request, plan=replace(plan, repeat=1))
    seconds = expected_seconds(target.repository, target.round, asked)
    words = job_words(target, once, *_trust(trusted))
    kinds = (Kind(asked.scenario, asked.mode),)
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
    from mlrepo.bench.matrix import runs_of, scenarios_of
    from mlrepo.bench.request import BenchRequest
    from mlrepo.plugins import WORKLOADS, load_plugin
    from mlrepo.rounds.inference import sources_of
    from mlrepo.workloads import Workload

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
            Kind(scenario, mode, test)
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


def _trust(trusted: bool) -> tuple[str, ...]:
    return ("--trust-prefix",) if trusted else ()
