"""``mlrepo system``: describing the machines that are measured."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError


@click.group("system")
def command() -> None:
    """Describe the systems that are measured.

    \b
    Example:
      mlrepo system detect
      mlrepo system add laptop
    """


@command.command("detect")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def detect_(as_json: bool) -> None:
    """Print what this machine is, and where each fact was read.

    \b
    Example:
      mlrepo system detect --json
    """
    from mlrepo.systems.detect import detect

    facts = detect()
    if as_json:
        values = {field: vars(fact) for field, fact in facts.items()}
        print_json("mlrepo.system.detect/1", {"facts": values})
        return
    print_table(
        ("FIELD", "VALUE", "SOURCE"),
        [(field, fact.value, fact.source) for field, fact in facts.items()],
    )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the names as JSON.")
def list_(as_json: bool) -> None:
    """List the systems of this repository.

    \b
    Example:
      mlrepo system list
    """
    repository = current_repository()
    names = sorted(path.parent.name for path in repository.systems.glob("*/system.json"))
    if as_json:
        print_json("mlrepo.system.list/1", {"systems": names})
        return
    for name in names:
        click.echo(name)
    if not names:
        click.echo("No system yet: mlrepo system add NAME", err=True)


@command.command("add")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def add(name: str, as_json: bool) -> None:
    """Describe this machine under NAME, from what can be detected.

    \b
    Example:
      mlrepo system add laptop
    """
    from mlrepo.repository.files import write_atomically
    from mlrepo.settings import setting_named

    repository = current_repository()
    name = setting_named("system").check(name, "NAME")
    settings = resolver(repository)
    values = {
        key: settings.require(key).value for key in ("round", "division", "submitter", "category")
    }
    directory = repository.systems / name
    if (directory / "system.json").exists():
        raise UserError(
            f"{directory / 'system.json'} exists and is not overwritten.",
            hint="Edit it, or choose another name.",
        )
    files, still_open = system_files(name, values)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for path, data in files.items():
        if not (repository.root / path).exists():
            write_atomically(repository.root / path, data)
            written.append(path)
    if as_json:
        print_json("mlrepo.system.add/1", {"written": written, "open_fields": still_open})
        return
    for path in written:
        click.echo(f"wrote {path}")
    if still_open:
        click.echo(f"Fill in before you submit: {', '.join(still_open)}.")


@command.command("path")
@click.argument("name")
def path_(name: str) -> None:
    """Print the directory of a system.

    \b
    Example:
      cd "$(mlrepo system path laptop)"
    """
    from mlrepo.systems.description import read_description

    repository = current_repository()
    read_description(repository.systems, name)
    click.echo(str(repository.systems / name))


def system_files(name: str, values: dict[str, str]) -> tuple[dict[str, bytes], list[str]]:
    """Return a system's files by path below the root, and the fields that remain to be filled."""
    from mlrepo.rounds import load_round
    from mlrepo.systems.description import new_description, open_fields
    from mlrepo.systems.detect import detect
    from mlrepo.templates import render

    round_ = load_round(values["round"])
    description = new_description(
        round_,
        division=values["division"],
        submitter=values["submitter"],
        category=values["category"],
        name=name,
        facts=detect(),
    )
    directory = Path("systems") / name
    text = json.dumps(description, indent=4, ensure_ascii=False) + "\n"
    conf = render("results_repo/user.conf", {"round": values["round"]})
    return {
        str(directory / "system.json"): text.encode(),
        str(directory / f"user.{values['round']}.conf"): conf,
    }, open_fields(round_, description)
