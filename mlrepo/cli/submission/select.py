"""``mlrepo select``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, not_empty, resolver
from mlrepo.cli.fetched import fetch_values, print_last_fetch
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.proposal.selected import Selection
    from mlrepo.repository.history import RecordedRun
    from mlrepo.selection.ready_plan import PlannedReady
    from mlrepo.selection.select import Planned, SelectionPlan

_COLOURS = {"new": "green", "changed": "yellow"}
# As many rows as a person still reads; --all and --json have the rest.
_SHOWN = 20


@click.command("select", cls=Command)
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
    "--from-tree",
    "from_tree",
    metavar="PATH|COMMIT",
    callback=not_empty,
    help="Ready-made results of another harness: a directory that holds closed/ or open/, or a "
    "commit. Their bytes are kept.",
)
@click.option(
    "--profile",
    type=click.Choice(("strict", "official")),
    default="strict",
    show_default=True,
    help="With --from-tree: by which verdict of `mlrepo check` a result must be valid.",
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
    "--quick",
    is_flag=True,
    help="For a rehearsal: take runs that are shorter than the round requires, benchmarks that it "
    "does not have, and results that lack compliance tests.",
)
@click.option(
    "--infer",
    is_flag=True,
    help="Take results, too, that the round infers from runs of another scenario.",
)
@click.option("--round", "round_", metavar="ROUND", help="The round (default: the repository's).")
@click.option(
    "--dry-run", is_flag=True, help="Show what would be selected; what is selected stays."
)
@click.option("--all", "show_all", is_flag=True, help="List every run that is left out.")
@click.option("--json", "as_json", is_flag=True, help="Print the selection as JSON.")
def command(
    best: bool,
    runs: tuple[str, ...],
    branches: tuple[str, ...],
    from_tree: str | None,
    profile: str,
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

    --from-tree takes results that another harness made, in the layout of the round: those that
    the options name and that are valid, each with its system, measurements and compliance tests,
    and the code and documents beside them. The selection says where they are from. They stay
    selected until --drop or --only; a result that recorded runs give, too, is refused.

    Exit code: 0 selected; 1 nothing could be selected.

    \b
    Example:
      mlrepo select --dry-run
      mlrepo select
      mlrepo select --run 3fa9c1
      mlrepo select --from exp/box --scenario offline
      mlrepo select --drop digits/Server
      mlrepo select --from-tree ../harness/build/submission --system box
    """
    from mlrepo.cli.submission.ready_source import chosen_ready
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.identity import git_identity
    from mlrepo.scenarios import scenario as scenario_named
    from mlrepo.selection.select import plan_selection, write_plan
    from mlrepo.selection.wanted import Wanted

    if best and runs:
        raise UserError("--best and --run exclude each other.", hint="Leave one of them out.")
    if from_tree and (best or runs or branches or quick or infer):
        raise UserError(
            "--from-tree takes no recorded runs: --best, --run, --from, --quick and --infer do not "
            "go with it.",
            hint="Select twice: what the first command selected is kept by the second.",
        )
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
        ready_made=from_tree is not None,
        only=only,
        quick=quick,
        infer=infer,
    )
    with chosen_ready(repository, rules, wanted, from_tree, profile) as ready:
        plan = plan_selection(repository, rules, wanted, ready)
    selection = None
    if plan.count and identity is not None:
        selection = write_plan(repository, identity, plan)
    if as_json:
        fetched = fetch_values(repository)
        print_json("mlrepo.select/2", {**_values(plan, selection), "fetched": fetched})
    else:
        print_last_fetch(repository)
        _print(plan, selection, quick=quick, show_all=show_all)
    return 0 if plan.count else 1


def _print(
    plan: SelectionPlan, selection: Selection | None, *, quick: bool, show_all: bool
) -> None:
    if plan.count:
        print_table(
            ("", "SUBMITTER", "SUT", "BENCHMARK", "SCENARIO", "RESULT", "ACCURACY", "RUNS"),
            [*map(_row, plan.results), *map(_ready_row, plan.ready.results)],
            right=(5, 6),
            drop=("RUNS", "SUBMITTER", "ACCURACY", "SUT"),
        )
    for source in sorted({one.source for one in plan.ready.results}):
        number = sum(one.source == source for one in plan.ready.results)
        click.echo(f"Ready-made: {number} from {source}")
    for path in plan.dropped:
        click.echo(f"No longer selected: {path}")
    left_out = [(_left_out_name(out.run), out.reason) for out in plan.left_out]
    left_out += [(out.path, out.reason) for out in plan.ready.not_taken]
    _print_left_out(left_out, show_all=show_all)
    for note in plan.composition.notes:
        click.echo(f"{style('Note:', fg='yellow')} {note}")
    if selection is not None:
        following = "--rehearse" if quick else "--check"
        click.echo(
            f"{plan.count} selected for {plan.round.name}: commit {selection.commit[:10]} "
            f"on {selection.branch}. Next: mlrepo submit {following}"
        )
    elif not plan.count and plan.ready.not_taken:
        click.echo(
            "Nothing can be selected: none of these results is valid. `mlrepo check` of the tree "
            "shows all findings.",
            err=True,
        )
    elif not plan.count:
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


def _ready_row(planned: PlannedReady) -> tuple[str, ...]:
    division, submitter, _, system, benchmark, scenario = planned.path.split("/")
    return (
        style(planned.state, fg=_COLOURS.get(planned.state)),
        f"{division}/{submitter}",
        system,
        benchmark,
        scenario,
        "" if planned.metric.value is None else str(planned.metric),
        planned.accuracy,
        "ready-made",
    )


def _print_left_out(left_out: list[tuple[str, str]], *, show_all: bool) -> None:
    """Print what is left out by reason: the reason is what a person looks for, at any width."""
    if not left_out:
        return
    shown = left_out if show_all else left_out[:_SHOWN]
    click.echo()
    click.echo(style("Left out:", bold=True))
    for reason in dict.fromkeys(reason for _, reason in shown):
        click.echo(f"  {reason}")
        for name in (name for name, why in shown if why == reason):
            click.echo(f"    {name}")
    if len(shown) < len(left_out):
        click.echo(f"… and {len(left_out) - len(shown)} more; --all lists them.")
    click.echo()


def _left_out_name(run: RecordedRun) -> str:
    names = ("System", "Benchmark", "Scenario")
    what = " ".join(run.trailer(name) for name in names)
    return f"{run.run}  {what} {run.trailer('Test') or run.trailer('Mode')}"


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
        "ready_made": [
            {
                "path": one.path,
                "state": one.state,
                "source": one.source,
                "result": {"value": one.metric.value, "unit": one.metric.unit},
                "accuracy": one.accuracy,
            }
            for one in plan.ready.results
        ],
        "not_taken": [{"path": one.path, "reason": one.reason} for one in plan.ready.not_taken],
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
