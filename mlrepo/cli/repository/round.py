"""``mlrepo round``: the rules of each round, and importing those of a new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError
from mlrepo.rounds import SHIPPED, Rounds
from mlrepo.rounds.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlrepo.rounds import Round

_NO_RULE = "-"


@click.group("round", cls=Group)
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
    """Show the benchmarks of the round NAME: scenarios, targets and compliance tests; and traits.

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
    print_table(("BENCHMARK", "COMPLIANCE TESTS"), sorted(_compliance_tests(round_)))
    click.echo()
    values = {each: json.dumps(trait.value_in(tables)) for each, trait in TRAITS.items()}
    print_table(
        ("TRAIT", "VALUE", "MEANING"),
        [(each, values[each], trait.meaning) for each, trait in TRAITS.items()],
        wrap="MEANING",
    )


def _compliance_tests(round_: Round) -> Iterator[tuple[str, str]]:
    """Yield each benchmark with its tests, and their scenarios where those have different ones."""
    for benchmark, tests in round_.tables["compliance_tests"].items():
        if not isinstance(tests, dict):
            yield benchmark, ", ".join(tests) or _NO_RULE
            continue
        scenarios: dict[str, list[str]] = {}
        for scenario, each in tests.items():
            scenarios.setdefault(", ".join(each) or _NO_RULE, []).append(scenario)
        yield benchmark, "; ".join(f"{each} ({', '.join(of)})" for each, of in scenarios.items())


@command.command("import", one_of=("checkout", "base"))
@click.argument("checkout", required=False, type=click.Path(path_type=Path))
@click.option(
    "--round", "name", default="", help="The round (default: the newest in the checkout)."
)
@click.option(
    "--from",
    "base",
    metavar="ROUND",
    help="Instead of a checkout, begin with the rules of an older round.",
)
@click.option("--ref", default="", help="The revision of the checkout, noted in the file.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the file (default: the repository's rounds/).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(
    checkout: Path | None,
    name: str,
    base: str | None,
    ref: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Make a round's rules from CHECKOUT, a checkout of mlcommons/inference.

    The official checker in it is parsed, never executed. What could not be mapped is listed. With
    --from there is no checkout: the new file names an older round, and you write into it what the
    new round changes.

    \b
    Example:
      mlrepo round import ../inference --round v6.1 --ref master
      mlrepo round import --from v6.1 --round v6.2
    """
    from mlrepo.compliance import UnknownTest, compliance_test
    from mlrepo.repository.files import write_atomically
    from mlrepo.rounds.importing import begin_round, import_round
    from mlrepo.rounds.round import tests_in

    if checkout is None:
        imported = begin_round(_rounds(), str(base), name)
    else:
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
    if checkout is None and file.exists():
        raise UserError(f"{file} exists.", hint="Change that file, or remove it first.")
    text = json.dumps(dict(imported.tables), indent=1, ensure_ascii=False) + "\n"
    write_atomically(file, text.encode())
    asked = tests_in(imported.tables.get("compliance_tests") or {})
    unknown = [test for test in sorted(asked) if isinstance(compliance_test(test), UnknownTest)]
    unread = [f"compliance_tests: mlrepo does not have {test}" for test in unknown]
    report = {"missing": list(imported.missing), "unread": [*imported.unread, *unread]}
    if as_json:
        values = {"round": imported.name, "file": str(file), **report}
        print_json("mlrepo.round.import/1", values)
        return
    click.echo(f"{imported.name}: {file}")
    if base is not None:
        click.echo(
            f"It has the rules of {base}. Add only what differs: tables, keys in them, traits. "
            f"`mlrepo round show {imported.name} --json` prints the result."
        )
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
