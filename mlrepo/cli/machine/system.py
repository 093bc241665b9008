"""``mlrepo system``: describing the machines that are measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.rounds import Round
    from mlrepo.rounds.field_problem import FieldProblem
    from mlrepo.systems.description import NewDescription


# The rule of `system check` for user.conf files.
_USER_CONF = "user-conf"


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


@command.command("add")
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
def add(
    name: str, base: str, chosen: tuple[str, ...], power: bool, no_input: bool, as_json: bool
) -> None:
    """Describe this machine under NAME, from what can be detected.

    A base lends its wording. What it says of hardware stands only where this machine agrees; each
    contradiction is shown. On a terminal the fields that stay open are asked for.

    \b
    Example:
      mlrepo system add laptop --set cooling=air --set status=available
    """
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
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for path, data in _files(name, round_, made.values).items():
        if not (repository.root / path).exists():
            write_atomically(repository.root / path, data)
            written.append(path)
    if as_json:
        print_json(
            "mlrepo.system.add/1",
            {
                "written": written,
                "open_fields": still_open,
                "contradicted": [vars(c) for c in made.contradicted],
                "not_taken": dict(made.not_taken),
                "overruled": [vars(c) for c in made.overruled],
            },
        )
        return
    for path in written:
        click.echo(f"wrote {path}")
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


@command.command("check")
@click.argument("name", required=False)
@click.option("--here", is_flag=True, help="Also compare with this machine.")
@click.option("--power", is_flag=True, help="Also ask for the fields of power results.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(name: str | None, here: bool, power: bool, as_json: bool) -> int:
    """Check a system's description and LoadGen settings, or all, against the round's rules.

    Exit code: 0 when none would be rejected, 1 otherwise.

    \b
    Example:
      mlrepo system check laptop --here
    """
    from mlrepo.bench.settings import Rules, conf_problems
    from mlrepo.rounds.field_problem import FieldProblem
    from mlrepo.rounds.system_problems import parse_description
    from mlrepo.systems.agreement import contradictions
    from mlrepo.systems.description import description_file, draft_problems
    from mlrepo.systems.detect import detect

    repository = current_repository()
    settings = resolver(repository)
    round_ = repository.rounds[settings.require("round").value]
    place = {
        key: (s.value if (s := settings.find(key)) else "") for key in ("division", "submitter")
    }
    names = (
        [name] if name else sorted(p.parent.name for p in repository.systems.glob("*/system.json"))
    )
    facts = detect().facts if here else {}
    results: dict[str, list[FieldProblem]] = {}
    for system in names:
        data = description_file(repository.systems, system).read_bytes()
        found = list(draft_problems(data, round_, power=power, **place))
        damaged = any(problem.rule == "system-description" for problem in found)
        stated = parse_description(data) if facts and not damaged else {}
        found += [
            FieldProblem(
                "system-not-this-machine",
                c.field,
                f"{c.field} is not what {c.source} says.",
                expected=c.detected,
                actual=c.written,
                hint="Write what the machine is.",
            )
            for c in contradictions(stated, facts)
        ]
        rules = Rules(round_, place["division"], repository.systems, system)
        found += [
            FieldProblem(
                _USER_CONF, "", message.replace(f"{repository.root}/", ""), breaks_strict=refused
            )
            for message, refused in conf_problems(rules)
        ]
        results[system] = found
    broken = any(problem.breaks_strict for found in results.values() for problem in found)
    if as_json:
        values = {system: [vars(problem) for problem in found] for system, found in results.items()}
        print_json(
            "mlrepo.system.check/1",
            {"round": round_.name, "valid": not broken, "systems": values},
        )
    else:
        _print_problems(results)
    return 1 if broken else 0


def _print_problems(results: Mapping[str, Sequence[FieldProblem]]) -> None:
    from mlrepo.systems.fields import EXPLANATIONS

    for system, found in results.items():
        path = f"systems/{system}/system.json"
        if not found:
            click.echo(f"{path}: nothing to object to")
        for f in found:
            word = style("error", fg="red") if f.breaks_strict else "warning"
            where = "" if f.rule == _USER_CONF else f"{path}: "
            click.echo(f"{where}{word} {f.rule}: {f.message}")
            if f.rule in ("system-field-empty", "system-field-missing"):
                click.echo(f"    {f.field}: {EXPLANATIONS.get(f.field, '')}")
            elif f.expected or f.actual:
                click.echo(f"    expected {f.expected}; found {f.actual!r}")
            if f.hint:
                click.echo(f"    {f.hint}")
    if not results:
        click.echo("No system yet: mlrepo system add NAME", err=True)


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
                f"{field!r} is no field of {round_.name}'s system descriptions.",
                hint=meant(field, known),
            )
        chosen[field] = value.strip()
    return chosen
