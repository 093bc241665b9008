"""``mlrepo bench compliance``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.bench.session import (
    before_runs,
    exit_code,
    model_choice,
    model_options,
    open_bench,
    print_run,
    run_one,
    run_values,
    trust_option,
    typed_arguments,
    where_options,
)
from mlrepo.cli.render import print_json

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench


@click.command("compliance")
@click.option("--model", required=True, help="The benchmark, such as digits.")
@click.option(
    "--backend", "--framework", default="onnx", show_default=True, help="What executes it."
)
@click.option("--scenario", required=True, help="The scenario (any case).")
@click.option("--test", "tests", multiple=True, help="Only this test, such as TEST01 (repeatable).")
@where_options
@click.option("--tag", "tags", multiple=True, help="A word to find the runs by (repeatable).")
@model_options
@trust_option
@click.option("--timeout", type=float, help="Stop a test after this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Run the compliance tests that the round asks of a benchmark, and verify them.

    Each test is a run of its own with the settings of the newest VALID performance run, against
    which it is verified (TEST01 against the accuracy run too). A test of another benchmark is
    refused. A command prefix or backend options that somebody else recorded are shown, and run only
    with your consent. Exit code: 0 all passed, 1 one failed.

    \b
    Example:
      mlrepo bench compliance --model digits --scenario Offline --test TEST01
    """
    from mlrepo.bench.request import BenchRequest
    from mlrepo.record import COMPLIANCE
    from mlrepo.scenarios import scenario

    bench = open_bench(given, typed_arguments(ctx), trusted=given["trust_prefix"])
    request = BenchRequest(
        workload=given["model"],
        backend=given["backend"],
        scenario=scenario(given["scenario"]).name,
        mode=COMPLIANCE,
        **model_choice(given, bench.environ),
        timeout=given["timeout"],
        tags=given["tags"],
    )
    before_runs(bench)
    code, done = run_tests(bench, request, given["tests"], quiet=given["as_json"])
    if given["as_json"]:
        print_json("mlrepo.compliance/1", {"tests": [run_values(one) for one in done]})
    return code


def run_tests(
    bench: Bench, request: BenchRequest, tests: Sequence[str], *, quiet: bool
) -> tuple[int, list[ConcludedRun]]:
    """Run ``tests`` (none given: all that the round asks for); stop at an interruption.

    Returns
    -------
    The exit code, and the runs as recorded.
    """
    from mlrepo.bench.compliance import plan_tests, prepare_test

    plan = plan_tests(bench.round, request, tests)
    if not plan.tests:
        click.echo(f"{plan.round.name} asks for no test of {request.workload}.", err=True)
    worst = 0
    done: list[ConcludedRun] = []
    for test in plan.tests:
        prepared = prepare_test(bench, plan, request, test)
        concluded = run_one(bench, prepared, f"{request.workload} {request.scenario} {test}")
        done.append(concluded)
        if not quiet:
            print_run(concluded)
        worst = max(worst, exit_code(concluded.record.validity))
        if worst == 130:
            break
    return worst, done
