"""``mlrepo bench replay``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mlrepo.cli.bench.command import BenchCommand
from mlrepo.cli.bench.options import request_options
from mlrepo.cli.bench.session import (
    before_runs,
    exit_code,
    open_bench,
    print_run,
    run_one,
    run_values,
    trust_option,
    typed_arguments,
)
from mlrepo.cli.context import current_repository
from mlrepo.cli.records.compare import comparison_values, print_comparison
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.record.plans import ReplayPlan
from mlrepo.record.run_request import Where

if TYPE_CHECKING:
    from mlrepo.bench.consent import RecordedWords
    from mlrepo.bench.replay import Replay
    from mlrepo.differences import Difference
    from mlrepo.record.request import Request

_MOST_TOLD = 12


@click.command("replay", cls=BenchCommand)
@request_options(ReplayPlan)
@trust_option
@click.option(
    "--check",
    "--dry-run",
    "check",
    is_flag=True,
    help="Say what differs on this machine, and run nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print record and comparison as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    request: Request[ReplayPlan],
    trust_prefix: bool,
    check: bool,
    as_json: bool,
) -> int:
    """Run again exactly what a record says, and compare the two.

    RUN is a run id, a part of one, a commit, `latest` or `latest~1`. Model and data set must be the
    recorded ones to the byte; LoadGen's settings are those that the run had, estimates included.
    What else differs on this machine is said before it starts. A command prefix or backend options
    that were not typed on this machine are shown, and run only with your consent. The new run has
    the tag `replay` and those of --tag, not those of the recorded run.

    Exit code: 0 VALID, 1 INVALID or failed.

    \b
    Example:
      mlrepo bench replay 3fa9c1
      mlrepo bench replay 3fa9c1 --on-this-system
    """
    from mlrepo.bench.replay import RECORDED, plan_replay, settings_of
    from mlrepo.record import PUBLISHED
    from mlrepo.report.comparison import compare
    from mlrepo.report.sides import find_side
    from mlrepo.repository.history import find_run, load_record

    plan = request.plan
    if request.where.system and not plan.on_this_system:
        raise UserError(
            "--system belongs to --on-this-system: a replay is recorded as the recorded system.",
            hint="Give both, or neither.",
        )
    repository = current_repository()
    found = find_run(repository, plan.run)
    record = load_record(repository, found)
    if found.curation.hidden:
        click.echo(f"The run {found.run} {found.curation.why_hidden}.", err=True)
    if record.validity == PUBLISHED:
        raise UserError(
            f"{record.run} is the row of a summary, which does not say how it was measured.",
            hint="Import it with its logs: `mlrepo import PATH --round vX.Y` prints its command.",
        )
    where = Where(**{key: getattr(record, key) for key in RECORDED})
    settings = settings_of(where, record.run)
    if plan.on_this_system:
        del settings["system"]
    request = replace(request, plan=replace(plan, run=record.run))
    bench = open_bench(request, typed_arguments(ctx), trusted=trust_prefix, recorded=settings)
    if check:
        bench = replace(bench, ask=_show)
    planned = plan_replay(bench, found, record, plan.model_file)
    _report(planned)
    if planned.machine and not plan.on_this_system and not check:
        raise UserError(
            f"This machine is not the one of {record.run} ({record.system}).",
            hint="`--on-this-system` runs it all the same, recorded as this repository's system; "
            "`--system NAME` says as which.",
        )
    if check:
        if as_json:
            print_json("mlrepo.replay/1", {"differences": _differences(planned)})
        return 0
    before_runs(bench)
    label = f"{record.benchmark} {record.scenario} {record.test or record.mode}"
    asked = replace(
        planned.request,
        tags=(*request.run.tags, *planned.request.tags),
        agreement_check=request.run.agreement_check,
    )
    done = run_one(bench, asked, f"replay {label}")
    [comparison] = compare(
        [find_side(repository, one) for one in (record.run, done.record.run)], repository.rounds
    )
    if as_json:
        print_json(
            "mlrepo.replay/1",
            {
                **run_values(done),
                "differences": _differences(planned),
                "comparison": comparison_values(comparison),
            },
        )
    else:
        print_run(done)
        print_comparison(comparison)
    return exit_code(done.record.validity)


def _show(recorded: RecordedWords) -> bool:
    """Show the words that a replay would run; used with ``--check``, where nothing runs."""
    click.echo(f"{recorded}. A replay would run it, and asks before.", err=True)
    return True


def _report(plan: Replay) -> None:
    """Print to standard error how this machine differs from the recorded run."""
    for what, differences in (("machine", plan.machine), ("software", plan.software)):
        if not differences:
            click.echo(f"The {what} is that of the record.", err=True)
            continue
        click.echo(f"The {what} is not that of the record:", err=True)
        for difference in differences[:_MOST_TOLD]:
            then, now = difference.values
            click.echo(f"  {difference.name}: {then or '-'} then, {now or '-'} here", err=True)
        if len(differences) > _MOST_TOLD:
            click.echo(f"  and {len(differences) - _MOST_TOLD} more", err=True)


def _differences(plan: Replay) -> dict[str, list[dict[str, str]]]:
    def values(differences: tuple[Difference, ...]) -> list[dict[str, str]]:
        return [
            {"name": one.name, "recorded": one.values[0], "here": one.values[1]}
            for one in differences
        ]

    return {"machine": values(plan.machine), "software": values(plan.software)}
