"""``mlrepo round``: the rules of each round, and importing those of a new one."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError
from mlrepo.rounds import SHIPPED, Rounds
from mlrepo.rounds.traits import TRAITS

_NO_RULE = "-"


@click.group("round")
def command() -> None:
    """Show the rules of each round, and import those of a new one.

    \b
    Example:
      mlrepo round list
      mlrepo round show v6.1
      mlrepo round import ../inference --round v6.1
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the rounds as JSON.")
def list_(as_json: bool) -> None:
    """List the rounds that have rules, and where the rules come from.

    \b
    Example:
      mlrepo round list
    """
    held = _rounds()
    rows = []
    for name in held:
        source = held[name].tables.get("source") or {}
        own = held.is_own(name)
        if not own and (note := held.note(name)):
            click.echo(note, err=True)
        rows.append((name, "this repository" if own else "mlrepo", str(source.get("ref", ""))))
    if as_json:
        keys = ("name", "held_by", "ref")
        rounds = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json("mlrepo.round.list/1", {"rounds": rounds})
        return
    print_table(("ROUND", "HELD BY", "OFFICIAL CHECKER"), rows)


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print all tables of the round as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show which benchmarks and scenarios the round NAME has, their targets, and its traits.

    Traits are what the round does differently from others; the repository's own rounds have them in
    rounds/NAME.json, where you may change them.

    \b
    Example:
      mlrepo round show v6.1
      mlrepo round show v6.1 --json
    """
    round_ = _rounds()[name]
    tables = round_.tables
    if as_json:
        print_json("mlrepo.round.show/1", {"round": name, "tables": dict(tables)})
        return
    rows = []
    for category, models in tables["scenarios"].items():
        for model, scenarios in (models or {}).items():
            targets = round_.accuracy_targets(model, "Offline")
            rows.append(
                (
                    model,
                    category,
                    ", ".join(scenarios["required"] or []) or _NO_RULE,
                    ", ".join(scenarios["optional"] or []) or _NO_RULE,
                    ", ".join(f"{t['metric']} {t['min']:.6g}" for t in targets) or _NO_RULE,
                )
            )
    print_table(
        ("BENCHMARK", "CATEGORY", "REQUIRED", "OPTIONAL", "ACCURACY AT LEAST"),
        sorted(rows),
        drop=("OPTIONAL", "CATEGORY"),
    )
    click.echo()
    values = {each: json.dumps(trait.value_in(tables)) for each, trait in TRAITS.items()}
    print_table(
        ("TRAIT", "VALUE", "MEANING"),
        [(each, values[each], trait.meaning) for each, trait in TRAITS.items()],
        wrap="MEANING",
    )


@command.command("import")
@click.argument("checkout", type=click.Path(path_type=Path))
@click.option(
    "--round", "name", default="", help="The round (default: the newest in the checkout)."
)
@click.option("--ref", default="", help="The revision of the checkout, noted in the file.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the file (default: the repository's rounds/).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(checkout: Path, name: str, ref: str, output: Path | None, as_json: bool) -> None:
    """Make a round's rules from CHECKOUT, a checkout of mlcommons/inference.

    The official checker in it is parsed, never executed. What could not be mapped is listed.

    \b
    Example:
      mlrepo round import ../inference --round v6.1 --ref master
    """
    from mlrepo.compliance import UnknownTest, compliance_test
    from mlrepo.repository.files import write_atomically
    from mlrepo.rounds.importing import import_round
    from mlrepo.rounds.round import tests_in

    imported = import_round(checkout, name, ref)
    folder = output or _rounds().folder
    if folder is None:
        raise UserError(
            "This is not a results repository, so there is no rounds/ directory to write to.",
            hint="Use --output DIR.",
        )
    if output is None and imported.name in SHIPPED:
        raise UserError(
            f"mlrepo ships the rules of {imported.name}; a repository cannot replace them.",
            hint="Use --output DIR to see what the import gets from this checkout.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{imported.name}.json"
    text = json.dumps(dict(imported.tables), indent=1, ensure_ascii=False) + "\n"
    write_atomically(file, text.encode())
    asked = tests_in(imported.tables["compliance_tests"] or {})
    unknown = [test for test in sorted(asked) if isinstance(compliance_test(test), UnknownTest)]
    unread = [f"compliance_tests: mlrepo does not have {test}" for test in unknown]
    report = {"missing": list(imported.missing), "unread": [*imported.unread, *unread]}
    if as_json:
        values = {"round": imported.name, "file": str(file), **report}
        print_json("mlrepo.round.import/1", values)
        return
    click.echo(f"{imported.name}: {file}")
    _print_report("Not found in the checker, so without a rule here", report["missing"])
    _print_report("In the checker, but not used by any rule here", report["unread"])


def _print_report(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{title}:")
    for line in lines:
        click.echo(f"  {line}")


def _rounds() -> Rounds:
    """Return the rounds that the current repository knows, or outside of one, the shipped ones."""
    from mlrepo.repository.discovery import find_git_repository

    repository = find_git_repository(Path.cwd())
    return SHIPPED if repository is None else repository.rounds
