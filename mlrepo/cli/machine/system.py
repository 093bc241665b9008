"""``mlrepo system``: describing the machines that are measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.machine.check_system import command as check
from mlrepo.cli.machine.describe import command as add
from mlrepo.cli.render import print_json, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from mlrepo.systems.hardware import HardwareMatch

if TYPE_CHECKING:
    from pathlib import Path

    from mlrepo.systems.hardware import HardwareMatch


@click.group("system", cls=Group)
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
    """Print what this machine is, where each fact was read, and what could not be read and why.

    \b
    Example:
      mlrepo system detect --json
    """
    from mlrepo.systems.detect import detect

    found = detect()
    if as_json:
        values = {field: vars(fact) for field, fact in found.facts.items()}
        print_json("mlrepo.system.detect/1", {"facts": values, "unknown": dict(found.unknown)})
        return
    print_table(
        ("FIELD", "VALUE", "SOURCE"),
        [(field, fact.value, fact.source) for field, fact in found.facts.items()],
        drop=("SOURCE",),
        wrap="VALUE",
    )
    click.echo()
    print_table(("NOT READ", "WHY"), list(found.unknown.items()), wrap="WHY")


@command.command("list")
@click.option("--past", is_flag=True, help="The descriptions published with past rounds.")
@click.option("--grep", "text", default="", help="Only those with this text in name or values.")
@click.option("--json", "as_json", is_flag=True, help="Print the names as JSON.")
def list_(past: bool, text: str, as_json: bool) -> None:
    """List the systems of this repository, or those published with past rounds.

    \b
    Example:
      mlrepo system list --past --grep EPYC
    """
    if past:
        _list_past(text, as_json)
        return
    repository = current_repository()
    found = {p.parent.name: p for p in sorted(repository.systems.glob("*/system.json"))}
    names = [
        name
        for name, path in found.items()
        if text.casefold() in name.casefold()
        or text.casefold() in path.read_text(encoding="utf-8", errors="replace").casefold()
    ]
    if as_json:
        print_json("mlrepo.system.list/1", {"systems": names})
        return
    for name in names:
        click.echo(name)
    if not names:
        click.echo("No system yet: mlrepo system add NAME" if not text else "None.", err=True)


def _list_past(text: str, as_json: bool) -> None:
    from mlrepo.systems.past import matching, past_systems

    systems = matching(past_systems(), text)
    if as_json:
        print_json("mlrepo.system.list/1", {"systems": [system.name for system in systems]})
        return
    fields = (
        "host_processors_per_node",
        "host_processor_model_name",
        "accelerators_per_node",
        "accelerator_model_name",
    )
    rows = []
    for system in systems:
        sockets, cpu, number, model = (str(system.description.get(f) or "") for f in fields)
        accelerators = f"{number} × {model}" if model and number not in ("", "0") else ""
        rows.append((system.name, f"{sockets} × {cpu}", accelerators))
    print_table(("NAME", "PROCESSORS", "ACCELERATORS"), rows)


@command.command("show")
@click.argument("name")
@click.option("--past", is_flag=True, help="One of those published with past rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, past: bool, as_json: bool) -> None:
    """Print a system's description.

    \b
    Example:
      mlrepo system show --past v1.1/open/OctoML/aws-m5zn.6xlarge-tvm
    """
    if past:
        from mlrepo.systems.past import past_system

        found = past_system(name)
        name, description = found.name, dict(found.description)
    else:
        from mlrepo.systems.description import read_description

        description = json.loads(read_description(current_repository().systems, name))
    if as_json:
        print_json("mlrepo.system.show/1", {"name": name, "description": description})
        return
    rows = [(field, str(value)) for field, value in description.items()]
    print_table(("FIELD", "VALUE"), rows, wrap="VALUE")


@command.command("path")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def path_(name: str, as_json: bool) -> None:
    """Print the directory of a system.

    \b
    Example:
      cd "$(mlrepo system path laptop)"
    """
    from mlrepo.systems.description import description_file

    path = str(description_file(current_repository().systems, name).parent)
    if as_json:
        print_json("mlrepo.system.path/1", {"path": path})
    else:
        click.echo(path)


@command.command("use")
@click.argument("name", required=False)
@click.option("--unset", is_flag=True, help="Forget this clone's choice; mlrepo.toml counts again.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def use(name: str | None, unset: bool, as_json: bool) -> None:
    """Choose the system that this clone measures; without NAME, show which it is.

    The choice is a setting of the clone and is not committed: clones on other machines have their
    own. It is compared with this machine, as before each run.

    \b
    Example:
      mlrepo system use laptop
    """
    from mlrepo.repository.configuration import set_clone_value
    from mlrepo.systems.description import description_file

    if name and unset:
        raise click.UsageError("NAME and --unset exclude each other.")
    repository = current_repository()
    if name:
        description_file(repository.systems, name)  # refuse a name that nothing describes
    if name or unset:
        set_clone_value(repository, "system", name or "")
    now = resolver(repository).find("system")
    described = None if now is None else _match(repository.systems, now.value)
    if as_json:
        print_json(
            "mlrepo.system.use/1",
            {
                "system": now.value if now else None,
                "origin": now.origin if now else None,
                "contradictions": [vars(c) for c in described.contradictions] if described else [],
                "remarks": list(described.remarks) if described else [],
            },
        )
        return
    if now is None:
        click.echo("No system is in use. `mlrepo system use NAME` chooses one.", err=not unset)
        return
    click.echo(f"{now.value} ({now.origin})")
    if name and now.value != name:
        click.echo(f"Note: {now.origin} sets the system to {now.value} and wins.", err=True)
    if described is not None:
        _print_match(now.value, described)


def _match(systems: Path, name: str) -> HardwareMatch | None:
    """Compare a description with this machine; None if there is no such description."""
    from mlrepo.systems.here import Here

    if not (systems / name / "system.json").is_file():
        return None
    return Here(systems).match(name)


def _print_match(name: str, match: HardwareMatch) -> None:
    """Print to standard error how a description and this machine differ."""
    for remark in match.remarks:
        click.echo(remark, err=True)
    if not match.contradictions:
        return
    click.echo(f"warning: {name} does not describe this machine; runs will be refused:", err=True)
    for one in match.contradictions:
        click.echo(
            f"  {one.field}: {one.written!r} there, {one.detected!r} here ({one.source})", err=True
        )


for _part in (add, check):
    command.add_command(_part)
