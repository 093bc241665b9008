"""``mlrepo bench peak``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.session import (
    before_runs,
    open_bench,
    run_one,
    trust_option,
    typed_arguments,
)
from mlrepo.cli.render import print_json, print_table, verdict
from mlrepo.record.plans import PeakPlan

if TYPE_CHECKING:
    from pathlib import Path

    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.peak import Peak
    from mlrepo.bench.request import BenchRequest
    from mlrepo.record.request import Request


@click.command("peak", cls=BenchCommand)
@request_options(
    PeakPlan,
    about={
        "qps": "Where a Server search begins (default: estimated).",
        "max_latency": "Server: the latency bound, where tokens are not timed. Seconds.",
    },
)
@on_options
@trust_option
@click.option(
    "--fresh", is_flag=True, help="Start again instead of continuing a search that was stopped."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    request: Request[PeakPlan],
    on: On | None,
    trust_prefix: bool,
    fresh: bool,
    as_json: bool,
) -> int:
    """Find the highest load that a system sustains, and remember it.

    Offline and the streams: one short probe tells what LoadGen has to expect. Server and
    Interactive: short probes enclose the highest rate that holds the latency bound, or both limits
    of token latencies (--set ttft_latency=500 --set tpot_latency=30, in milliseconds). A probe
    lasts a hundred times what a query may wait. Then one full run confirms the value; INVALID ones
    are followed by the next attempt unless --no-auto is given. Once confirmed, the system's
    user.conf for the round keeps the value. Probes are recorded, never placed: a search that was
    stopped in any way goes on after its last probe when the same is asked for within a day.
    Exit code: 0 confirmed, 1 not.

    \b
    Example:
      mlrepo bench peak --benchmark digits --scenario Server --max-latency 0.015 --time 60
    """
    from mlrepo.bench.peak import Search, full_seconds, remember
    from mlrepo.bench.peak_resume import EarlierRuns, earlier_runs
    from mlrepo.bench.request import BenchRequest
    from mlrepo.durations import parse_duration
    from mlrepo.record import PERFORMANCE
    from mlrepo.scenarios import SCENARIOS

    plan = request.plan
    if on is not None:
        from mlrepo.cli.bench.on_cells import peak_jobs

        target = target_of(request)
        jobs = peak_jobs(target, plan, fresh=fresh, trusted=trust_prefix)
        return submit_jobs(ctx, target, on, jobs, as_json=as_json, once=True)
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    asked = BenchRequest.of(replace(request.run, mode=PERFORMANCE))
    before_runs(bench, asked)
    full = plan.full or full_seconds(bench)
    budget = parse_duration(plan.budget)
    probes = 16 if SCENARIOS[asked.scenario].bounded else 1
    click.echo(
        f"{probes} probe(s) of {plan.probe:.0f} s or more and a full run of {full:.0f} s: about "
        f"{probes * (plan.probe + 2) + full:.0f} s or more; at most {budget:.0f} s.",
        err=True,
    )

    def run(one: BenchRequest, label: str) -> ConcludedRun:
        done = run_one(bench, one, label)
        click.echo(f"{label}: {done.record.result} {done.record.validity}", err=True)
        return done

    earlier = EarlierRuns()
    if SCENARIOS[asked.scenario].bounded and not fresh:
        digest = bench.prepare(asked)[1].files.digest
        earlier = earlier_runs(bench, asked.scenario, asked.benchmark, digest)
    if earlier.records:
        click.echo(
            f"Going on with {len(earlier.records)} runs of a search that was stopped; "
            "--fresh begins anew.",
            err=True,
        )
    search = Search(bench, asked, run, plan.probe, full, budget, auto=plan.auto, earlier=earlier)
    peak = search.find()
    path = None
    if peak.value is not None and peak.confirmed and plan.remember:
        path = remember(bench, asked, peak)
    if as_json:
        print_json("mlrepo.peak/1", _values(peak, path))
    else:
        _print(peak, path)
    return 0 if peak.confirmed else 1


def _values(peak: Peak, path: Path | None) -> dict[str, object]:
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
        "limit": peak.limit,
        "probes": peak.probes,
        "points": points,
        "confirmed": asdict(peak.confirmed) if peak.confirmed else None,
        "reason": peak.reason,
        "remembered": str(path) if path else None,
    }


def _print(peak: Peak, path: Path | None) -> None:
    if peak.points:
        timed = _timed(peak)
        print_table(
            ("WHAT", "RESULT", *timed, "VERDICT", "RUN"),
            [
                (
                    point.label,
                    str(point.record.result),
                    *(str(point.record.metrics.get(key, "-")) for key in timed.values()),
                    verdict(point.record.validity),
                    point.record.run,
                )
                for point in peak.points
            ],
            right=(1, *range(2, 2 + len(timed))),
            drop=tuple(timed),
            tail="RUN",
        )
    if peak.value is not None:
        bound = f"; {peak.upper:.6g} failed" if peak.upper is not None else ""
        state = f"confirmed by {peak.confirmed.run}" if peak.confirmed else "not confirmed"
        click.echo(f"{peak.key} = {peak.value:.6g}, {state}{bound}; {peak.probes} probe(s)")
    if peak.limit and peak.upper is not None:
        click.echo(f"  at {peak.upper:.6g} queries/s: {peak.limit}")
    if path is not None:
        click.echo(f"  kept in {path}")
    if peak.reason:
        click.echo(f"  {peak.reason}")


def _timed(peak: Peak) -> dict[str, str]:
    """Return LoadGen's metrics of the latencies that are bounded, by the heads of their columns."""
    from mlrepo.record.latencies import bounded_percent, loadgen_limits

    record = peak.points[-1].record
    percent = bounded_percent(record)
    at = f"{percent:.2f}_percentile"
    tokens = {
        f"TTFT P{percent:g}": f"first_token_{at}_latency",
        f"TPOT P{percent:g}": f"time_per_output_token_{at}",
    }
    whole = {f"{percent:g}TH PERCENTILE": f"{at}_latency"}
    return tokens if "ttft" in loadgen_limits(record) else whole
