"""``mlrepo submit``."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.delivery.steps import Departure, Step, Submitted


@click.command("submit")
@click.option("--round", "round_", metavar="ROUND", help="The round, such as v6.1.")
@click.option("--check", "only_check", is_flag=True, help="Judge what is selected; ask no server.")
@click.option(
    "--official-checker",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="With --check: ask MLCommons' own checker too, in a checkout of mlcommons/inference.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --official-checker: keep what that checker prints.",
)
@click.option("--submitter", metavar="NAME", help="Whose results, if several are selected.")
@click.option("--fork", metavar="REPO", help="Where to push: OWNER, OWNER/NAME or a URL.")
@click.option("--branch", metavar="NAME", help="The branch of the fork.")
@click.option(
    "--profile",
    type=click.Choice(("strict", "official")),
    default="strict",
    show_default=True,
    help="By which verdict of `mlrepo check` the submission must be valid.",
)
@click.option("--ready", is_flag=True, help="Open the pull request for review, not as a draft.")
@click.option("--dry-run", is_flag=True, help="Show each step; nothing leaves.")
@click.option("--yes", is_flag=True, help="Do not ask before something leaves.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a fork that is being made.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the forge may take to answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    round_: str | None,
    only_check: bool,
    official_checker: Path | None,
    log: Path | None,
    submitter: str | None,
    fork: str | None,
    branch: str | None,
    profile: str,
    ready: bool,
    dry_run: bool,
    yes: bool,
    wait: float,
    timeout: float,
    as_json: bool,
) -> int:
    """Open the pull request that submits what is selected for a round.

    The selection becomes one commit with exactly DIVISION/SUBMITTER/ on top of the official
    repository (settings official.*), pushed to your fork. Before anything leaves, it is checked,
    searched for secrets and held against the embargo, and you are asked. Each step first asks
    whether it is done: after any failure, run the same command again.

    The token comes from GH_TOKEN or GITHUB_TOKEN, `gh auth token`, or Git's credential helper.

    \b
    Example:
      mlrepo config set official.repository https://github.com/mlcommons/submissions_inference_6_1
      mlrepo submit --check
      mlrepo submit --dry-run
      mlrepo submit
    """
    if (official_checker and not only_check) or (log and not official_checker):
        raise click.UsageError("--official-checker needs --check, and --log both of them.")
    if only_check:
        from mlrepo.cli.submission.verdicts import check_selection

        return check_selection(round_, official_checker, log, as_json=as_json)
    from mlrepo.delivery.steps import DeliveryPlan
    from mlrepo.delivery.submit import Submitting
    from mlrepo.forge.choice import forge_for
    from mlrepo.guard.embargo import embargo_in_force

    repository = current_repository()
    settings = resolver(repository)
    settings.require("official.repository")
    embargo = embargo_in_force(repository.root, os.environ)
    for line in embargo.lifted:
        click.echo(f"Note: {line}.", err=True)
    plan = DeliveryPlan(
        round=settings.require("round", round_).value,
        submitter=submitter or "",
        target=settings.require("official.branch").value,
        branch=_branch(branch),
        profile=profile,
        draft=not ready,
        dry_run=dry_run,
        wait=wait,
        settings={"embargo": embargo.until, "private_remotes": ",".join(sorted(embargo.private))},
        today=datetime.datetime.now(datetime.UTC).date(),
    )
    if not (yes or dry_run or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UserError(
            "There is no terminal to ask on before results leave.",
            hint="`mlrepo submit --dry-run` shows what would leave; `mlrepo submit --yes` goes on.",
        )
    done = Submitting(
        repository,
        plan,
        lambda: forge_for(settings, os.environ, repository.root, fork=fork, timeout=timeout),
        tell=lambda step: _tell(step, to_stderr=as_json),
        confirm=(lambda departure: None) if yes else _confirm,
    ).run()
    if as_json:
        print_json("mlrepo.submit/1", _as_json(done, dry_run=dry_run))
        return 0
    for line in done.remote_said.splitlines():
        click.echo(f"  remote: {line}")
    if dry_run:
        click.echo("Nothing has left.")
    elif done.request is not None:
        kind = "draft pull request" if done.request.draft else "pull request"
        click.echo(f"The {kind} is {done.request.url}")
    return 0


def _branch(name: str | None) -> str:
    """Return the branch name if git accepts it; refuse others before anything is done."""
    if name is None:
        return ""
    from mlrepo.repository.remotes import is_branch_name

    if not is_branch_name(name):
        raise UserError(
            f"{name!r} is no name for a branch.", hint="See `git help check-ref-format`."
        )
    return name


def _tell(step: Step, *, to_stderr: bool) -> None:
    from mlrepo.delivery.steps import TO_DO, UNDER_WAY

    colour = "yellow" if step.state in (TO_DO, UNDER_WAY) else "green"
    state = style(f"{step.state:<11}", fg=colour)
    click.echo(f"{state}  {step.name:<12}  {step.detail}", err=to_stderr)


def _confirm(departure: Departure) -> None:
    size = sum(blob.size for blob in departure.outgoing.blobs)
    readers = {
        True: "Anybody can read it.",
        False: "It is private.",
        None: "Who can read it is not known.",
    }[departure.public]
    lines = [f"About to push to {departure.fork}, branch {departure.branch}. {readers}"]
    if departure.replaces:
        lines.append(f"This replaces the submission there ({departure.replaces[:10]}).")
    if departure.outgoing.blobs:
        lines.append(f"{len(departure.outgoing.blobs)} new file contents leave, {size} bytes.")
    if departure.changes.deleted:
        lines.append(
            f"{departure.changes.deleted} files that the official repository has are deleted: they "
            "are not selected."
        )
    lines.append(f"Then {departure.official} is asked to take it.")
    click.echo("\n".join(lines), err=True)
    click.confirm("Go on?", abort=True, err=True)


def _as_json(done: Submitted, *, dry_run: bool) -> dict[str, object]:
    request = done.request
    return {
        "dry_run": dry_run,
        "steps": [
            {"name": step.name, "state": step.state, "detail": step.detail} for step in done.steps
        ],
        "fork": done.fork,
        "branch": done.branch,
        "commit": done.commit,
        "outgoing": {
            "files": len(done.outgoing.blobs),
            "bytes": sum(blob.size for blob in done.outgoing.blobs),
        },
        "pull_request": None
        if request is None
        else {
            "number": request.number,
            "url": request.url,
            "state": request.state,
            "draft": request.draft,
        },
    }
