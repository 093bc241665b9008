"""``mlrepo bench sweep``."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.session import (
    before_runs,
    open_bench,
    report_loadgen,
    trust_option,
    typed_arguments,
)
from mlrepo.cli.progress import ProgressLine, duration_words
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.record.plans import SweepPlan
from mlrepo.record.run_request import RunRequest, Where

if TYPE_CHECKING:
    from mlrepo.bench.execute import Progress
    from mlrepo.bench.run import Bench
    from mlrepo.bench.sweep.plan import Sweep
    from mlrepo.bench.sweep.run import Budget, CellTurn
    from mlrepo.record.request import Request

_RUNS = re.compile(r"([0-9]{1,9}) ?runs?")


class SweepCommand(BenchCommand):
    """Takes options from the file of a plan; those that are typed replace them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the words of the plan before the typed ones, and parse."""
        if not ctx.resilient_parsing:
            args = [*self._of_file(ctx, args), *args]
        return super().parse_args(ctx, args)

    def _of_file(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError:  # said when the words are parsed
            return []
        named = given.get("plan_file")
        if not isinstance(named, str):
            return []
        from mlrepo.cli.bench.plan_file import words_of_file

        typed = {name for name, value in given.items() if isinstance(value, str | list | bool)}
        allowed = [param for param in self.params if param.name in _of_a_plan()]
        return words_of_file(Path(named), allowed, typed)


def _of_a_plan() -> set[str]:
    """Return the names of the parameters that a plan sets; others are of one session."""
    named = {name for kind in (SweepPlan, RunRequest, Where) for name in kind.__dataclass_fields__}
    return {*named, "budget", "max_cells"}


def parse_budget(text: str | None) -> Budget:
    """Return a budget of time (``30m``) or runs (``40 runs``).

    Raises
    ------
    UserError
        It is neither.
    """
    from mlrepo.bench.sweep.run import Budget
    from mlrepo.durations import parse_duration

    if text is None:
        return Budget()
    if match := _RUNS.fullmatch(text.strip().lower()):
        return Budget(runs=int(match[1]))
    try:
        return Budget(seconds=parse_duration(text))
    except UserError as error:
        raise UserError(f"{text!r} is not a budget.", hint="Write 2h, 30m, or 40runs.") from error


@dataclass(frozen=True)
class Session:
    """How one session of a sweep goes on; nothing of it is recorded.

    Attributes
    ----------
    retry:
        Whether cells that failed are run again.
    yes:
        Whether nobody is asked.
    """

    budget: Budget
    max_cells: int
    retry: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


@click.command("sweep", cls=SweepCommand)
@click.argument("plan_file", metavar="[PLAN.toml]", required=False, expose_value=False)
@request_options(SweepPlan)
@click.option(
    "--dry-run", is_flag=True, help="Print the cells and how long they take; run nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--budget", help="Stop before the run that would end later (2h), or after 40runs.")
@click.option(
    "--max-cells",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Refuse a plan with more cells.",
)
@click.option("--retry-failed", is_flag=True, help="Run cells that failed again.")
@on_options
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print plan, points and runs as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    request: Request[SweepPlan],
    dry_run: bool,
    yes: bool,
    budget: str | None,
    max_cells: int,
    retry_failed: bool,
    on: On | None,
    trust_prefix: bool,
    as_json: bool,
) -> int:
    """Run a benchmark with every combination of the values of its options.

    An option that is repeated, or has a list or a range of numbers, is an axis: --threads 1,2,4,
    --qps 10:400:log8 (or lin8, or a step). PLAN.toml has the same options as keys. Each run is a
    commit that is tagged with the sweep and never a result. Stopped in any way, the same command or
    `mlrepo bench resume` goes on. At the end: the best, the Pareto front, the load curves, what
    failed. Exit code: 0 all measured, 1 some failed or are left.

    \b
    Example:
      mlrepo bench sweep --benchmark digits --scenario Offline --threads 1,2 --time 2 --dry-run
      mlrepo bench sweep --benchmark digits --scenario Server --max-latency 0.01 --time 5 \\
          --qps 100:5000:log6 --adaptive --budget 10m
    """
    if on is not None:
        from mlrepo.cli.bench.on_cells import sweep_jobs

        target = target_of(request)
        parse_budget(budget)
        jobs = sweep_jobs(
            ctx, target, budget, most=max_cells, retry=retry_failed, trusted=trust_prefix
        )
        return submit_jobs(ctx, target, on, jobs, as_json=as_json, dry_run=dry_run, once=True)
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    session = Session(parse_budget(budget), max_cells, retry_failed, yes, dry_run, as_json)
    return run_planned(bench, request, session)


def run_planned(bench: Bench, request: Request[SweepPlan], session: Session) -> int:
    """Plan a sweep, show the plan, and run it."""
    from mlrepo.bench.sweep.plan import plan_sweep
    from mlrepo.cli.bench.sweep_result import plan_values
    from mlrepo.cli.bench.sweep_tables import print_plan

    if session.dry_run:
        report_loadgen(bench)
    else:
        before_runs(bench)  # a run that a crash left in the spool is one of the sweep's
    sweep = plan_sweep(bench, request, most=session.max_cells, retry=session.retry)
    if session.dry_run:
        if session.as_json:
            print_json("mlrepo.sweep/1", plan_values(sweep))
        else:
            print_plan(sweep, whole=True)
        return 0
    if not session.as_json:
        print_plan(sweep, whole=False)
    if sweep.wanted and not session.yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("Run it?", default=True, abort=True, err=True)
    bench.gate.remember_suite(sweep.bench.request, bench.redactor)
    return _run(sweep, session)


def _run(sweep: Sweep, session: Session) -> int:
    from mlrepo.bench.sweep.run import Skipped, SweepRun
    from mlrepo.cli.bench.sweep_result import Ended
    from mlrepo.cli.bench.sweep_tables import print_ended, print_run

    begin = time.monotonic()
    lines: list[ProgressLine] = []

    def on_turn(turn: CellTurn) -> Callable[[Progress], None]:
        began = time.monotonic()

        def sweep_left(progress: Progress) -> str:
            spent = time.monotonic() - began
            mine = max(0.0, turn.seconds - spent) if progress.left is None else progress.left
            return f"sweep {duration_words(max(0.0, turn.left - turn.seconds + mine))} left"

        label = f"[{turn.number}/{turn.of}] {turn.cell.words(sweep.axes)}"
        lines.append(ProgressLine(label, more=sweep_left))
        return lines[-1].update

    made = SweepRun(sweep, session.budget, on_turn)
    ended = Ended(sweep, made)
    interrupted = False
    for cell, outcome in made.outcomes():
        if lines:
            lines[-1].close()
        ended.add(cell, outcome)
        if isinstance(outcome, UserError | Skipped):
            why = outcome.why if isinstance(outcome, Skipped) else outcome.message
            if not session.as_json:
                click.echo(f"{cell.words(sweep.axes)}: not run: {why}", err=True)
            continue
        if not session.as_json:
            print_run(cell.words(sweep.axes), outcome.record)
        if outcome.record.validity == "INTERRUPTED":
            interrupted = True
            click.echo("Stopped; `mlrepo bench resume` continues.", err=True)
            break
    if session.as_json:
        print_json("mlrepo.sweep/1", ended.values())
    else:
        print_ended(ended, time.monotonic() - begin)
    if interrupted:
        return 130
    return int(bool(ended.failed() or ended.left))
