"""``mlrepo bench``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from mlrepo.cli.bench_available import list_, prereq
from mlrepo.cli.bench_compliance import command as compliance
from mlrepo.cli.bench_compliance import run_tests
from mlrepo.cli.bench_peak import command as peak
from mlrepo.cli.bench_session import (
    exit_code,
    key_values,
    model_choice,
    model_options,
    open_bench,
    print_run,
    recover_first,
    run_one,
    run_values,
    typed_arguments,
    where_options,
)
from mlrepo.cli.bench_suite import resume, suite
from mlrepo.cli.bench_tune import command as tune
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError


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
@click.option("--set", "extra", multiple=True, callback=key_values, metavar="KEY=VALUE",
              help="Any other LoadGen setting (repeatable).")  # fmt: skip
@model_options
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
@click.option("--require-quiet", is_flag=True,
              help="Do not start on a busy machine, nor place a disturbed run.")  # fmt: skip
@click.option("--framework-version", default="", help="Goes into the name of the results.")
@click.option("--framework-ext", default="", help="Goes into the name of the results.")
@click.option("--skip-system-ext", is_flag=True,
              help="Results are named after the system alone.")  # fmt: skip
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
    from mlrepo.record import PERFORMANCE

    if given["compliance"] and given["mode"].lower() != PERFORMANCE:
        raise UserError("--compliance belongs to performance runs.", hint="Use --mode performance.")
    bench = open_bench(given, typed_arguments(ctx))
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
    recover_first(bench)
    concluded = run_one(bench, request, f"{request.workload} {request.scenario} {request.mode}")
    if not given["as_json"]:
        print_run(concluded)
    code = exit_code(concluded.record.validity)
    values = run_values(concluded)
    if given["compliance"] and code == 0:
        request = replace(request, scenario=concluded.record.scenario)
        code, tests = run_tests(bench, request, (), quiet=given["as_json"])
        values["tests"] = [run_values(test) for test in tests]
    if given["as_json"]:
        print_json("mlrepo.show/1", values)
    return code


def _split_prefix(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"The command prefix {text!r} cannot be read: {error}.") from error


for _part in (list_, prereq, compliance, suite, resume, peak, tune):
    command.add_command(_part)
