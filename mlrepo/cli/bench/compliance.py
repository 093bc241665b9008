"""``mlrepo bench compliance``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
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
from mlrepo.record.plans import CompliancePlan

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.record.request import Request


@click.command("compliance", cls=BenchCommand)
@request_options(CompliancePlan)
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.pass_context
def command(
    ctx: click.Context, /, request: Request[CompliancePlan], trust_prefix: bool, as_json: bool
) -> int:
    """Run the compliance tests that the round asks of a benchmark, and verify them.

    Each test is a run of its own with the settings of the newest VALID performance run, against
    which it is verified (TEST01 against the accuracy run too). A test of another benchmark is
    refused. A command prefix or backend options that somebody else recorded are shown, and run only
    with your consent. Exit code: 0 all passed, 1 one failed.

    \b
    Example:
      mlrepo bench compliance --benchmark digits --scenario Offline --test TEST01
    """
    from mlrepo.bench.request import BenchRequest
    from mlrepo.record import COMPLIANCE

    plan = request.plan
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    before_runs(bench)
    asked = BenchRequest.of(replace(request.run, mode=COMPLIANCE))
    code, done = run_tests(bench, asked, plan.tests, quiet=as_json)
    if as_json:
        print_json("mlrepo.compliance/1", {"tests": [run_values(one) for one in done]})
    return code


def run_tests(
    bench: Bench, request: BenchRequest, tests: Sequence[str], *, quiet: bool
) -> tuple[int, list[ConcludedRun]]:
    """Run ``tests``, or all that the round requires if empty; stop when interrupted.

    Returns
    -------
    The exit code and the recorded runs.
    """
    from mlrepo.bench.compliance import plan_tests, prepare_test

    plan = plan_tests(bench.round, request, tests)
    if not plan.tests:
        click.echo(f"{plan.round.name} asks for no test of {request.benchmark}.", err=True)
    worst = 0
    done: list[ConcludedRun] = []
    for test in plan.tests:
        prepared = prepare_test(bench, plan, request, test)
        concluded = run_one(bench, prepared, f"{request.benchmark} {request.scenario} {test}")
        done.append(concluded)
        if not quiet:
            print_run(concluded)
        worst = max(worst, exit_code(concluded.record.validity))
        if worst == 130:
            break
    return worst, done
