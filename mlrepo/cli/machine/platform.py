"""``mlrepo platform``: the state that the machine is measured in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.systems.applied import Change
    from mlrepo.systems.tuning import Tuner


@click.group("platform", cls=Group)
def command() -> None:
    """Set the machine up for measuring, and put it back.

    \b
    Example:
      mlrepo platform use generic-linux
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the profiles as JSON.")
def list_(as_json: bool) -> None:
    """List the platform profiles; the one in use is marked.

    \b
    Example:
      mlrepo platform list
    """
    from mlrepo.systems.profiles import load_profile, profile_files

    repository = current_repository()
    used = resolver(repository).require("platform").value
    profiles = [load_profile(repository.platforms, n) for n in profile_files(repository.platforms)]
    if as_json:
        rows = [{"name": p.name, "summary": p.summary, "used": p.name == used} for p in profiles]
        print_json("mlrepo.platform.list/1", {"profiles": rows})
        return
    print_table(
        ("", "PROFILE", "SUMMARY"),
        [("*" if p.name == used else "", p.name, p.summary) for p in profiles],
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, as_json: bool) -> None:
    """Print a profile as it is in its file.

    \b
    Example:
      mlrepo platform show generic-linux
    """
    from mlrepo.systems.profiles import load_profile, profile_files

    repository = current_repository()
    profile = load_profile(repository.platforms, name)
    if as_json:
        script = profile.script
        named = {"name": script.name, "sha256": script.sha256} if script else None
        print_json("mlrepo.platform.show/1", {**vars(profile), "script": named})
        return
    text = profile_files(repository.platforms)[name].read_text(encoding="utf-8")
    click.echo(text, nl=False)


@command.command("add")
@click.argument("name")
@click.option("--base", default="none", help="The profile to start from.")
@click.option("--json", "as_json", is_flag=True, help="Print the file's name as JSON.")
def add(name: str, base: str, as_json: bool) -> None:
    """Make a profile of this repository, to be edited and committed.

    \b
    Example:
      mlrepo platform add lab --base generic-linux
    """
    from mlrepo.repository.files import write_atomically
    from mlrepo.settings import setting_named
    from mlrepo.systems.profiles import load_profile, profile_files

    repository = current_repository()
    name = setting_named("platform").check(name, "NAME")
    load_profile(repository.platforms, base)
    path = repository.platforms / f"{name}.toml"
    if path.exists():
        raise UserError(f"{path} exists and is not overwritten.", hint="Choose another name.")
    text = profile_files(repository.platforms)[base].read_text(encoding="utf-8")
    repository.platforms.mkdir(exist_ok=True)
    write_atomically(path, text.encode())
    if as_json:
        print_json("mlrepo.platform.add/1", {"written": f"platforms/{name}.toml"})
    else:
        click.echo(f"wrote platforms/{name}.toml")


@command.command("use")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the setting as JSON.")
def use(name: str, as_json: bool) -> None:
    """Run every benchmark of this repository under a profile (`none`: under none).

    \b
    Example:
      mlrepo platform use generic-linux
    """
    from mlrepo.repository.configuration import set_value
    from mlrepo.systems.profiles import load_profile

    repository = current_repository()
    load_profile(repository.platforms, name)
    repository.file_settings()  # report a malformed file instead of rewriting it
    value = set_value(repository.settings_file, "platform", name)
    if as_json:
        print_json("mlrepo.platform.use/1", {"platform": value})
    else:
        click.echo(f"platform = {value}")


@command.command("path")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def path_(name: str, as_json: bool) -> None:
    """Print the file of a profile.

    \b
    Example:
      $EDITOR "$(mlrepo platform path lab)"
    """
    from mlrepo.systems.profiles import load_profile, profile_files

    repository = current_repository()
    load_profile(repository.platforms, name)
    path = str(profile_files(repository.platforms)[name])
    if as_json:
        print_json("mlrepo.platform.path/1", {"path": path})
    else:
        click.echo(path)


@command.command("apply")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def apply(name: str | None, as_json: bool) -> None:
    """Set this machine up until `mlrepo platform restore`; verify that it took.

    \b
    Example:
      sudo mlrepo platform apply generic-linux
    """
    from mlrepo.systems.profiles import load_profile

    repository = current_repository()
    chosen = resolver(repository).require("platform", name).value
    applied = _tuner(repository.store).apply(load_profile(repository.platforms, chosen))
    if as_json:
        print_json("mlrepo.platform.apply/1", applied.facts().to_dict())
        return
    _print_changes(applied.changes)
    if applied.script and applied.script.output:
        click.echo(applied.script.output)
    if applied.prefix:
        click.echo(f"Runs under this profile start with: {' '.join(applied.prefix)}")
    for problem in applied.problems:
        click.echo(f"not set: {problem}", err=True)


@command.command("restore")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def restore(as_json: bool) -> int:
    """Restore what `apply` or an aborted run changed. Exit code 1 if something cannot be restored.

    \b
    Example:
      sudo mlrepo platform restore
    """
    changes = _tuner(current_repository().store).restore()
    failed = [change for change in changes or () if change.problem]
    if as_json:
        rows: list[dict[str, object]] = [vars(change) for change in changes or ()]
        print_json("mlrepo.platform.restore/1", {"changes": rows, "restored": not failed})
    elif changes is None:
        click.echo("Nothing to put back.")
    else:
        _print_changes(changes)
        for change in failed:
            click.echo(f"not restored: {change.label}: {change.problem}", err=True)
    return 1 if failed else 0


def _tuner(store: Path) -> Tuner:
    from mlrepo.systems.machine import Machine
    from mlrepo.systems.tuning import Tuner

    return Tuner(Machine(), store / "platform")


def _print_changes(changes: tuple[Change, ...]) -> None:
    rows = [("/" + c.path, c.before, c.wanted, c.after) for c in changes if c.path]
    if rows:
        print_table(("FILE", "BEFORE", "WANTED", "NOW"), rows, cut="…FILE")
