"""``mlrepo bench``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.available import list_, prereq
from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.compliance import command as compliance
from mlrepo.cli.bench.compliance import run_tests, tell_impossible
from mlrepo.cli.bench.dry_run import print_dry_run
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.peak import command as peak
from mlrepo.cli.bench.replay import command as replay
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
from mlrepo.cli.bench.suite import resume, suite
from mlrepo.cli.bench.sweep import command as sweep
from mlrepo.cli.bench.tune import command as tune
from mlrepo.cli.command import Group
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.record.plans import RunPlan

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.record import RunRecord
    from mlrepo.record.request import Request


@click.group("bench", cls=Group)
def command() -> None:
    """Run LoadGen benchmarks and record each run as a commit.

    \b
    Example:
      mlrepo bench run --benchmark digits --backend onnx --scenario Offline --mode performance
    """


@command.command("run", cls=BenchCommand)
@request_options(RunPlan)
@on_options
@trust_option
@click.option("--dry-run", is_flag=True, help="Say what would be run and recorded; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    request: Request[RunPlan],
    on: On | None,
    trust_prefix: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Execute one LoadGen run and record it as a commit on an experiment branch.

    The run is recorded whether it is VALID, INVALID, failed or interrupted; only an eligible one
    is also placed in the layout of the round. Exit code: 0 VALID, 1 INVALID or failed.

    \b
    Example:
      mlrepo bench run --benchmark digits --backend onnx --scenario Offline \\
          --mode performance --time 10 --tag first
    """
    from dataclasses import replace

    from mlrepo.bench.request import BenchRequest
    from mlrepo.record import PERFORMANCE, VALID

    plan = request.plan
    if plan.compliance and request.run.mode != PERFORMANCE:
        raise UserError("--compliance belongs to performance runs.", hint="Use --mode performance.")
    if on is not None:
        from mlrepo.cli.bench.on_cells import run_jobs

        target = target_of(request)
        jobs = run_jobs(target, plan, trusted=trust_prefix)
        return submit_jobs(ctx, target, on, jobs, as_json=as_json, dry_run=dry_run)
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    asked = BenchRequest.of(request.run)
    if dry_run:
        print_dry_run(bench, asked, as_json=as_json)
        if plan.compliance:
            tell_impossible(bench, asked.checked())
        return 0
    before_runs(bench, asked)
    if plan.compliance:
        tell_impossible(bench, asked.checked())
    code, done = _run_all(bench, asked, plan, as_json=as_json)
    last = done[-1]
    tests: list[dict[str, object]] = []
    if plan.compliance and last.record.validity == VALID:
        asked = replace(asked, scenario=last.record.scenario)
        made = {PERFORMANCE: last.record.run}
        failed, tested = run_tests(bench, asked, (), quiet=as_json, against=made)
        tests = [run_values(test) for test in tested]
        code = max(code, failed)
    if as_json:
        more = {"tests": tests} if tests else {}
        if len(done) == 1:
            print_json("mlrepo.show/1", {**run_values(last), **more})
        else:
            print_json("mlrepo.runs/1", {"runs": [run_values(one) for one in done], **more})
    return code


def _run_all(
    bench: Bench, request: BenchRequest, plan: RunPlan, *, as_json: bool
) -> tuple[int, list[ConcludedRun]]:
    """Run the request ``--repeat`` times; with ``--auto``, retry each one until it is VALID.

    Returns
    -------
    The worst exit code of all repeats (each counts by its last attempt), and all runs.
    """
    from mlrepo.bench.advice import MOST_ATTEMPTS, advise, attempts

    label = f"{request.benchmark} {request.scenario} {request.mode}"
    worst = 0
    done: list[ConcludedRun] = []
    for number in range(1, plan.repeat + 1):
        part = f" {number}/{plan.repeat}" if plan.repeat > 1 else ""

        def run(one: BenchRequest, part: str = part) -> ConcludedRun:
            return run_one(bench, one, label + part)

        for tried, concluded in attempts(run, request, MOST_ATTEMPTS if plan.auto else 1):
            request = tried  # the next repeat starts with the settings that this one found
            done.append(concluded)
            if not as_json:
                print_run(concluded)
                if plan.auto and (options := advise(concluded.record).options):
                    click.echo(f"  next    {options}")
        worst = max(worst, exit_code(done[-1].record.validity))
        if worst == 130:
            break
    if plan.repeat > 1 and not as_json:
        _print_spread([one.record for one in done])
    return worst, done


def _print_spread(records: Sequence[RunRecord]) -> None:
    """Print the mean and range of the VALID results."""
    from statistics import fmean

    from mlrepo.record import VALID, Metric

    results = [one.result for one in records if one.validity == VALID]
    values = [result.value for result in results if result.value is not None]
    if values:
        mean, low, high = (
            Metric(value, results[0].unit) for value in (fmean(values), min(values), max(values))
        )
        click.echo(f"{len(values)} VALID runs: {mean} on average, {low} to {high}")


for _part in (list_, prereq, compliance, suite, sweep, resume, peak, replay, tune):
    command.add_command(_part)
