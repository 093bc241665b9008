"""``mlrepo bench list`` and ``prereq``: what can run here, and how to get what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import user_directory
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.cli.table import output_width
from mlrepo.errors import UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.available import Combination


@click.command("list", cls=Command)
@click.argument("benchmark", required=False)
@click.option("--all", "show_all", is_flag=True, help="The commands for all benchmarks.")
@click.option("--json", "as_json", is_flag=True, help="Print the combinations as JSON.")
def list_(benchmark: str | None, show_all: bool, as_json: bool) -> None:
    """List what can run here: benchmarks, models, backends; for the rest, what is missing.

    With BENCHMARK or --all, print the commands that get what is missing.
    Each runs in the scenarios Offline, SingleStream, MultiStream and Server, in both modes.

    \b
    Example:
      mlrepo bench list
      mlrepo bench list resnet50
    """
    from dataclasses import asdict

    from mlrepo.bench.available import combinations
    from mlrepo.scenarios import LOADGEN_SCENARIOS

    found = combinations(user_directory())
    if benchmark is not None:
        names = list(dict.fromkeys(one.benchmark for one in found))
        if benchmark not in names:
            raise UserError(
                f"There is no benchmark {benchmark!r}.", hint=f"Use one of: {', '.join(names)}."
            )
        found = [one for one in found if one.benchmark == benchmark]
    if as_json:
        values = {
            "scenarios": list(LOADGEN_SCENARIOS),
            "combinations": [asdict(entry) for entry in found],
        }
        print_json("mlrepo.bench.list/1", values)
    elif benchmark is not None or show_all:
        _print_commands(found)
    else:
        _print_models(found)


def _print_models(found: Sequence[Combination]) -> None:
    """Print a line for each model: with which backends it is ready, and what the others lack."""
    from mlrepo.backends.capabilities import backends_that

    models: dict[tuple[str, str], list[Combination]] = {}
    for one in found:
        models.setdefault((one.benchmark, one.model), []).append(one)
    print_table(
        ("BENCHMARK", "MODEL", "READY", "MISSING"),
        [
            (
                *key,
                _ready(of_model),
                ", ".join(dict.fromkeys(what for one in of_model for what in _lacking(one))),
            )
            for key, of_model in models.items()
        ],
        wrap="MISSING",
    )
    names = ", ".join(sorted({one.backend for one in found if one.backend}))
    click.echo(click.wrap_text(f"Backends: {names}", width=output_width() or 100))
    asking = backends_that(lambda one: one.endpoint)
    if asking:
        click.echo(f"Language models on a server: --backend {' or '.join(asking)} --endpoint URL")
    incomplete = next((one.benchmark for one in found if one.needed), None)
    if incomplete is not None:
        click.echo(f"`mlrepo bench list {incomplete}` has the commands that get what is missing.")


def _ready(of_model: Sequence[Combination]) -> str:
    names = [one.backend for one in of_model if not one.needed]
    return f"all {len(names)}" if len(names) == len(of_model) > 1 else ", ".join(names)


def _lacking(one: Combination) -> Iterator[str]:
    """Yield in a word or two what each of the commands gets."""
    for command in one.needed:
        match command.split()[:3]:
            case ["mlrepo", "model", *_]:
                yield "model"
            case ["mlrepo", "dataset", *_]:
                yield "data set"
            case ["mlrepo", "bench", "prereq"] if "--backend" in command:
                yield f"packages of {one.backend}"
            case ["mlrepo", "bench", "prereq"]:
                yield "packages"
            case _:
                yield command


def _print_commands(found: Sequence[Combination]) -> None:
    """Print the commands on lines of their own, whole, for all backends that need the same."""
    backends: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for one in found:
        backends.setdefault((one.benchmark, one.model, one.needed), []).append(one.backend)
    for (benchmark, model, needed), names in backends.items():
        state = "needs" if needed else "ready"
        title = f"{benchmark} {model}".strip()
        with_backends = f" with {', '.join(names)}" if any(names) else ""
        click.echo(style(f"{title}{with_backends}: {state}", bold=True))
        for command in needed:
            click.echo(f"  {command}")


@click.command("prereq", cls=Command, one_of=("backend", "dataset", "model"))
@click.option("--backend", help="Install what this backend needs.")
@click.option("--dataset", help="Install what preparing this data set needs.")
@click.option(
    "--model",
    metavar="BENCHMARK",
    help="Install what this benchmark's models, data set and accuracy need.",
)
@click.option("--dry-run", is_flag=True, help="Print the command instead of running it.")
@click.option("--json", "as_json", is_flag=True, help="Print what is missing as JSON.")
def prereq(
    backend: str | None, dataset: str | None, model: str | None, dry_run: bool, as_json: bool
) -> None:
    """Check and install what a backend, data set or benchmark needs, into the current environment.

    Versions that work together are pinned. With --json nothing is installed.

    \b
    Example:
      mlrepo bench prereq --backend tvm-onnx --dry-run
    """
    from mlrepo.backends.requirements import missing
    from mlrepo.bench.available import (
        install,
        install_command,
        requirements_of_backend,
        requirements_of_benchmark,
        requirements_of_dataset,
    )

    needs, name = next(
        (needs, name)
        for needs, name in (
            (requirements_of_backend, backend),
            (requirements_of_dataset, dataset),
            (requirements_of_benchmark, model),
        )
        if name is not None
    )
    wanted = needs(name)
    lacking = missing(wanted)
    command_line = install_command(lacking) if lacking else []
    if as_json:
        values = {"requirements": wanted, "missing": lacking, "command": command_line}
        print_json("mlrepo.bench.prereq/1", values)
    elif not lacking:
        click.echo(f"{name}: everything it needs is installed.")
    elif dry_run:
        click.echo(shell_command(command_line))
    else:
        install(lacking)
        click.echo(f"installed {', '.join(lacking)}")
