"""``mlrepo system add``: the description of this machine, detected, lent and asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.rounds import Round
    from mlrepo.systems.description import NewDescription


@click.command("add", cls=Command)
@click.argument("name")
@click.option(
    "--base",
    metavar="SYSTEM",
    default="",
    help="A system, here or of a past round, whose wording to take.",
)
@click.option(
    "--set", "chosen", multiple=True, metavar="FIELD=VALUE", help="Fill in a field (repeatable)."
)
@click.option("--power", is_flag=True, help="With the fields of power results.")
@click.option("--no-input", is_flag=True, help="Ask nothing, even on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    name: str, base: str, chosen: tuple[str, ...], power: bool, no_input: bool, as_json: bool
) -> None:
    """Describe this machine under NAME, from what can be detected.

    A base lends its wording. What it says about hardware is taken only where this machine agrees;
    each contradiction is shown. On a terminal you are asked for the fields that remain open. The
    first system of a clone is the one that it measures; `mlrepo system use` chooses another.

    \b
    Example:
      mlrepo system add laptop --set cooling=air --set status=available
    """
    from mlrepo.repository.configuration import set_clone_value
    from mlrepo.repository.files import write_atomically
    from mlrepo.rounds.naming import check_new_name
    from mlrepo.settings import setting_named
    from mlrepo.systems.description import open_fields
    from mlrepo.systems.fields import EXPLANATIONS

    repository = current_repository()
    name = setting_named("system").check(name, "NAME")
    settings = resolver(repository)
    values = {key: settings.require(key).value for key in ("division", "submitter", "category")}
    round_ = repository.rounds[settings.require("round").value]
    check_new_name(round_, name, "system")
    directory = repository.systems / name
    if (directory / "system.json").exists():
        raise UserError(
            f"{directory / 'system.json'} exists and is not overwritten.",
            hint="Edit it, or choose another name.",
        )
    made, unknown = _describe(
        name, round_, values, _base(repository.systems, base), _chosen(chosen, round_), power=power
    )
    if not (no_input or as_json) and sys.stdin.isatty() and sys.stdout.isatty():
        for field in open_fields(round_, made.values):
            made.values[field] = _asked(field, unknown.get(field, ""), made.not_taken.get(field))
    still_open = open_fields(round_, made.values)
    in_use = settings.find("system")
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for path, data in _files(name, round_, made.values).items():
        if not (repository.root / path).exists():
            write_atomically(repository.root / path, data)
            written.append(path)
    if in_use is None:
        set_clone_value(repository, "system", name)
    if as_json:
        print_json(
            "mlrepo.system.add/1",
            {
                "written": written,
                "open_fields": still_open,
                "contradicted": [vars(c) for c in made.contradicted],
                "not_taken": dict(made.not_taken),
                "overruled": [vars(c) for c in made.overruled],
                "in_use": in_use.value if in_use else name,
            },
        )
        return
    for path in written:
        click.echo(f"wrote {path}")
    if in_use is None:
        click.echo(f"This clone now measures {name}.")
    elif in_use.value != name:
        click.echo(
            f"This clone measures {in_use.value} ({in_use.origin}); `mlrepo system use "
            f"{quoted(name)}` changes that."
        )
    for c in made.contradicted:
        click.echo(f"not taken from {base}: {c.field} = {c.written!r}")
        click.echo(f"    this machine: {c.detected!r} ({c.source})")
    for field in made.not_taken:
        click.echo(f"not taken from {base}: {field} = {made.not_taken[field]!r}")
        click.echo(f"    it cannot be read here: {unknown.get(field, 'no source')}")
    for c in made.overruled:
        click.echo(f"warning: you set {c.field} = {c.written!r}", err=True)
        click.echo(f"    but this machine says {c.detected!r} ({c.source})", err=True)
    if still_open:
        click.echo(f"Fill in before you submit: {', '.join(still_open)}.")
        for field in still_open:
            click.echo(f"  {field}: {EXPLANATIONS.get(field, '')}")


def _asked(field: str, reason: str, of_base: str | None) -> str:
    from mlrepo.systems.fields import EXPLANATIONS

    click.echo(f"{field}: {EXPLANATIONS.get(field, '')}")
    if reason:
        click.echo(f"  not detected: {reason}")
    if of_base:
        click.echo(f"  the base says {of_base!r}, perhaps of another machine")
    return str(click.prompt("  value (empty: later)", default="", show_default=False)).strip()


def system_files(
    name: str, round_: Round, values: Mapping[str, str]
) -> tuple[dict[str, bytes], list[str]]:
    """Return a system's files by path below the root, and the fields that are still empty."""
    from mlrepo.systems.description import open_fields

    made, _ = _describe(name, round_, values, None, {})
    still_open = open_fields(round_, made.values)
    return _files(name, round_, made.values), still_open


def _describe(
    name: str,
    round_: Round,
    values: Mapping[str, str],
    base: Mapping[str, object] | None,
    chosen: Mapping[str, str],
    *,
    power: bool = False,
) -> tuple[NewDescription, Mapping[str, str]]:
    from mlrepo.systems.description import new_description
    from mlrepo.systems.detect import detect

    found = detect()
    made = new_description(
        round_,
        division=values["division"],
        submitter=values["submitter"],
        category=values["category"],
        name=name,
        facts=found.facts,
        base=base,
        chosen=chosen,
        power=power,
    )
    return made, found.unknown


def _files(name: str, round_: Round, description: Mapping[str, object]) -> dict[str, bytes]:
    from mlrepo.templates import render

    directory = Path("systems") / name
    text = json.dumps(description, indent=4, ensure_ascii=False) + "\n"
    return {
        str(directory / "system.json"): text.encode(),
        str(directory / f"user.{round_.name}.conf"): render(
            "results_repo/user.conf", {"round": round_.name}
        ),
    }


def _base(systems: Path, name: str) -> Mapping[str, object] | None:
    """Return the description named ``name`` in this repository, else in a past round."""
    from mlrepo.systems.description import read_description
    from mlrepo.systems.past import past_system

    if not name:
        return None
    if "/" not in name and (systems / name / "system.json").is_file():
        own: Mapping[str, object] = json.loads(read_description(systems, name))
        return own
    return past_system(name).description


def _chosen(texts: tuple[str, ...], round_: Round) -> dict[str, str]:
    from mlrepo.nearest import meant
    from mlrepo.systems.fields import EXPLANATIONS

    known = {*EXPLANATIONS, *round_.system_fields(), *round_.system_further_fields()}
    chosen: dict[str, str] = {}
    for text in texts:
        field, equals, value = text.partition("=")
        field = field.strip()
        if not equals:
            raise UserError(f"--set {text!r} is not FIELD=VALUE.", hint="Such as cooling=air.")
        if field not in known:
            raise UserError(
                f"{field!r} is not a field of {round_.name}'s system descriptions.",
                hint=meant(field, known),
            )
        chosen[field] = value.strip()
    return chosen
