"""``mlrepo clone``."""

from __future__ import annotations

from pathlib import Path

import click

from mlrepo.cli.context import resolver
from mlrepo.errors import RemoteUnavailable
from mlrepo.redaction import Redactor
from mlrepo.settings import FILE_NAME
from mlrepo.shell import quoted


@click.command("clone")
@click.argument("url")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def command(url: str, directory: Path | None) -> None:
    """Get a results repository from a URL.

    All experiment branches come along; `mlrepo log` lists their runs at once. The Git hooks are
    installed as by `mlrepo init`. What the repository's .pre-commit-config.yaml would run besides
    mlrepo's own hooks is shown, and laid only with your consent.

    \b
    Example:
      mlrepo clone git@example.com:team/results.git
    """
    from mlrepo.repository.scaffold import clone

    name = (
        url.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    )
    try:
        root = clone(url, directory or Path(name or "results"))
    except RemoteUnavailable as error:
        # A URL may contain a password, and messages end up in logs that others read.
        message, _ = Redactor().text(error.message)
        raise RemoteUnavailable(message, hint=error.hint) from None
    click.echo(f"Cloned into {root}")
    if (root / FILE_NAME).exists():
        _install_hooks(root)
    if not (root / FILE_NAME).exists():
        click.echo(
            f"It has no {FILE_NAME} yet. Turn it into a results repository with: "
            f"cd {quoted(root)} && mlrepo init --adopt --submitter NAME --division open"
        )


def _install_hooks(root: Path) -> None:
    from mlrepo.cli.machine.trust import ask_about_hooks
    from mlrepo.repository.discovery import find_repository
    from mlrepo.repository.hook_install import install_hooks

    repository = find_repository(root)
    ask_about_hooks(repository)
    hooks = install_hooks(repository, resolver(repository).require("hooks").value)
    for line in hooks.lines():
        click.echo(line)
