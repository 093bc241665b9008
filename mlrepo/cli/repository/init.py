"""``mlrepo init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import resolver
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.rounds import Round


@click.command("init", cls=Command)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("--submitter", help="Your organisation, as MLCommons spells it.")
@click.option("--division", help="closed, open or network.")
@click.option("--category", help="edge, datacenter or datacenter,edge (default: edge).")
@click.option("--round", "round_", help="The round, such as v6.1 (the default).")
@click.option("--system", help="Describe this machine under this name, and use it here.")
@click.option("--adopt", is_flag=True, help="Turn an existing directory with a README.md into one.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    directory: Path,
    submitter: str | None,
    division: str | None,
    category: str | None,
    round_: str | None,
    system: str | None,
    adopt: bool,
    as_json: bool,
) -> None:
    """Make a results repository, or turn a directory into one.

    Nothing that exists is overwritten. A new repository gets a first commit; in an adopted one
    the new files are left for you to commit.

    \b
    Example:
      mlrepo init results --submitter MyOrg --division open --system laptop
    """
    from mlrepo.cli.machine.trust import ask_about_hooks
    from mlrepo.repository.configuration import set_clone_value
    from mlrepo.repository.discovery import find_repository
    from mlrepo.repository.hook_install import install_hooks
    from mlrepo.repository.scaffold import refuse_results_repository, scaffold
    from mlrepo.rounds import Rounds
    from mlrepo.rounds.naming import check_new_name

    refuse_results_repository(directory)
    settings = resolver()
    values = {
        "round": settings.require("round", round_).value,
        "division": settings.require("division", division).value,
        "submitter": settings.require("submitter", submitter).value,
        "category": settings.require("category", category).value,
    }
    rules = Rounds.of_repository(directory)[values["round"]]
    if values["division"] not in rules.tables["divisions"]:
        raise UserError(
            f"{values['round']} has no {values['division']} division.",
            hint="Choose another division or round.",
        )
    chosen = settings.find("system", system)
    name = chosen.value if chosen else ""
    check_new_name(rules, values["submitter"], "submitter")
    check_new_name(rules, name, "system")
    files, still_open = _files(values, rules, name)
    made = scaffold(directory, files, adopt=adopt, message=_message(values))
    repository = find_repository(made.root)
    if name:
        set_clone_value(repository, "system", name)
    ask_about_hooks(repository)
    hooks = install_hooks(repository, settings.require("hooks").value)
    if as_json:
        print_json(
            "mlrepo.init/1",
            {
                "root": str(made.root),
                "written": made.written,
                "kept": made.kept,
                "commit": made.commit,
                "open_system_fields": still_open,
                "hooks": hooks._asdict(),
                "system": name or None,
            },
        )
        return
    click.echo(f"Results repository for {values['round']} in {made.root}")
    for path in made.written:
        click.echo(f"  wrote {path}")
    for path in made.kept:
        click.echo(f"  kept  {path} (it existed)")
    for line in hooks.lines():
        click.echo(f"  {line}")
    if name:
        click.echo(f"  this clone measures {name} (mlrepo system use changes that)")
    if not made.commit:
        click.echo(f"Commit the new files: git add {shell_command(made.written)} && git commit")
    if name and still_open:
        click.echo(
            f"Fill in systems/{name}/system.json before you submit: {', '.join(still_open)}."
        )
    if not name:
        click.echo("Describe this machine next: mlrepo system add NAME")


def _files(values: dict[str, str], rules: Round, system: str) -> tuple[dict[str, bytes], list[str]]:
    """Return the scaffold's files by path, and the fields of the description to fill in."""
    from mlrepo.cli.machine.describe import system_files
    from mlrepo.templates import render

    keys = {**values, "system": system or "NAME"}
    files = {
        "README.md": render("results_repo/README.md", keys),
        "mlrepo.toml": render("results_repo/mlrepo.toml", keys),
        ".gitignore": render("results_repo/gitignore", keys),
        ".pre-commit-config.yaml": render("results_repo/pre-commit-config.yaml", {}),
        ".gitattributes": render("results_repo/gitattributes", keys),
    }
    if not system:
        return files, []
    described, still_open = system_files(system, rules, values)
    return {**files, **described}, still_open


def _message(values: dict[str, str]) -> str:
    return (
        f"Scaffold the {values['round']} results repository\n\n"
        f"{values['submitter']}, {values['division']} division, {values['category']}.\n"
    )
