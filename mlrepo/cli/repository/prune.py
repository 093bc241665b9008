"""``mlrepo prune``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.curation.prune import Prunable


@click.command("prune", cls=Command)
@click.option("--dry-run", is_flag=True, help="Say what can go and what it frees; change nothing.")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=14.0,
    show_default=True,
    metavar="DAYS",
    help="Keep what was recorded later than this: a stopped search for a peak resumes from it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what can go, or went, as JSON.")
def command(dry_run: bool, days: float, yes: bool, as_json: bool) -> None:
    """Remove probes, FAILED runs and full logs that no run needs.

    The runs leave the tips of the experiment branches, in a commit that says so, and are no longer
    listed. Git's history keeps them: `mlrepo log --withdrawn` lists them, and `mlrepo run restore`
    brings one back, without its full log. Runs in a result or a selection stay.

    \b
    Example:
      mlrepo prune --dry-run
      mlrepo prune --older-than 30
    """
    from mlrepo.curation.prune import find_prunable, prune
    from mlrepo.repository.disk import readable_size
    from mlrepo.repository.identity import git_identity

    repository = current_repository()
    found = find_prunable(repository, days)
    if dry_run or found.is_empty:
        if as_json:
            print_json("mlrepo.prune/1", {"pruned": False, **_values(found)})
        else:
            _print(found, days)
        return
    if not as_json:
        _print(found, days)
    if not yes and not sys.stdin.isatty():
        raise UserError(
            "Nobody can be asked here, so nothing was pruned.",
            hint="--yes prunes without a question; --dry-run only says what can go.",
        )
    if not yes:
        click.confirm("Prune them?", abort=True, err=as_json)
    done = prune(repository, git_identity(repository.root), found, days)
    if as_json:
        print_json("mlrepo.prune/1", {"pruned": True, **_values(found)})
        return
    runs, logs = _count(len(done.decision.runs), "run"), _count(len(done.logs.old), "full log")
    click.echo(f"Pruned {runs} and {logs}, {readable_size(done.logs.size)}.")
    for branch in done.decision.branches:
        click.echo(f"  recorded as {branch.commit[:10]} on {branch.branch}")
    if any(branch.published for branch in done.decision.branches):
        click.echo("Others see it after `mlrepo sync`.")


def _print(found: Prunable, days: float) -> None:
    from mlrepo.repository.disk import readable_size

    if found.is_empty:
        click.echo(
            f"Nothing can go: no probe, no FAILED run and no full log that nothing needs is older "
            f"than {days:g} days."
        )
        return
    if found.runs:
        probes = _count(len(found.runs) - found.failed, "probe")
        files, size = found.files, readable_size(found.files.size)
        click.echo(
            f"{probes} and {_count(found.failed, 'FAILED run')} on {', '.join(files.branches)}: "
            f"{_count(files.number, 'file')}, {size}, less in each checkout and "
            "export. Git's history keeps them."
        )
    if found.logs.old:
        click.echo(
            f"{_count(len(found.logs.old), 'full log')} that nothing else needs: "
            f"{readable_size(found.logs.size)} of disk. They are deleted for good."
        )


def _values(found: Prunable) -> dict[str, object]:
    return {
        "runs": [
            {"run": run.run, "validity": run.trailer("Validity"), "tags": list(run.tags)}
            for run in found.runs
        ],
        "branches": list(found.files.branches),
        "files": {"number": found.files.number, "size": found.files.size},
        "logs": [{"sha256": sha256, "size": size} for sha256, size in found.logs.old],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
