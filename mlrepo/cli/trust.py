"""``mlrepo trust``: which scripts of platform profiles may run here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.render import print_json, print_table
from mlrepo.cli.screen import harmless
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.systems.scripts import Script, Scripts


@click.command("trust")
@click.argument("profile", required=False)
@click.option("--yes", is_flag=True, help="Do not ask: the script was read before.")
@click.option("--revoke", is_flag=True, help="Trust the script no longer.")
@click.option("--json", "as_json", is_flag=True, help="Print what is trusted as JSON.")
def command(profile: str | None, yes: bool, revoke: bool, as_json: bool) -> None:
    """Let the script of a platform profile run on this machine.

    What is stored is the hash of the script, below the Git directory: it is shared with nobody,
    and a script that changed is not trusted any more. Without PROFILE the trusted ones are listed.

    \b
    Example:
      mlrepo trust lab
      mlrepo trust lab --revoke
    """
    from mlrepo.systems.profiles import load_profile
    from mlrepo.systems.scripts import Scripts

    repository = current_repository()
    scripts = Scripts(repository.store / "platform")
    if profile is not None:
        script = load_profile(repository.platforms, profile).script
        if script is None:
            raise UserError(
                f"The profile {profile} has no script: there is nothing to trust.",
                hint=f"`mlrepo platform show {profile}` prints it.",
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


def _revoke(scripts: Scripts, script: Script) -> None:
    if not scripts.distrust(script):
        raise UserError(
            f"platforms/{script.name} as it is now is not trusted.",
            hint="`mlrepo trust` lists what is.",
        )
