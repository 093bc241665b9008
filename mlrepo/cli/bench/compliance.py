"""``mlrepo bench compliance``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.session import (
    before_runs,
    exit_code,
    open_bench,
    print_run,
    run_one,
    run_values,
    trust_option,
    typed_arguments,
)
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.record.plans import CompliancePlan

if TYPE_CHECKING:
    from mlrepo.bench.compliance import AuditPlan
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.record.request import Request


@click.command("compliance", cls=BenchCommand)
@request_options(CompliancePlan)
@on_options
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    request: Request[CompliancePlan],
    on: On | None,
    trust_prefix: bool,
    as_json: bool,
) -> int:
    """Run the compliance tests that the round requires of a benchmark, and verify them.

    Each test is a run of its own, verified against the performance run of the result (TEST01 also
    against the accuracy run). All its settings come from that performance run: model, threads,
    batch size, precision, command prefix, platform profile and LoadGen's settings. That is why it
    has no options for the load; the options below choose among performance runs of several
    configurations. A test that cannot run is named, and the others run. A command prefix or
    backend options that somebody else recorded are shown, and run only with your consent. Exit
    code: 0 all passed, 1 one failed or could not run.

    \b
    Example:
      mlrepo bench compliance --benchmark digits --scenario Offline --test TEST01
    """
    from mlrepo.bench.request import BenchRequest
    from mlrepo.record import COMPLIANCE

    plan = request.plan
    if on is not None:
        from mlrepo.cli.bench.on_cells import compliance_jobs

        target = target_of(request)
        jobs = compliance_jobs(target, plan, trusted=trust_prefix)
        return submit_jobs(ctx, target, on, jobs, as_json=as_json, once=True)
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    asked = BenchRequest.of(replace(request.run, mode=COMPLIANCE))
    before_runs(bench, asked)
    code, done = run_tests(bench, asked, plan.tests, quiet=as_json)
    if as_json:
        print_json("mlrepo.compliance/1", {"tests": [run_values(one) for one in done]})
    return code


def tell_impossible(bench: Bench, request: BenchRequest) -> None:
    """Say before a performance run which of its tests could not run after it."""
    from mlrepo.bench.compliance import plan_tests, what_tests_lack

    plan = plan_tests(bench.round, request, ())
    _print_impossible(plan)
    for test, why in what_tests_lack(bench, plan, request).items():
        click.echo(f"{test} cannot run after this performance run: {why}.", err=True)


def run_tests(
    bench: Bench,
    request: BenchRequest,
    tests: Sequence[str],
    *,
    quiet: bool,
    against: Mapping[str, str] | None = None,
) -> tuple[int, list[ConcludedRun]]:
    """Run ``tests``, or all that the round requires if empty; stop when interrupted.

    A test that cannot run is named, and the others run. ``against`` names recorded runs, by mode.

    Returns
    -------
    The exit code and the recorded runs.

    Raises
    ------
    UserError
        None of the tests can run.
    """
    from mlrepo.bench.compliance import plan_tests, prepare_test

    plan = plan_tests(bench.round, request, tests)
    if not tests:
        _print_impossible(plan)
    if not plan.tests and not plan.impossible:
        click.echo(f"{plan.round.name} requires no test of {request.benchmark}.", err=True)
    worst = 0
    done: list[ConcludedRun] = []
    refused: list[UserError] = []
    for test in plan.tests:
        try:
            prepared = prepare_test(bench, plan, request, test, against)
        except UserError as error:
            refused.append(error)
            continue
        concluded = run_one(bench, prepared, f"{request.benchmark} {request.scenario} {test}")
        done.append(concluded)
        if not quiet:
            print_run(concluded)
        worst = max(worst, exit_code(concluded.record.validity))
        if worst == 130:
            return worst, done
    if refused and not done:
        raise refused[0]
    for one in refused:
        click.echo(f"{one.message}\n  {one.hint}", err=True)
    return max(worst, int(bool(refused))), done


def _print_impossible(plan: AuditPlan) -> None:
    for test, why in plan.impossible.items():
        click.echo(f"{test} cannot be run: {why}.", err=True)
