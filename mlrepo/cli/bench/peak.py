"""``mlrepo bench peak``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.bench.session import (
    before_runs,
    model_choice,
    model_options,
    open_bench,
    run_one,
    trust_option,
    typed_arguments,
    where_options,
)
from mlrepo.cli.render import print_json, print_table, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.peak import Peak
    from mlrepo.bench.request import BenchRequest


@click.command("peak")
@click.option("--model", required=True, help="The benchmark, such as digits.")
@click.option(
    "--backend", "--framework", default="onnx", show_default=True, help="What executes it."
)
@click.option("--scenario", required=True, help="The scenario (any case).")
@click.option("--qps", type=float, help="Where a Server search begins (default: estimated).")
@click.option("--max-latency", type=float, help="Server: the latency bound. Seconds.")
@click.option("--probe", type=float, default=5.0, show_default=True, help="Seconds of a probe.")
@click.option(
    "--time",
    "full",
    type=float,
    help="Seconds of the confirming run (default: the round's shortest run).",
)
@click.option("--budget", default="1h", show_default=True, help="The longest the search may take.")
@where_options
@click.option("--tag", "tags", multiple=True, help="A word to find the runs by (repeatable).")
@click.option("--max-batchsize", type=int, help="Largest batch (default: found in the warm-up).")
@click.option("--threads", type=int, help="Threads of one inference (default: all usable CPUs).")
@model_options
@trust_option
@click.option(
    "--auto/--no-auto",
    default=True,
    show_default=True,
    help="Go on with the next attempt when a confirming run is INVALID.",
)
@click.option("--no-remember", is_flag=True, help="Leave the system's user.conf as it is.")
@click.option(
    "--fresh", is_flag=True, help="Do not go on with a search that was stopped: begin anew."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Find the highest load that a system bears, and remember it.

    Offline and the streams: one short probe tells what LoadGen has to expect. Server: short probes
    enclose the highest rate that holds the latency bound. Then one full run confirms the value;
    INVALID ones are followed by the next attempt unless --no-auto is given. Once confirmed, the
    system's user.conf for the round keeps the value. Probes are recorded, never placed: a Server
    search that was stopped in any way goes on after its last probe when the same command is given
    within a day. Exit code: 0 confirmed, 1 not.

    \b
    Example:
      mlrepo bench peak --model digits --scenario Server --max-latency 0.015 --time 60
    """
    from mlrepo.bench.peak import Search, full_seconds, remember
    from mlrepo.bench.peak_resume import EarlierRuns, earlier_runs
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.suite import parse_duration
    from mlrepo.record import PERFORMANCE
    from mlrepo.scenarios import SCENARIOS, scenario

    bench = open_bench(given, typed_arguments(ctx), trusted=given["trust_prefix"])
    request = BenchRequest(
        workload=given["model"],
        backend=given["backend"],
        scenario=scenario(given["scenario"]).name,
        mode=PERFORMANCE,
        qps=given["qps"],
        max_latency=given["max_latency"],
        max_batch=given["max_batchsize"],
        threads=given["threads"],
        **model_choice(given, bench.environ),
        tags=given["tags"],
    )
    before_runs(bench)
    full = given["full"] or full_seconds(bench)
    budget = parse_duration(given["budget"])
    probes = 16 if SCENARIOS[request.scenario].bounded else 1
    click.echo(
        f"{probes} probe(s) of about {given['probe']:.0f} s and a full run of {full:.0f} s: about "
        f"{probes * (given['probe'] + 2) + full:.0f} s; at most {budget:.0f} s.",
        err=True,
    )

    def run(one: BenchRequest, label: str) -> ConcludedRun:
        done = run_one(bench, one, label)
        click.echo(f"{label}: {done.record.result} {done.record.validity}", err=True)
        return done

    earlier = EarlierRuns()
    if SCENARIOS[request.scenario].bounded and not given["fresh"]:
        digest = bench.prepare(request)[1].files.digest
        earlier = earlier_runs(bench, request.scenario, request.workload, digest)
    if earlier.records:
        click.echo(
            f"Going on with {len(earlier.records)} runs of a search that was stopped; "
            "--fresh begins anew.",
            err=True,
        )
    search = Search(
        bench, request, run, given["probe"], full, budget, auto=given["auto"], earlier=earlier
    )
    peak = search.find()
    path = None
    if peak.value is not None and peak.confirmed and not given["no_remember"]:
        path = remember(bench, request, peak)
    if given["as_json"]:
        print_json("mlrepo.peak/1", _values(peak, path))
    else:
        _print(peak, path)
    return 0 if peak.confirmed else 1


def _values(peak: Peak, path: Path | None) -> dict[str, Any]:
    points = [
        {
            "label": point.label,
            "setting": point.setting,
            "run": point.record.run,
            "result": asdict(point.record.result),
            "validity": point.record.validity,
        }
        for point in peak.points
    ]
    return {
        "key": peak.key,
        "value": peak.value,
        "upper": peak.upper,
        "probes": peak.probes,
        "points": points,
        "confirmed": asdict(peak.confirmed) if peak.confirmed else None,
        "reason": peak.reason,
        "remembered": str(path) if path else None,
    }


def _print(peak: Peak, path: Path | None) -> None:
    if peak.points:
        print_table(
            ("WHAT", "RESULT", "99TH PERCENTILE", "VERDICT", "RUN"),
            [
                (
                    point.label,
                    str(point.record.result),
                    str(point.record.metrics.get("99.00_percentile_latency", "-")),
                    verdict(point.record.validity),
                    point.record.run,
                )
                for point in peak.points
            ],
            right=(1, 2),
        )
    if peak.value is not None:
        bound = f"; {peak.upper:.6g} failed" if peak.upper is not None else ""
        state = f"confirmed by {peak.confirmed.run}" if peak.confirmed else "not confirmed"
        click.echo(f"{peak.key} = {peak.value:.6g}, {state}{bound}; {peak.probes} probe(s)")
    if path is not None:
        click.echo(f"  kept in {path}")
    if peak.reason:
        click.echo(f"  {peak.reason}")
