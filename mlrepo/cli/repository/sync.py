"""``mlrepo sync``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table, style

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.sync.report import SyncReport, Traffic


@click.command("sync", cls=Command)
@click.option("--hub", help="The remote to exchange with (default: the setting hub, origin).")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Exchange by this file instead: bring in what it holds, and write it anew.",
)
@click.option("--offline", is_flag=True, help="Contact nobody; say what waits to go.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(hub: str | None, bundle: Path | None, offline: bool, as_json: bool) -> int:
    """Exchange runs with the others: fetch their experiment branches, push those of this clone.

    Where two machines recorded on one branch, mlrepo merges them: every run stays, and which runs
    the results have is decided anew by the rules. Nothing is forced, and no working tree is
    touched: a branch that is checked out stays where it is.

    Exit code: 0 when all runs are exchanged, 1 when a branch needs a decision, 69 when the hub
    does not answer or refuses.

    \b
    Example:
      mlrepo sync
      mlrepo sync --bundle /media/stick/team.bundle
    """
    from mlrepo.sync.synchronise import synchronise, synchronise_by_bundle

    if bundle is not None and (hub is not None or offline):
        raise click.UsageError("--bundle takes the place of a hub: leave out --hub and --offline.")
    repository = current_repository()
    if bundle is not None:
        report = synchronise_by_bundle(repository, bundle.absolute(), dict(os.environ))
    else:
        name = resolver(repository).require("hub", hub).value
        report = synchronise(repository, name, dict(os.environ), offline=offline)
    if as_json:
        print_json("mlrepo.sync/1", _values(report))
    else:
        _print(report)
        _print_upstream(repository)
    if report.problem is not None:
        raise report.problem
    return 0 if report.complete else 1


def _print(report: SyncReport) -> None:
    for line in report.lifted:
        click.echo(f"mlrepo: {line}.", err=True)
    machines = _machines(report.came, report.went)
    if machines:
        rows = [(name, str(came or ""), str(went or "")) for name, came, went in machines]
        print_table(("SYSTEM", "CAME", "WENT"), rows, right=(1, 2))
    for what, traffic in (("came", report.came), ("went", report.went)):
        if traffic.acts:
            click.echo(f"{_number(traffic.acts, 'decision')} about runs {what}.")
    for merged in report.merged:
        click.echo(f"{style('Merged', fg='green')} {merged.branch}: commit {merged.commit[:10]}.")
        for one in merged.decided:
            click.echo(f"  {one.path} has {one.now or 'no run'} now.")
    if report.forwarded:
        click.echo(f"Moved to what was fetched: {', '.join(report.forwarded)}.")
    for kept in report.kept:
        word = style("Stays" if not kept.refused else "Not exchanged", fg="yellow")
        click.echo(f"{word}: {kept.branch}: {kept.why}.")
        click.echo(f"  {kept.hint}")
    if report.strange:
        click.echo(
            f"Left alone, since no experiment can have such a name: {', '.join(report.strange)}."
        )
    if report.waiting:
        click.echo(f"Waiting to go to {report.hub}: {', '.join(report.waiting)}.")
    if report.contacted and report.complete and not report.changed:
        agree = _number(report.experiments, "experiment branch", "experiment branches")
        click.echo(f"Nothing new: {report.hub} ({report.url}) has {agree}.")


def _print_upstream(repository: ResultsRepository) -> None:
    """Say if settings and descriptions of the checked-out branch are not those of its upstream."""
    from mlrepo.repository.behind import ahead_of_upstream, behind_upstream

    behind, ahead = behind_upstream(repository), ahead_of_upstream(repository)
    if behind is not None:
        click.echo(f"{behind}: `git pull` takes them.", err=True)
    if ahead is not None:
        click.echo(f"{ahead}: `git push` shares them.", err=True)


def _machines(came: Traffic, went: Traffic) -> list[tuple[str, int, int]]:
    counted = {one.system: [one.runs, 0] for one in came.machines}
    for one in went.machines:
        counted.setdefault(one.system, [0, 0])[1] = one.runs
    return [(system, pair[0], pair[1]) for system, pair in sorted(counted.items())]


def _number(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number} {many or one + 's'}"


def _values(report: SyncReport) -> dict[str, object]:
    return {
        "hub": report.hub,
        "url": report.url,
        "contacted": report.contacted,
        "came": _traffic(report.came),
        "went": _traffic(report.went),
        "forwarded": list(report.forwarded),
        "merged": [
            {
                "branch": one.branch,
                "commit": one.commit,
                "decided": [{"path": str(each.path), "run": each.now} for each in one.decided],
            }
            for one in report.merged
        ],
        "pushed": list(report.pushed),
        "waiting": list(report.waiting),
        "kept": [vars(one) for one in report.kept],
        "strange": list(report.strange),
        "experiments": report.experiments,
        "complete": report.complete,
        "problem": report.problem.message if report.problem else None,
    }


def _traffic(traffic: Traffic) -> dict[str, object]:
    return {
        "runs": {one.system: one.runs for one in traffic.machines},
        "decisions": traffic.acts,
    }
