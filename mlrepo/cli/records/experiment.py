"""``mlrepo experiment``."""

from __future__ import annotations

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json


@click.group("experiment", cls=Group)
def command() -> None:
    """Rename experiments, the branches that runs are recorded on.

    \b
    Example:
      mlrepo experiment rename laptop tuning
    """


@command.command("rename")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def rename(old: str, new: str, as_json: bool) -> None:
    """Rename the experiment OLD to NEW.

    Its branch keeps all commits, and one more says the new name. A remote keeps the old branch
    until you push the new one and delete the old one there; in other clones, the same command
    renames their branch.

    \b
    Example:
      mlrepo experiment rename laptop tuning
    """
    from mlrepo.repository.experiment_rename import rename_experiment
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.identity import git_identity

    repository = current_repository()
    done = rename_experiment(
        repository, git_identity(repository.root), Experiment.parse(old), Experiment.parse(new)
    )
    if as_json:
        print_json(
            "mlrepo.experiment/1",
            {
                "old": done.old.name,
                "new": done.new.name,
                "commit": done.commit,
                "old_on": list(done.old_on),
                "new_on": list(done.new_on),
            },
        )
        return
    click.echo(f"Renamed {done.old.branch} to {done.new.branch} (commit {done.commit[:10]}).")
    for remote in done.old_on:
        if remote in done.new_on:
            continue
        click.echo(
            f"{remote} still has {done.old.branch}. To rename it there: "
            f"git push {remote} {done.new.branch} && git push {remote} --delete {done.old.branch}"
        )
    for remote in done.new_on:
        click.echo(f"{remote} has {done.new.branch} already: `mlrepo sync` merges the two.")
    click.echo("New runs go to the experiment that --experiment of `mlrepo bench` names.")
