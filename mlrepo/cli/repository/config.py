"""``mlrepo config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table
from mlrepo.settings import SETTINGS, Resolver, setting_named

if TYPE_CHECKING:
    from mlrepo.rounds import Rounds


@click.group("config", cls=Group)
def command() -> None:
    """Read and change the settings of the repository.

    \b
    Example:
      mlrepo config set round v6.1
      mlrepo config list
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
def list_(as_json: bool) -> None:
    """List every setting, its value and where the value comes from.

    \b
    Example:
      mlrepo config list
    """
    settings = resolver(current_repository())
    found = {setting.key: settings.find(setting.key) for setting in SETTINGS}
    if as_json:
        values = {key: vars(value) if value else None for key, value in found.items()}
        print_json("mlrepo.config/1", {"settings": values})
        return
    rows = []
    for setting in SETTINGS:
        value = found[setting.key]
        shown, origin = (value.value, value.origin) if value else ("-", "not set")
        rows.append((setting.key, shown, origin, setting.summary))
    print_table(("SETTING", "VALUE", "FROM", "MEANING"), rows, drop=("MEANING", "FROM"))


@command.command("get")
@click.argument("key")
def get(key: str) -> None:
    """Print the value of one setting.

    \b
    Example:
      mlrepo config get round
    """
    click.echo(resolver(current_repository()).require(key).value)


@command.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Write one setting into mlrepo.toml.

    \b
    Example:
      mlrepo config set division closed
    """
    from mlrepo.repository.configuration import set_value

    repository = current_repository()
    settings = repository.file_settings()  # report a malformed file instead of rewriting it
    if key in ("round", "submitter", "system"):
        resolved = Resolver({}, {**settings, key: setting_named(key).check(value, "config set")})
        _check_names(resolved, key, repository.rounds)
    stored = set_value(repository.settings_file, key, value)
    click.echo(f"{key} = {stored}")
    if command_of_clone := setting_named(key).set_with:
        click.echo(
            f"Note: this is a default for all clones; `{command_of_clone}` sets it for this one.",
            err=True,
        )
    now = resolver(repository).find(key)
    if now is not None and now.value != stored:
        click.echo(f"Note: {now.origin} sets {key} to {now.value} and wins.", err=True)


def _check_names(resolved: Resolver, key: str, rounds: Rounds) -> None:
    """Refuse a round without rules, and names that the configured round refuses."""
    from mlrepo.rounds.naming import check_new_name

    round_ = rounds[resolved.require("round").value]
    for name in ("submitter", "system"):
        if key in ("round", name) and (found := resolved.find(name)):
            check_new_name(round_, found.value, name)


@command.command("unset")
@click.argument("key")
def unset(key: str) -> None:
    """Take one setting out of mlrepo.toml: its line becomes a comment.

    \b
    Example:
      mlrepo config unset embargo
    """
    from mlrepo.repository.configuration import unset_value

    repository = current_repository()
    setting_named(key)
    repository.file_settings()  # report a malformed file instead of rewriting it
    unset_value(repository.settings_file, key)
