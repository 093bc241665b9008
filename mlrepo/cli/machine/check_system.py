"""``mlrepo system check``: descriptions and LoadGen settings against the rules of the round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json, style

if TYPE_CHECKING:
    from mlrepo.rounds.field_problem import FieldProblem

# The rule for user.conf files.
_USER_CONF = "user-conf"


@click.command("check", cls=Command)
@click.argument("name", required=False)
@click.option("--here", is_flag=True, help="Also compare with this machine.")
@click.option("--power", is_flag=True, help="Also require the fields of power results.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(name: str | None, here: bool, power: bool, as_json: bool) -> int:
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
            click.echo(f"{path}: no objections")
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
