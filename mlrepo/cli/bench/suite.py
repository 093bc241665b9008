"""``mlrepo bench suite`` and ``mlrepo bench resume``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.on import On, on_options, submit_jobs, target_of
from mlrepo.cli.bench.options import parsed, request_options
from mlrepo.cli.bench.session import (
    asker,
    before_runs,
    exit_code,
    open_bench,
    report_loadgen,
    run_values,
    trust_option,
    typed_arguments,
)
from mlrepo.cli.command import Command
from mlrepo.cli.models.words import model_words
from mlrepo.cli.progress import ProgressLine, duration_words
from mlrepo.cli.render import print_headline, print_json, print_table
from mlrepo.errors import UserError
from mlrepo.record.plans import SuitePlan, SweepPlan
from mlrepo.record.request import argv
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.conclude import ConcludedRun
    from mlrepo.bench.execute import Progress
    from mlrepo.bench.run import Bench
    from mlrepo.bench.suite import Suite
    from mlrepo.bench.suite_run import Turn
    from mlrepo.record.request import AnyRequest, Request
    from mlrepo.repository.history import RecordedRun

# How a run of the suite ended that never began.
_NOT_STARTED = "not started"
_budget_option = click.option(
    "--budget", help="Start no run that would end later than this, such as 3h."
)
# How `resume` parses a recorded sweep: whoever allowed so many cells need not do it again.
_ANY_CELLS = 10_000_000


@click.command("suite", cls=BenchCommand)
@request_options(SuitePlan)
@click.option(
    "--plan", "--dry-run", "plan", is_flag=True, help="Print what would be run, and run nothing."
)
@_budget_option
@on_options
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print plan and records as JSON.")
@click.pass_context
def suite(
    ctx: click.Context,
    /,
    request: Request[SuitePlan],
    on: On | None,
    plan: bool,
    budget: str | None,
    trust_prefix: bool,
    as_json: bool,
) -> int:
    """Run everything that the round requires of a benchmark, and record each run.

    Runs that Git has already are not repeated. Stopped in any way, `mlrepo bench resume`
    continues with the first run that has no VALID commit. Exit code: 0 all VALID, 1 otherwise.

    \b
    Example:
      mlrepo bench suite --benchmark digits --backend onnx --plan
      mlrepo bench suite --benchmark digits --backend onnx --quick
    """
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.suite import plan_suite

    if on is not None:
        from mlrepo.cli.bench.on_cells import suite_jobs

        target = target_of(request)
        jobs = suite_jobs(target, request.plan, budget, trusted=trust_prefix)
        return submit_jobs(ctx, target, on, jobs, as_json=as_json, dry_run=plan, once=True)
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix)
    if plan:
        report_loadgen(bench)
        planned = plan_suite(bench, BenchRequest.of(request.run), request.plan)
        if as_json:
            print_json("mlrepo.suite/1", {"plan": _plan_values(planned), "runs": []})
        else:
            _print_plan(planned)
        return 0
    return _run_suite(bench, request.plan, budget, as_json=as_json)


def _run_suite(bench: Bench, plan: SuitePlan, budget: str | None, *, as_json: bool) -> int:
    """Plan the requested suite, show the plan, and run it."""
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.suite import plan_suite
    from mlrepo.bench.suite_run import agree_to_words
    from mlrepo.durations import parse_duration

    limit = parse_duration(budget) if budget else None
    asked = BenchRequest.of(bench.request.run)
    before_runs(bench, asked)
    planned = plan_suite(bench, asked, plan)
    if not as_json:
        _print_plan(planned)
    bench.gate.remember_suite(planned.bench.request, bench.redactor)
    agree_to_words(planned)
    return _run(planned, limit, as_json=as_json)


@click.command("resume", cls=Command)
@_budget_option
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print plan and records as JSON.")
@click.pass_context
def resume(ctx: click.Context, /, budget: str | None, trust_prefix: bool, as_json: bool) -> int:
    """Continue the suite or sweep that was stopped, with the first run that is missing.

    The newest run of a suite or sweep on any experiment branch has its plan; nothing else is
    kept. A plan that was not asked for on this machine is shown as a command, and run only with
    your consent.

    \b
    Example:
      mlrepo bench resume
    """
    from mlrepo.bench.consent import Gate
    from mlrepo.bench.recover import recover
    from mlrepo.bench.suite import last_suite
    from mlrepo.cli.context import current_repository, redactor

    repository = current_repository()
    recover(repository, redactor())
    unreadable: dict[str, str] = {}
    last = last_suite(repository, unreadable)
    for problem in unreadable.values():
        click.echo(f"Passed over: {problem}", err=True)
    if last is None:
        raise UserError(
            "No run of a suite or sweep is recorded: there is nothing to resume.",
            hint="`mlrepo bench suite --benchmark digits --quick` begins one; `mlrepo bench list` "
            "names other benchmarks.",
        )
    run, recorded = last
    Gate(repository, asker(repository, trusted=trust_prefix)).suite(recorded, run)
    words = argv(recorded)
    if any(mask in word for word in words for mask in ("<redacted>", "<user>")):
        raise UserError(
            "The request holds something that was masked when it was recorded.",
            hint="Type its command again: it continues where it was stopped.",
        )
    # Parse it as a command line: a record may contain values that no command accepts.
    if isinstance(recorded.plan, SuitePlan):
        again = replace(parsed(suite, SuitePlan, words[3:]), origins=recorded.origins)
        return _run_suite(
            _reopened(ctx, again, run, trust_prefix), again.plan, budget, as_json=as_json
        )
    from mlrepo.cli.bench.sweep import Session, parse_budget, run_planned
    from mlrepo.cli.bench.sweep import command as sweep

    swept = replace(parsed(sweep, SweepPlan, words[3:]), origins=recorded.origins)
    session = Session(parse_budget(budget), _ANY_CELLS, yes=True, as_json=as_json)
    return run_planned(_reopened(ctx, swept, run, trust_prefix), swept, session)


def _reopened(ctx: click.Context, request: AnyRequest, run: RecordedRun, trusted: bool) -> Bench:
    """Return the session of a recorded request, with the settings that were decided then."""
    from mlrepo.bench.replay import settings_of

    return open_bench(
        request,
        typed_arguments(ctx),
        trusted=trusted,
        recorded=settings_of(request.where, run.run),
    )


def _run(planned: Suite, budget: float | None, *, as_json: bool) -> int:
    from mlrepo.bench.suite_run import Renewal, run_suite
    from mlrepo.errors import UserError as Refused

    begin = time.monotonic()
    ended_as: dict[str, str] = {}
    done: list[dict[str, object]] = []
    lines: list[ProgressLine] = []
    worst = 0

    def on_turn(turn: Turn) -> Callable[[Progress], None]:
        cell = turn.step.cell
        name = f"{planned.workload.name} {cell.scenario} {cell.name}"
        began = time.monotonic()

        def suite_left(progress: Progress) -> str:
            spent = time.monotonic() - began
            mine = max(0.0, turn.step.seconds - spent) if progress.left is None else progress.left
            left = max(0.0, turn.left - turn.step.seconds + mine)
            return f"suite {duration_words(left)} left"

        lines.append(ProgressLine(f"[{turn.number}/{turn.of}] {name}", more=suite_left))
        return lines[-1].update

    for step, ended in run_suite(planned, budget=budget, on_turn=on_turn):
        lines[-1].close()
        name = f"{step.cell.scenario} {step.cell.name}"
        if isinstance(ended, Renewal):
            click.echo(
                f"{name}: another configuration than the run that it completes ({ended.differs}); "
                f"all runs of {step.cell.scenario} are repeated.",
                err=True,
            )
            continue
        if isinstance(ended, Refused):
            click.echo(f"{name}: {ended.message}", err=True)
            ended_as[name] = _NOT_STARTED
            continue
        done.append(run_values(ended))
        if not as_json:
            _print_run(ended)
        ended_as[name] = ended.record.validity  # a retry of a step replaces it
        worst = exit_code(ended.record.validity)
        if worst == 130:
            click.echo("Stopped; `mlrepo bench resume` continues.", err=True)
            break
    if worst != 130:
        worst = int(any(how != "VALID" for how in ended_as.values()))
    if as_json:
        print_json("mlrepo.suite/1", {"plan": _plan_values(planned), "runs": done})
    elif ended_as:
        _print_summary(planned, ended_as, time.monotonic() - begin)
    return worst


def _print_summary(planned: Suite, ended_as: Mapping[str, str], seconds: float) -> None:
    """Print how many runs are VALID, which are not, and what to do next."""
    names = [f"{step.cell.scenario} {step.cell.name}" for step in planned.wanted]
    ended = {name: ended_as.get(name, "not run") for name in dict.fromkeys((*names, *ended_as))}
    valid = sum(how == "VALID" for how in ended.values())
    click.echo(f"{valid} of {len(ended)} VALID in {duration_words(seconds)}.")
    for how in dict.fromkeys(how for how in ended.values() if how != "VALID"):
        which = ", ".join(name for name, one in ended.items() if one == how)
        click.echo(f"  {how}: {which}")
    request = planned.bench.request
    again = replace(planned.plan, rerun="invalid", auto=True, since="")
    if valid == len(ended) and planned.plan.quick:
        round_ = planned.bench.settings["round"]
        typed = ("--round", round_.value) if round_.origin == "--round" else ()
        following = shell_command(("mlrepo", "select", "--quick", *typed))
    elif valid == len(ended):
        following = "mlrepo status"
    elif "INVALID" in ended.values():
        following = shell_command(argv(replace(request, plan=again)))
    else:
        following = "mlrepo bench resume"
    click.echo(f"Next: {following}")


def _print_run(done: ConcludedRun) -> None:
    from mlrepo.bench.advice import advise

    print_headline(done.record)
    for words in advise(done.record).words:
        click.echo(f"  advice  {words}")
    if not done.record.placement.placed:
        click.echo(f"  not placed: {done.record.placement.reason}")


def _print_plan(planned: Suite) -> None:
    print_table(
        ("SCENARIO", "RUN", "STATE", "ABOUT"),
        [
            (
                step.cell.scenario,
                step.cell.name,
                step.cell.state if not step.wanted else f"{step.cell.state}, to run",
                duration_words(step.seconds) if step.wanted else "",
            )
            for step in planned.steps
        ],
        right=(3,),
    )
    if (model := planned.model) is not None:
        from mlrepo.record import DatasetFacts

        types, samples = model_words(model, DatasetFacts(), model.precision)
        click.echo(f"{model.name}: {types}{f', samples {samples}' if samples else ''}")
    for remark in planned.remarks:
        click.echo(remark)
    for choice in planned.choices:
        asked = " or ".join(choice)
        click.echo(f"{planned.round.name} requires {asked}: --scenario names the ones to run.")
    wanted = len(planned.wanted)
    click.echo(f"{wanted} of {len(planned.steps)} to run, about {duration_words(planned.seconds)}.")


def _plan_values(planned: Suite) -> list[dict[str, object]]:
    return [
        {
            **asdict(step.cell),
            "wanted": step.wanted,
            "seconds": step.seconds,
            "completes": step.completes.run if step.wanted and step.completes else "",
        }
        for step in planned.steps
    ]
