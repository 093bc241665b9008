"""``mlrepo bench``."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import click

from mlrepo.cli.context import current_repository, redactor, resolver, user_directory
from mlrepo.cli.render import ProgressLine, print_headline, print_json, print_table
from mlrepo.errors import UserError


@click.group("bench")
def command() -> None:
    """Run LoadGen benchmarks and record each run as a commit.

    \b
    Example:
      mlrepo bench run --model digits --backend onnx --scenario Offline --mode performance
    """


def _settings(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not key=value.")
        found[key.strip()] = value.strip()
    return found


@command.command("run")
@click.option("--model", required=True, help="The benchmark, such as digits.")
@click.option(
    "--backend", "--framework", default="onnx", show_default=True, help="What executes it."
)
@click.option(
    "--scenario", required=True, help="Offline, SingleStream, MultiStream, Server (any case)."
)
@click.option("--mode", required=True, help="accuracy or performance.")
@click.option(
    "--experiment", help="The branch exp/NAME that gets the commit (default: the system)."
)
@click.option("--tag", "tags", multiple=True, help="A word to find the run by (repeatable).")
@click.option("--system", help="The system that is measured (default: the repository's).")
@click.option("--round", "round_", help="The round (default: the repository's).")
@click.option("--division", help="The division (default: the repository's).")
@click.option("--submitter", help="The submitter (default: the repository's).")
@click.option("--category", help="The category (default: the repository's).")
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
@click.option("--set", "extra", multiple=True, callback=_settings, metavar="KEY=VALUE",
              help="Any other LoadGen setting (repeatable).")  # fmt: skip
@click.option(
    "--model-file", type=click.Path(path_type=Path), help="Another model file with the same input."
)
@click.option(
    "--model-variant", default="", help="Which model of the benchmark (mlrepo model list)."
)
@click.option(
    "--precision", default="fp32", show_default=True, help="What the backend computes in."
)
@click.option(
    "--backend-opt",
    "backend_options",
    multiple=True,
    callback=_settings,
    metavar="KEY=VALUE",
    help="An option of the backend's own (repeatable; mlrepo bench list names them).",
)
@click.option(
    "--prefix", default="", help='A command before the benchmark, such as "numactl -N0 -m0".'
)
@click.option("--timeout", type=float, help="Stop the run after this many seconds.")
@click.option(
    "--place", is_flag=True, help="Place the run in the layout even if it is not eligible."
)
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
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.repository.experiments import Experiment

    repository = current_repository()
    found = resolver(repository)
    settings = {
        key: found.require(key, given["round_" if key == "round" else key])
        for key in ("round", "division", "submitter", "category", "system")
    }
    system = settings["system"].value
    experiment = given["experiment"] or re.sub(r"[^a-z0-9._-]+", "-", system.lower()).strip("-._")
    environ = dict(os.environ)
    bench = Bench(
        repository,
        settings,
        Experiment.parse(experiment),
        environ,
        redactor(system),
        ("mlrepo", *_typed(ctx)),
        user_directory(),
    )
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
        model_file=given["model_file"] or _legacy_model(environ, given["model_variant"]),
        model_variant=given["model_variant"],
        precision=given["precision"],
        backend_options=given["backend_options"],
        prefix=_split_prefix(given["prefix"] or environ.get("CK_MLPERF_CMD_PREFIX", "")),
        timeout=given["timeout"],
        tags=given["tags"],
        place=given["place"],
    )
    _recover_first(bench)
    return _run_and_print(bench, request, as_json=given["as_json"])


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the combinations as JSON.")
def list_(as_json: bool) -> None:
    """List what can run here: benchmarks, models, backends; for the rest, what is missing.

    Each runs in the scenarios Offline, SingleStream, MultiStream and Server, in both modes.

    \b
    Example:
      mlrepo bench list
    """
    from dataclasses import asdict

    from mlrepo.bench.available import SCENARIOS, combinations

    found = combinations(user_directory())
    if as_json:
        values = {"scenarios": SCENARIOS, "combinations": [asdict(entry) for entry in found]}
        print_json("mlrepo.bench.list/1", values)
        return
    print_table(
        ("BENCHMARK", "MODEL", "BACKEND", "READY", "WHAT GETS IT"),
        [
            (e.benchmark, e.model, e.backend, "no" if e.needed else "yes", "; ".join(e.needed))
            for e in found
        ],
    )


@command.command("prereq")
@click.option("--backend", help="Install what this backend needs.")
@click.option("--dataset", help="Install what preparing this data set needs.")
@click.option("--dry-run", is_flag=True, help="Print the command instead of running it.")
@click.option("--json", "as_json", is_flag=True, help="Print what is missing as JSON.")
def prereq(backend: str | None, dataset: str | None, dry_run: bool, as_json: bool) -> None:
    """Check and install what a backend or a data set needs, into the current environment.

    Versions that work together are pinned. With --json nothing is installed.

    \b
    Example:
      mlrepo bench prereq --backend tvm-onnx --dry-run
    """
    from mlrepo.backends.requirements import (
        BACKEND_REQUIREMENTS,
        DATASET_REQUIREMENTS,
        missing,
        requirements_of,
    )
    from mlrepo.bench.available import install, install_command

    if (backend is None) == (dataset is None):
        raise click.UsageError("Give --backend NAME or --dataset NAME.")
    wanted = (
        requirements_of("backend", BACKEND_REQUIREMENTS, backend)
        if backend is not None
        else requirements_of("data set", DATASET_REQUIREMENTS, dataset or "")
    )
    lacking = missing(wanted)
    command_line = install_command(lacking) if lacking else []
    if as_json:
        values = {"requirements": wanted, "missing": lacking, "command": command_line}
        print_json("mlrepo.bench.prereq/1", values)
    elif not lacking:
        click.echo(f"{backend or dataset}: everything it needs is installed.")
    elif dry_run:
        click.echo(shlex.join(command_line))
    else:
        install(lacking)
        click.echo(f"installed {', '.join(lacking)}")


def _run_and_print(bench: Any, request: Any, *, as_json: bool) -> int:
    from dataclasses import asdict

    from mlrepo.record import INTERRUPTED, VALID

    line = ProgressLine(f"{request.workload} {request.scenario} {request.mode}")
    try:
        done = bench.run(request, line.update)
    finally:
        line.close()
    record = done.record
    if as_json:
        print_json("mlrepo.show/1", {"commit": done.commit, "record": asdict(record)})
    else:
        print_headline(record)
        placement = record.placement
        where = placement.path if placement.placed else f"not placed: {placement.reason}"
        click.echo(f"  run     {record.run}  (mlrepo show {record.run[-6:]})")
        click.echo(f"  commit  {done.commit[:10]} on exp/{record.experiment}")
        click.echo(f"  result  {where}")
    if record.validity == VALID:
        return 0
    return 130 if record.validity == INTERRUPTED else 1


def _recover_first(bench: Any) -> None:
    """Record what a crash left behind, before the next run starts."""
    from mlrepo.bench.run import recover

    done, failed = recover(bench.repository, bench.redactor)
    for concluded in done:
        record = concluded.record
        click.echo(f"Recovered the run {record.run} ({record.validity}).", err=True)
    for run_id, error in failed:
        click.echo(f"The run {run_id} still waits in the spool: {error.message}", err=True)


def _typed(ctx: click.Context) -> list[str]:
    """Return the arguments as typed, without what stands before the command."""
    arguments = list(ctx.obj)
    return arguments[arguments.index("bench") :] if "bench" in arguments else arguments


def _legacy_model(environ: dict[str, str], variant: str) -> Path | None:
    path = "" if variant else environ.get("ML_MODEL_FILEPATH_EXTERNAL")
    return Path(path) if path else None


def _split_prefix(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"The command prefix {text!r} cannot be read: {error}.") from error
