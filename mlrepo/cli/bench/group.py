"""``mlrepo bench``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.bench.available import list_, prereq
from mlrepo.cli.bench.compliance import command as compliance
from mlrepo.cli.bench.compliance import run_tests
from mlrepo.cli.bench.peak import command as peak
from mlrepo.cli.bench.replay import command as replay
from mlrepo.cli.bench.session import (
    before_runs,
    exit_code,
    key_values,
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
from mlrepo.cli.bench.suite import resume, suite
from mlrepo.cli.bench.tune import command as tune
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.record import RunRecord


@click.group("bench")
def command() -> None:
    """Run LoadGen benchmarks and record each run as a commit.

    \b
    Example:
      mlrepo bench run --model digits --backend onnx --scenario Offline --mode performance
    """


@command.command("run")
@click.option("--model", required=True, help="The benchmark, such as digits.")
@click.option(
    "--backend", "--framework", default="onnx", show_default=True, help="What executes it."
)
@click.option(
    "--scenario", required=True, help="Offline, SingleStream, MultiStream, Server (any case)."
)
@click.option("--mode", required=True, help="accuracy or performance.")
@where_options
@click.option("--tag", "tags", multiple=True, help="A word to find the run by (repeatable).")
@click.option(
    "--count", type=int, help="Accuracy: samples to judge. Performance: queries at least."
)
@click.option("--time", "time_", type=float, help="Seconds that a performance run lasts at least.")
@click.option("--qps", type=float, help="Target queries per second (Offline, Server).")
@click.option(
    "--max-latency", type=float, help="Server: latency bound. Streams: expected latency. Seconds."
)
@click.option("--max-batchsize", type=int, help="Largest batch (default: found in the warm-up).")
@click.option("--threads", type=int, help="Threads of one inference (default: all usable CPUs).")
@click.option("--samples-per-query", type=int, help="Samples of a MultiStream query.")
@click.option(
    "--user-conf", type=click.Path(path_type=Path), help="LoadGen settings instead of the system's."
)
@click.option(
    "--set",
    "extra",
    multiple=True,
    callback=key_values,
    metavar="KEY=VALUE",
    help="Any other LoadGen setting (repeatable).",
)
@model_options
@trust_option
@click.option(
    "--prefix", default="", help='A command before the benchmark, such as "numactl -N0 -m0".'
)
@click.option("--timeout", type=float, help="Stop the run after this many seconds.")
@click.option(
    "--place", is_flag=True, help="Place the run in the layout even if it is not eligible."
)
@click.option(
    "--compliance", is_flag=True, help="Then run the compliance tests that belong to the run."
)
@click.option(
    "--auto", is_flag=True, help="Make the next attempt while an INVALID run can be mended."
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Run N times, for statistics; each run is a commit.",
)
@click.option(
    "--require-quiet",
    is_flag=True,
    help="Do not start on a busy machine, nor place a disturbed run.",
)
@click.option("--framework-version", default="", help="Goes into the name of the results.")
@click.option("--framework-ext", default="", help="Goes into the name of the results.")
@click.option("--skip-system-ext", is_flag=True, help="Results are named after the system alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> int:
    """Execute one LoadGen run and record it as a commit on an experiment branch.

    The run is recorded whether it is VALID, INVALID, failed or interrupted; only an eligible one
    is also placed in the layout of the round. Exit code: 0 VALID, 1 INVALID or failed.

    \b
    Example:
      mlrepo bench run --model digits --backend onnx --scenario Offline \\
          --mode performance --time 10 --tag first
    """
    from dataclasses import replace

    from mlrepo.bench.request import BenchRequest
    from mlrepo.record import PERFORMANCE, VALID

    if given["compliance"] and given["mode"].lower() != PERFORMANCE:
        raise UserError("--compliance belongs to performance runs.", hint="Use --mode performance.")
    bench = open_bench(given, typed_arguments(ctx), trusted=given["trust_prefix"])
    environ = dict(bench.environ)
    request = BenchRequest(
        workload=given["model"],
        backend=given["backend"],
        scenario=given["scenario"],
        mode=given["mode"].lower(),
        count=given["count"],
        time=given["time_"],
        qps=given["qps"],
        max_latency=given["max_latency"],
        max_batch=given["max_batchsize"],
        threads=given["threads"],
        samples_per_query=given["samples_per_query"],
        user_conf=given["user_conf"],
        extra=given["extra"],
        **model_choice(given, environ),
        prefix=_split_prefix(given["prefix"] or environ.get("CK_MLPERF_CMD_PREFIX", "")),
        timeout=given["timeout"],
        tags=given["tags"],
        place=given["place"],
        framework_version=given["framework_version"],
        framework_ext=given["framework_ext"],
        skip_system_ext=given["skip_system_ext"],
        require_quiet=given["require_quiet"],
    )
    before_runs(bench)
    code, done = _run_all(bench, request, given)
    last = done[-1]
    tests: list[dict[str, Any]] = []
    if given["compliance"] and last.record.validity == VALID:
        request = replace(request, scenario=last.record.scenario)
        failed, tested = run_tests(bench, request, (), quiet=given["as_json"])
        tests = [run_values(test) for test in tested]
        code = max(code, failed)
    if given["as_json"]:
        more = {"tests": tests} if tests else {}
        if len(done) == 1:
            print_json("mlrepo.show/1", {**run_values(last), **more})
        else:
            print_json("mlrepo.runs/1", {"runs": [run_values(one) for one in done], **more})
    return code


def _run_all(
    bench: Bench, request: BenchRequest, given: Mapping[str, Any]
) -> tuple[int, list[ConcludedRun]]:
    """Run the request as often as asked, each time until it is VALID with ``--auto``.

    Returns
    -------
    The worst exit code of a repeat (its last attempt counts), and all runs.
    """
    from mlrepo.bench.advice import MOST_ATTEMPTS, advise, attempts

    label = f"{request.workload} {request.scenario} {request.mode}"
    worst = 0
    done: list[ConcludedRun] = []
    for number in range(1, given["repeat"] + 1):
        part = f" {number}/{given['repeat']}" if given["repeat"] > 1 else ""

        def run(one: BenchRequest, part: str = part) -> ConcludedRun:
            return run_one(bench, one, label + part)

        for tried, concluded in attempts(run, request, MOST_ATTEMPTS if given["auto"] else 1):
            request = tried  # the next repeat begins with what this one found
            done.append(concluded)
            if not given["as_json"]:
                print_run(concluded)
                if given["auto"] and (options := advise(concluded.record).options):
                    click.echo(f"  next    {options}")
        worst = max(worst, exit_code(done[-1].record.validity))
        if worst == 130:
            break
    if given["repeat"] > 1 and not given["as_json"]:
        _print_spread([one.record for one in done])
    return worst, done


def _print_spread(records: Sequence[RunRecord]) -> None:
    """Print mean and range of the VALID results."""
    from statistics import fmean

    from mlrepo.record import VALID, Metric

    results = [one.result for one in records if one.validity == VALID]
    values = [result.value for result in results if result.value is not None]
    if values:
        mean, low, high = (
            Metric(value, results[0].unit) for value in (fmean(values), min(values), max(values))
        )
        click.echo(f"{len(values)} VALID runs: {mean} on average, {low} to {high}")


def _split_prefix(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"The command prefix {text!r} cannot be read: {error}.") from error


for _part in (list_, prereq, compliance, suite, resume, peak, replay, tune):
    command.add_command(_part)
