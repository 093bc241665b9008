"""``mlrepo select``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository, not_empty, resolver
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.proposal.selected import Selection
    from mlrepo.repository.history import RecordedRun
    from mlrepo.selection.choose import LeftOut
    from mlrepo.selection.select import Planned, SelectionPlan

_COLOURS = {"new": "green", "changed": "yellow"}
# As many rows as a person still reads; --all and --json have the rest.
_SHOWN = 20


@click.command("select")
@click.option("--best", is_flag=True, help="Of each result the best eligible run (the default).")
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="RUN",
    help="Exactly this run, with the accuracy and compliance runs that belong to it (repeatable).",
)
@click.option(
    "--from",
    "branches",
    multiple=True,
    metavar="BRANCH",
    help="Only runs of this experiment branch (repeatable).",
)
@click.option(
    "--benchmark",
    "--model",
    "benchmark",
    callback=not_empty,
    help="Only results of this benchmark.",
)
@click.option("--scenario", callback=not_empty, help="Only results of this scenario (any case).")
@click.option("--system", callback=not_empty, help="Only results of this system.")
@click.option("--division", callback=not_empty, help="Only results of this division.")
@click.option("--submitter", callback=not_empty, help="Only results of this submitter.")
@click.option(
    "--drop",
    multiple=True,
    metavar="RESULT",
    help="Take a result out again, named by the end of its path (repeatable).",
)
@click.option(
    "--only", is_flag=True, help="Forget what was selected before; else other results are kept."
)
@click.option(
    "--quick", is_flag=True, help="Take runs that are shorter than the round asks, for a rehearsal."
)
@click.option(
    "--infer",
    is_flag=True,
    help="Take results, too, that the round infers from runs of another scenario.",
)
@click.option("--round", "round_", metavar="ROUND", help="The round (default: the repository's).")
@click.option("--dry-run", is_flag=True, help="Show what would be selected; write nothing.")
@click.option("--all", "show_all", is_flag=True, help="List every run that is left out.")
@click.option("--json", "as_json", is_flag=True, help="Print the selection as JSON.")
def command(
    best: bool,
    runs: tuple[str, ...],
    branches: tuple[str, ...],
    benchmark: str | None,
    scenario: str | None,
    system: str | None,
    division: str | None,
    submitter: str | None,
    drop: tuple[str, ...],
    only: bool,
    quick: bool,
    infer: bool,
    round_: str | None,
    dry_run: bool,
    show_all: bool,
    as_json: bool,
) -> int:
    """Take recorded runs into the submission of the round.

    Runs of all experiment branches, local and fetched, are candidates. A result is taken whole or
    not at all: a performance run, an accuracy run and the compliance tests of one configuration.
    With --infer a required scenario without runs takes those of the scenario from which the round
    infers it, in its own directory, as the checkers want them.
    The submission is generated as a commit on the branch submission/ROUND; neither the working
    tree nor any other branch is touched. Without options everything is decided anew; with them,
    only what they name, and the other selected results are kept.

    What you write yourself (code, calibration.md, documentation) is taken from the directory
    DIVISION/SUBMITTER of the commit that is checked out, descriptions of systems from its systems/.

    Exit code: 0 selected; 1 nothing could be selected.

    \b
    Example:
      mlrepo select --dry-run
      mlrepo select
      mlrepo select --run 3fa9c1
      mlrepo select --from exp/box --scenario offline
      mlrepo select --drop digits/Server
    """
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.identity import git_identity
    from mlrepo.scenarios import scenario as scenario_named
    from mlrepo.selection.select import plan_selection, write_plan
    from mlrepo.selection.wanted import Wanted

    if best and runs:
        raise UserError("--best and --run exclude each other.", hint="Leave one of them out.")
    repository = current_repository()
    rules = repository.rounds[resolver(repository).require("round", round_).value]
    identity = None if dry_run else git_identity(repository.root)
    wanted = Wanted(
        benchmark=benchmark or "",
        scenario=scenario_named(scenario).name if scenario else "",
        system=system or "",
        division=(division or "").lower(),
        submitter=submitter or "",
        runs=runs,
        experiments=tuple(Experiment.parse(branch) for branch in branches),
        drop=drop,
        only=only,
        quick=quick,
        infer=infer,
    )
    plan = plan_selection(repository, rules, wanted)
    selection = None
    if plan.results and identity is not None:
        selection = write_plan(repository, identity, plan)
    if as_json:
        print_json("mlrepo.select/2", _values(plan, selection))
    else:
        _print(plan, selection, show_all=show_all)
    return 0 if plan.results else 1


def _print(plan: SelectionPlan, selection: Selection | None, *, show_all: bool) -> None:
    if plan.results:
        print_table(
            ("", "SUBMITTER", "SUT", "BENCHMARK", "SCENARIO", "RESULT", "ACCURACY", "RUNS"),
            [_row(planned) for planned in plan.results],
            right=(5, 6),
            drop=("RUNS", "SUBMITTER", "ACCURACY", "SUT"),
        )
        for path in plan.dropped:
            click.echo(f"No longer selected: {path}")
    _print_left_out(plan.left_out, show_all=show_all)
    for note in plan.composition.notes:
        click.echo(f"{style('Note:', fg='yellow')} {note}")
    if selection is not None:
        click.echo(
            f"{len(plan.results)} selected for {plan.round.name}: commit {selection.commit[:10]} "
            f"on {selection.branch}. Next: mlrepo submit --check"
        )
    elif not plan.results:
        click.echo(
            f"Nothing can be selected for {plan.round.name}. `mlrepo status` shows what is missing "
            "and the command that fills it; --quick takes short runs, for a rehearsal.",
            err=True,
        )


def _row(planned: Planned) -> tuple[str, ...]:
    result = planned.result
    record = result.performance.record
    return (
        style(planned.state, fg=_COLOURS.get(planned.state)),
        f"{record.division}/{record.submitter}",
        record.sut,
        record.benchmark,
        f"{result.scenario} (from {record.scenario})" if result.is_inferred else result.scenario,
        str(planned.metric),
        str(result.accuracy.record.result),
        " ".join(candidate.run.run[-6:] for candidate in result.runs),
    )


def _print_left_out(left_out: tuple[LeftOut, ...], *, show_all: bool) -> None:
    if not left_out:
        return
    shown = left_out if show_all else left_out[:_SHOWN]
    click.echo()
    print_table(
        ("LEFT OUT", "SYSTEM", "BENCHMARK", "SCENARIO", "RUN", "BECAUSE"),
        [_left_out_row(out.run, out.reason) for out in shown],
        drop=("SYSTEM", "RUN", "SCENARIO", "BENCHMARK"),
        tail="LEFT OUT",
        wrap="BECAUSE",
    )
    if len(shown) < len(left_out):
        click.echo(f"… and {len(left_out) - len(shown)} more; --all lists them.")
    click.echo()


def _left_out_row(run: RecordedRun, reason: str) -> tuple[str, ...]:
    return (
        run.run,
        run.trailer("System"),
        run.trailer("Benchmark"),
        run.trailer("Scenario"),
        run.trailer("Test") or run.trailer("Mode"),
        reason,
    )


def _values(plan: SelectionPlan, selection: Selection | None) -> dict[str, object]:
    return {
        "round": plan.round.name,
        "written": selection is not None,
        "branch": selection.branch if selection else None,
        "commit": selection.commit if selection else None,
        "results": [_result_values(planned) for planned in plan.results],
        "dropped": list(plan.dropped),
        "left_out": [{"run": out.run.run, "reason": out.reason} for out in plan.left_out],
        "notes": list(plan.composition.notes),
    }


def _result_values(planned: Planned) -> dict[str, object]:
    result = planned.result
    record = result.performance.record
    return {
        "path": str(result.path),
        "state": planned.state,
        "division": record.division,
        "submitter": record.submitter,
        "system": record.system,
        "sut": record.sut,
        "benchmark": record.benchmark,
        "scenario": result.scenario,
        "inferred_from": record.scenario if result.is_inferred else None,
        "result": {"value": planned.metric.value, "unit": planned.metric.unit},
        "accuracy": {
            "value": result.accuracy.record.result.value,
            "unit": result.accuracy.record.result.unit,
        },
        "runs": {
            candidate.record.test or candidate.record.mode: candidate.run.run
            for candidate in result.runs
        },
    }
