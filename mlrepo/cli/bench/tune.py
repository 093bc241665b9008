"""``mlrepo bench tune``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.bench.session import (
    model_choice,
    model_options,
    open_bench,
    typed_arguments,
    where_options,
)
from mlrepo.cli.render import TextLine, print_json, print_table

if TYPE_CHECKING:
    from mlrepo.bench.fastest import Compared


@click.command("tune")
@click.option("--model", required=True, help="The benchmark, such as digits.")
@click.option(
    "--backend",
    "--framework",
    default="onnx",
    show_default=True,
    help="What is tuned; all compares every backend and precision here.",
)
@click.option("--scenario", default="Offline", show_default=True, help="The scenario (any case).")
@click.option("--budget", default="2m", show_default=True, help="The longest it may take.")
@click.option("--threads", type=int, help="Most threads (default: all usable CPUs).")
@click.option("--max-batchsize", type=int, help="The batch (default: searched).")
@click.option(
    "--database",
    type=click.Path(path_type=Path),
    help="TVM: read what this file holds first, and write the result there too.",
)
@where_options
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Find how a backend is fastest here, and remember it for the system.

    onnx, openvino, pytorch: threads, batch and streams, measured in turns. tvm-onnx, tvm-pytorch:
    the tile of each convolution; what was found is kept at once, and the same command goes on
    where it was stopped. Later runs use the result where you leave the choice open, and record it.
    Whatever is not faster by more than noise changes nothing.

    \b
    Example:
      mlrepo bench tune --model resnet50-random --backend onnx --budget 2m
    """
    from mlrepo.bench.fastest import ALL, compare, tune
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.suite import parse_duration

    bench = open_bench(given, typed_arguments(ctx))
    request = BenchRequest(
        workload=given["model"],
        backend=given["backend"],
        scenario=given["scenario"],
        mode="performance",
        threads=given["threads"],
        max_batch=given["max_batchsize"],
        **model_choice(given, dict(bench.environ)),
    ).checked()
    budget = parse_duration(given["budget"])
    if request.backend == ALL:
        if given["database"] is not None or request.precision:
            raise click.UsageError("--backend all takes neither --database nor --precision.")
        line = TextLine(f"comparing backends on {request.workload}")
        try:
            found = compare(bench, request, budget=budget, on_progress=line.update)
        finally:
            line.close()
        if given["as_json"]:
            print_json("mlrepo.bench.compare/1", {"compared": [asdict(entry) for entry in found]})
        else:
            _print_table(found)
        return 0
    line = TextLine(f"tuning {request.backend} on {request.workload}")
    try:
        done = tune(
            bench, request, budget=budget, database=given["database"], on_progress=line.update
        )
    finally:
        line.close()
    entry = done.entry
    if given["as_json"]:
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
        ("BACKEND", "PRECISION", "SAMPLES/S", "x ONNX FP32", "SAME CLASS", "SETTINGS"),
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
    )
