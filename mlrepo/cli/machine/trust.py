"""``mlrepo trust``: which scripts of platform profiles may run here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError
from mlrepo.harmless import harmless
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.framework_hooks import Configuration
    from mlrepo.systems.scripts import Script, Scripts


_QUESTION = "They run with your rights at each commit. Lay them?"


@click.command("trust", cls=Command)
@click.argument("profile", required=False)
@click.option(
    "--hooks", is_flag=True, help="The hooks of .pre-commit-config.yaml instead of a script."
)
@click.option("--yes", is_flag=True, help="Do not ask: it was read before.")
@click.option("--revoke", is_flag=True, help="Trust the script no longer.")
@click.option("--json", "as_json", is_flag=True, help="Print what is trusted as JSON.")
def command(profile: str | None, hooks: bool, yes: bool, revoke: bool, as_json: bool) -> None:
    """Let the script of a platform profile run on this machine.

    What is stored is the hash of the script, below the Git directory: it is shared with nobody,
    and a script that changed is not trusted any more. Without PROFILE the trusted ones are listed.
    With --hooks it is about what .pre-commit-config.yaml runs at a commit besides mlrepo's hooks.

    \b
    Example:
      mlrepo trust lab
      mlrepo trust --hooks
      mlrepo trust lab --revoke
    """
    from mlrepo.systems.profiles import load_profile
    from mlrepo.systems.scripts import Scripts

    repository = current_repository()
    if hooks:
        if profile is not None or as_json:
            raise UserError(
                "--hooks goes with --yes and --revoke only.", hint="Leave out the rest."
            )
        _trust_hooks(repository, yes=yes, revoke=revoke)
        return
    scripts = Scripts(repository.store / "platform")
    if profile is not None:
        script = load_profile(repository.platforms, profile).script
        if script is None:
            raise UserError(
                f"The profile {profile} has no script: there is nothing to trust.",
                hint=f"`mlrepo platform show {quoted(profile)}` prints it.",
            )
        if revoke:
            _revoke(scripts, script)
        else:
            _trust(scripts, script, yes, quiet=as_json)
    elif yes or revoke:
        raise UserError("No profile is named.", hint="`mlrepo trust PROFILE`.")
    if as_json:
        rows = [{"sha256": key, **entry} for key, entry in scripts.trusted().items()]
        print_json("mlrepo.trust/1", {"scripts": rows})
    elif profile is None:
        found = [(e["name"], e["since"], key[:16]) for key, e in scripts.trusted().items()]
        print_table(("SCRIPT", "SINCE", "SHA-256"), found)
        if not found:
            click.echo("No script is trusted here.", err=True)


def _trust(scripts: Scripts, script: Script, yes: bool, *, quiet: bool) -> None:
    if script.sha256 not in scripts.trusted() and not yes:
        if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserError(
                f"There is no terminal to show platforms/{script.name} on and to ask.",
                hint="Read it, then give --yes.",
            )
        click.echo_via_pager(harmless(script.data.decode(errors="backslashreplace")))
        click.echo(f"platforms/{script.name}, SHA-256 {script.sha256}")
        click.confirm("It will run with your rights. Trust it?", abort=True)
    scripts.trust(script)
    if not quiet:
        click.echo(f"platforms/{script.name} is trusted on this machine until it changes.")


def ask_about_hooks(repository: ResultsRepository) -> None:
    """Show what the framework would run besides mlrepo's hooks, and ask if on a terminal.

    Without consent, print that the plain hooks are installed and how to agree later.
    """
    from mlrepo.repository.framework_hooks import (
        FRAMEWORK_CONFIGURATION,
        agree,
        is_agreed,
        read_configuration,
    )

    found = read_configuration(repository)
    if is_agreed(repository, found):
        return
    _show_hooks(found)
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    if asked and click.confirm(_QUESTION, err=True):
        agree(repository, found)
        return
    click.echo(
        f"They are not laid: mlrepo's plain hooks are. Read {FRAMEWORK_CONFIGURATION}; "
        "`mlrepo trust --hooks` lays them.",
        err=True,
    )


def _trust_hooks(repository: ResultsRepository, *, yes: bool, revoke: bool) -> None:
    from mlrepo.repository.framework_hooks import agree, disagree, is_agreed, read_configuration
    from mlrepo.repository.hook_install import install_hooks, remove_framework_hooks

    found = read_configuration(repository)
    setting = resolver(repository).require("hooks").value
    if revoke:
        if not disagree(repository, found):
            raise UserError(
                "The hooks of .pre-commit-config.yaml as it is now are not trusted.",
                hint="`mlrepo doctor` shows which hooks are laid.",
            )
        remove_framework_hooks(repository)
    elif not is_agreed(repository, found):
        _show_hooks(found)
        if not yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise UserError("There is no terminal to ask on.", hint="Read it, then give --yes.")
            click.confirm(_QUESTION, abort=True, err=True)
        agree(repository, found)
    for line in install_hooks(repository, setting).lines():
        click.echo(line)
    if not revoke:
        click.echo("The hooks of .pre-commit-config.yaml are trusted here until it changes.")


def _show_hooks(found: Configuration) -> None:
    click.echo(".pre-commit-config.yaml holds besides mlrepo's own hooks:", err=True)
    for line in found.foreign:
        click.echo(f"  {line}", err=True)


def _revoke(scripts: Scripts, script: Script) -> None:
    if not scripts.distrust(script):
        raise UserError(
            f"platforms/{script.name} as it is now is not trusted.",
            hint="`mlrepo trust` lists what is.",
        )
