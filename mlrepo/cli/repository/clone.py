"""``mlrepo clone``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import resolver
from mlrepo.errors import RemoteUnavailable
from mlrepo.redaction import Redactor
from mlrepo.settings import FILE_NAME
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.repository.cloning import Cloned


@click.command("clone", cls=Command)
@click.argument("url")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def command(url: str, directory: Path | None) -> None:
    """Get a results repository from a URL.

    All experiment branches come along; `mlrepo log` lists their runs at once. If the remote's HEAD
    names no branch, the one with mlrepo.toml is checked out. The Git hooks are installed as by
    `mlrepo init`. What the repository's .pre-commit-config.yaml would run besides mlrepo's own
    hooks is shown, and installed only with your consent.

    \b
    Example:
      mlrepo clone git@example.com:team/results.git
    """
    from mlrepo.repository.cloning import clone

    name = (
        url.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    )
    try:
        done = clone(url, directory or Path(name or "results"))
    except RemoteUnavailable as error:
        # A URL may contain a password, and messages end up in logs that others read.
        message, _ = Redactor().text(error.message)
        raise RemoteUnavailable(message, hint=error.hint) from None
    for line in done.said:
        click.echo(f"git: {Redactor().text(line)[0]}", err=True)
    click.echo(f"Cloned into {done.root}")
    if done.began:
        click.echo(
            f"The remote has no {done.branch}: it begins here at commit {done.began[:10]}, which "
            f"added {FILE_NAME}. To share it: git -C {quoted(done.root)} push -u origin "
            f"{done.branch}"
        )
    elif done.branch and done.said:
        click.echo(f"The branch {done.branch} is checked out.")
    if (done.root / FILE_NAME).exists():
        _install_hooks(done.root)
    else:
        click.echo(_how_to_begin(done))


def _how_to_begin(done: Cloned) -> str:
    """Return what makes a clone without settings a results repository: a command that works."""
    there = quoted(done.root)
    init = f"cd {there} && mlrepo init"
    if done.is_empty:
        return f"The repository is empty. To begin: {init} --submitter NAME --division open"
    if done.elsewhere:
        on = f" on {done.branch}" if done.branch else ""
        return (
            f"It has no {FILE_NAME}{on}. There is another branch: git -C {there} switch "
            f"{quoted(done.elsewhere[0])}"
        )
    adopt = f"{init} --adopt --submitter NAME --division open"
    if not (done.root / "README.md").is_file():
        adopt = adopt.replace("mlrepo init", "echo Results > README.md && mlrepo init", 1)
    return f"It has no {FILE_NAME} yet. Turn it into a results repository with: {adopt}"


def _install_hooks(root: Path) -> None:
    from mlrepo.cli.machine.trust import ask_about_hooks
    from mlrepo.repository.discovery import find_repository
    from mlrepo.repository.hook_install import install_hooks

    repository = find_repository(root)
    ask_about_hooks(repository)
    hooks = install_hooks(repository, resolver(repository).require("hooks").value)
    for line in hooks.lines():
        click.echo(line)
    if resolver(repository).find("system") is None:
        click.echo(
            "To record runs, describe this machine with `mlrepo system add NAME`, or choose a "
            "description with `mlrepo system use NAME`."
        )
