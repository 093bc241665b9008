"""``mlrepo run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.records.show import act_values
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.curation.withdraw import Decision
    from mlrepo.repository.discovery import ResultsRepository

json_option = click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
runs_argument = click.argument("runs", nargs=-1, required=True, metavar="RUN...")


@click.group("run")
def command() -> None:
    """Withdraw, restore and annotate recorded runs.

    What is decided about a run is a commit of its own on the run's experiment branch: nothing that
    was recorded is changed or lost, and each decision can be taken back. A new run is made by
    `mlrepo bench run`.

    \b
    Example:
      mlrepo run withdraw 3fa9c1 --why "the fan was broken"
      mlrepo run restore 3fa9c1
    """


@command.command("withdraw")
@runs_argument
@click.option("--why", metavar="TEXT", help="The reason; it is recorded.")
@json_option
def withdraw(runs: tuple[str, ...], why: str | None, as_json: bool) -> None:
    """Let runs count no longer: `log`, `status`, `select` and `compare` leave them out.

    The runs and their logs stay recorded; `mlrepo log --withdrawn` lists them. A result that had
    one of them in the layout of the round gets the best other run by the usual rules, or none.

    \b
    Example:
      mlrepo run withdraw 3fa9c1 --why "the fan was broken"
    """
    from mlrepo.curation.decide import named_runs
    from mlrepo.curation.withdraw import withdraw as withdraw_runs
    from mlrepo.repository.identity import git_identity

    if why is None:
        raise UserError(
            "The reason is missing.",
            hint='Say why, for those who look for the run: --why "the fan was broken".',
        )
    repository = current_repository()
    found = named_runs(repository, runs)
    done = withdraw_runs(repository, git_identity(repository.root), found, why)
    if not as_json:
        for run in done.unchanged:
            click.echo(f"{run.run} was withdrawn before: {run.withdrawn}")
    _print(repository, done, "Withdrew", as_json=as_json)


@command.command("restore")
@runs_argument
@click.option("--why", default="", metavar="TEXT", help="The reason; it is recorded.")
@json_option
def restore(runs: tuple[str, ...], why: str, as_json: bool) -> None:
    """Let withdrawn runs count again.

    \b
    Example:
      mlrepo run restore 3fa9c1
    """
    from mlrepo.curation.decide import named_runs
    from mlrepo.curation.withdraw import restore as restore_runs
    from mlrepo.repository.identity import git_identity

    repository = current_repository()
    found = named_runs(repository, runs)
    done = restore_runs(repository, git_identity(repository.root), found, why)
    if not as_json:
        for run in done.unchanged:
            click.echo(f"{run.run} is not withdrawn.")
    _print(repository, done, "Restored", as_json=as_json)


def _print(repository: ResultsRepository, done: Decision, verb: str, *, as_json: bool) -> None:
    from mlrepo.curation.decide import described, said_replaced
    from mlrepo.curation.selected import rounds_that_select

    selected = rounds_that_select(repository, [act.run for act in done.acts])
    if as_json:
        values = decision_values(done)
        print_json("mlrepo.acts/1", {**values, "selected": selected})
        return
    for run in done.runs:
        click.echo(f"{verb} {run.run}: {described(run)}")
    for branch in done.branches:
        click.echo(f"  recorded as {branch.commit[:10]} on {branch.branch}")
        for replaced in branch.replaced:
            click.echo(f"  {said_replaced(replaced)}")
        for remote in branch.published:
            click.echo(f"  {remote} does not know it yet: git push {remote} {branch.branch}")
    for round_, ids in selected.items():
        click.echo(
            f"  selected for {round_}: {', '.join(ids)}; `mlrepo select` decides the result anew"
        )


def decision_values(done: Decision) -> dict[str, object]:
    """Return what was done, for JSON output."""
    return {
        "acts": [act_values(act) for act in done.acts],
        "unchanged": [run.run for run in done.unchanged],
        "branches": [
            {
                "branch": branch.branch,
                "commit": branch.commit,
                "published": list(branch.published),
                "layout": [
                    {"path": str(one.path), "before": one.before, "now": one.now}
                    for one in branch.replaced
                ],
            }
            for branch in done.branches
        ],
    }
