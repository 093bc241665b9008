"""``mlrepo submit``."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, style
from mlrepo.errors import UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.delivery.attachment import Attach
    from mlrepo.delivery.steps import DeliveryPlan, Departure, Step, Submitted
    from mlrepo.repository.discovery import ResultsRepository


@click.command("submit", cls=Command)
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
@click.option(
    "--rehearse",
    is_flag=True,
    help="Take every step, but at a repository made for it, and whatever the verdict is.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --rehearse: keep that repository and the pull request's text in a new directory.",
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
@click.option(
    "--replace",
    is_flag=True,
    help="Replace a submission on whose selection yours does not build.",
)
@click.option(
    "--attach-table",
    is_flag=True,
    help="Add the results' metrics and latency percentiles to the pull request's text.",
)
@click.option("--ready", is_flag=True, help="Open the pull request for review, not as a draft.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show each step and all that would stop it; nothing leaves.",
)
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
    rehearse: bool,
    keep: Path | None,
    submitter: str | None,
    fork: str | None,
    branch: str | None,
    profile: str,
    replace: bool,
    attach_table: bool,
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
    searched for secrets and compared with the embargo, and you are asked. Each step first asks
    whether it is done: after any failure, run the same command again.

    --dry-run asks the real forge and changes nothing there; it names everything that would stop the
    submission, not only the first. --rehearse needs no forge: it makes a Git repository, pushes
    there, writes the pull request, and says what would have stopped the real submission. It works
    for short runs, too (`mlrepo select --quick`), and for benchmarks that no round accepts.

    --attach-table adds to the text what the submitted logs say: a table of the metrics of each
    result, and its latency percentiles as CSV. Nothing of another run gets in. --dry-run shows it.

    The token comes from GH_TOKEN or GITHUB_TOKEN, `gh auth token`, or Git's credential helper.

    Exit code: 0 done or rehearsed; 1 not valid; for --dry-run that of the first obstacle.

    \b
    Example:
      mlrepo submit --rehearse
      mlrepo config set official.repository https://github.com/mlcommons/submissions_inference_6_1
      mlrepo submit --check
      mlrepo submit --dry-run
      mlrepo submit
    """
    if (official_checker and not only_check) or (log and not official_checker):
        raise click.UsageError("--official-checker needs --check, and --log both of them.")
    if only_check + rehearse + dry_run > 1:
        raise click.UsageError("--check, --dry-run and --rehearse exclude each other.")
    if keep and not rehearse:
        raise click.UsageError("--keep belongs to --rehearse.")
    if attach_table and only_check:
        raise click.UsageError("--attach-table adds to a pull request, and --check opens none.")
    if only_check:
        from mlrepo.cli.submission.verdicts import check_selection

        return check_selection(round_, official_checker, log, as_json=as_json)
    from mlrepo.delivery.rehearsal import rehearsal_directory
    from mlrepo.delivery.steps import DeliveryPlan
    from mlrepo.delivery.submit import Submitting
    from mlrepo.forge.choice import forge_for
    from mlrepo.guard.embargo import embargo_in_force

    repository = current_repository()
    settings = resolver(repository)
    official = settings.find("official.repository")
    if not (dry_run or rehearse):
        official = settings.require("official.repository")
    embargo = embargo_in_force(repository.root, os.environ)
    for line in embargo.lifted:
        click.echo(f"Note: {line}.", err=True)
    if not (yes or dry_run or rehearse or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UserError(
            "There is no terminal on which to ask before results leave.",
            hint="`mlrepo submit --dry-run` shows what would leave; `mlrepo submit --yes` does not "
            "ask.",
        )
    with contextlib.ExitStack() as stack:
        rehearse_in = (
            stack.enter_context(rehearsal_directory(repository, keep)) if rehearse else None
        )
        plan = DeliveryPlan(
            round=settings.require("round", round_).value,
            submitter=submitter or "",
            official=official.value if official else "",
            target=settings.require("official.branch").value,
            branch=_branch(branch),
            profile=profile,
            replace=replace,
            draft=not ready,
            dry_run=dry_run,
            wait=wait,
            settings={
                "embargo": embargo.until,
                "private_remotes": ",".join(sorted(embargo.private)),
            },
            today=datetime.datetime.now(datetime.UTC).date(),
            rehearse_in=rehearse_in,
        )
        done = Submitting(
            repository,
            plan,
            lambda: forge_for(settings, os.environ, repository.root, fork=fork, timeout=timeout),
            tell=lambda step: _show_step(step, rehearse_in, to_stderr=as_json),
            confirm=(lambda departure: None) if yes or rehearse else _confirm,
            attach=_attach_to(repository) if attach_table else None,
        ).run()
    if as_json:
        print_json("mlrepo.submit/1", _as_json(done, plan, keep))
    else:
        _print_end(done, plan, keep)
    return done.obstacles[0].error.exit_code if dry_run and done.obstacles else 0


def _print_end(done: Submitted, plan: DeliveryPlan, keep: Path | None) -> None:
    for line in done.remote_said.splitlines():
        click.echo(f"  remote: {line}")
    if plan.rehearse_in is not None:
        _print_rehearsed(done, plan, keep)
    elif plan.dry_run:
        _print_attached(done)
        _print_obstacles(done, "What would stop the submission")
        click.echo("Nothing has left.")
    elif done.request is not None:
        kind = "draft pull request" if done.request.draft else "pull request"
        click.echo(f"The {kind} is {done.request.url}")


def _attach_to(repository: ResultsRepository) -> Attach:
    from mlrepo.report.attachment import attached_text

    return lambda candidate, room: attached_text(
        repository, candidate.selection, candidate.report.results, room
    )


def _print_attached(done: Submitted) -> None:
    if done.attached:
        click.echo(style("Attached to the pull request's text:", bold=True))
        click.echo(done.attached)


def _print_rehearsed(done: Submitted, plan: DeliveryPlan, keep: Path | None) -> None:
    """Say that nothing was submitted, and what would have stopped the real submission."""
    click.echo(
        style("This was a rehearsal.", bold=True) + " All steps were taken, at a Git repository "
        "that mlrepo made for it; nothing was submitted, and nothing left this machine."
    )
    _print_obstacles(done, "What would have stopped the real submission")
    if not done.obstacles:
        click.echo(
            "Nothing that is known here would have stopped the real submission; `mlrepo submit "
            "--dry-run` asks the forge, too."
        )
    if keep is None:
        click.echo("The repository was removed; --keep DIR keeps it.")
    else:
        review = shell_command(("mlrepo", "review", keep / "fork.git", done.branch))
        click.echo(
            f"The repositories and the pull request's text are in {keep}. See it as a "
            f"reviewer does: {review} --round {plan.round}"
        )


def _print_obstacles(done: Submitted, heading: str) -> None:
    if not done.obstacles:
        return
    click.echo(style(f"{heading}:", bold=True))
    for obstacle in done.obstacles:
        error = obstacle.error
        name = style(f"{obstacle.step:<12}", fg="red")
        first, *others = filter(None, (line.strip() for line in error.message.splitlines()))
        click.echo("\n    ".join([f"  {name}  {first}", *others]))
        if error.hint:
            click.echo(f"    {error.hint}")


def _branch(name: str | None) -> str:
    """Return the branch name if git accepts it; refuse others before anything is done."""
    if name is None:
        return ""
    from mlrepo.repository.remotes import is_branch_name

    if not is_branch_name(name):
        raise UserError(
            f"{name!r} is not a name that a branch can have.",
            hint="See `git help check-ref-format`.",
        )
    return name


def _show_step(step: Step, rehearse_in: Path | None, *, to_stderr: bool) -> None:
    from mlrepo.delivery.steps import STOPS, TO_DO, UNDER_WAY, WARNING

    colours = {TO_DO: "yellow", UNDER_WAY: "yellow", WARNING: "yellow", STOPS: "red"}
    colour = colours.get(step.state, "green")
    state = style(f"{step.state:<11}", fg=colour)
    detail = step.detail if rehearse_in is None else step.detail.replace(f"{rehearse_in}/", "")
    click.echo(f"{state}  {step.name:<12}  {detail}", err=to_stderr)


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
    if departure.attached:
        lines.append("The text of the pull request gets the results' metrics and percentiles, too.")
    click.echo("\n".join(lines), err=True)
    click.confirm("Submit it?", abort=True, err=True)


def _as_json(done: Submitted, plan: DeliveryPlan, keep: Path | None) -> dict[str, object]:
    rehearsed = plan.rehearse_in is not None
    # Nobody may take what was rehearsed for a request.
    request = None if rehearsed else done.request
    return {
        "dry_run": plan.dry_run,
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
        "attached": done.attached or None,
        "rehearsed": rehearsed,
        "kept": str(keep) if keep is not None else None,
        "obstacles": [
            {
                "step": obstacle.step,
                "message": obstacle.error.message,
                "hint": obstacle.error.hint,
                "exit_code": obstacle.error.exit_code,
            }
            for obstacle in done.obstacles
        ],
    }
