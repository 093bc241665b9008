"""``mlrepo bench tune``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.session import open_bench, typed_arguments
from mlrepo.cli.progress import TextLine
from mlrepo.cli.render import print_json, print_table
from mlrepo.record.plans import TunePlan

if TYPE_CHECKING:
    from mlrepo.bench.fastest import Compared
    from mlrepo.record.request import Request


@click.command("tune", cls=BenchCommand)
@request_options(
    TunePlan,
    usual={"scenario": "Offline"},
    about={
        "backend": "What is tuned; all compares every backend and precision here.",
        "threads": "Most threads (default: all usable CPUs).",
        "max_batch": "The batch (default: searched).",
    },
)
@on_options
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(ctx: click.Context, /, request: Request[TunePlan], on: On | None, as_json: bool) -> int:
    """Find how a backend is fastest here, and remember it for the system.

    Threads, batch and streams are measured in turns. A backend that has code to search for (TVM:
    the tile of each convolution) does that instead; what was found is kept at once, and the same
    command continues where it was stopped. Later runs use the result where you leave the choice
    open, and record it. Whatever is not faster by more than noise changes nothing.

    \b
    Example:
      mlrepo bench tune --benchmark resnet50-random --backend onnx --budget 2m
    """
    from mlrepo.bench.fastest import ALL, compare, tune
    from mlrepo.bench.request import BenchRequest
    from mlrepo.durations import parse_duration
    from mlrepo.record import PERFORMANCE

    plan = request.plan
    if on is not None:
        from mlrepo.cli.bench.on_cells import tune_jobs

        target = target_of(request)
        return submit_jobs(ctx, target, on, tune_jobs(target, plan), as_json=as_json, once=True)
    bench = open_bench(request, typed_arguments(ctx))
    bench.described.facts(request.run.device)
    asked = BenchRequest.of(replace(request.run, mode=PERFORMANCE)).checked()
    budget = parse_duration(plan.budget)
    if asked.backend == ALL:
        if plan.database is not None or asked.precision:
            raise click.UsageError("--backend all takes neither --database nor --precision.")
        line = TextLine(f"comparing backends on {asked.benchmark}")
        try:
            found = compare(bench, asked, budget=budget, on_progress=line.update)
        finally:
            line.close()
        if as_json:
            print_json("mlrepo.bench.compare/1", {"compared": [asdict(entry) for entry in found]})
        else:
            _print_table(found)
        return 0
    line = TextLine(f"tuning {asked.backend} on {asked.benchmark}")
    try:
        done = tune(bench, asked, budget=budget, database=plan.database, on_progress=line.update)
    finally:
        line.close()
    entry = done.entry
    if as_json:
        print_json("mlrepo.bench.tune/1", {**asdict(entry), "note": done.note})
        return 0
    options = "".join(f", {key}={value}" for key, value in entry.options.items())
    gain = entry.rate / entry.default_rate if entry.default_rate else 1.0
    click.echo(
        f"{entry.backend} {entry.precision} {entry.scenario}: {entry.threads} threads, batch "
        f"{entry.max_batch}{options}: {entry.rate:.1f} samples/s, {gain:.2f} x the default"
    )
    click.echo(f"  {done.note}; remembered for the system {bench.settings['system'].value}")
    return 0


def _print_table(found: list[Compared]) -> None:
    print_table(
        ("BACKEND", "PRECISION", "SAMPLES/S", "x ONNX FP32", "SAME ANSWER", "SETTINGS"),
        [
            (
                line.backend,
                line.precision,
                f"{line.rate:.1f}",
                f"{line.ratio:.2f}",
                f"{line.agreement:.1%}",
                line.settings,
            )
            if line.settings
            else (line.backend, line.precision, "", "", "", line.note)
            for line in found
        ],
        right=(2, 3, 4),
        drop=("SAME ANSWER",),
        wrap="SETTINGS",
    )
