"""``mlrepo bench list`` and ``prereq``: what can run here, and how to get what is missing."""

from __future__ import annotations

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import user_directory
from mlrepo.cli.render import print_json, print_table
from mlrepo.shell import shell_command


@click.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the combinations as JSON.")
def list_(as_json: bool) -> None:
    """List what can run here: benchmarks, models, backends; for the rest, what is missing.

    Each runs in the scenarios Offline, SingleStream, MultiStream and Server, in both modes.

    \b
    Example:
      mlrepo bench list
    """
    from dataclasses import asdict

    from mlrepo.bench.available import combinations
    from mlrepo.scenarios import LOADGEN_SCENARIOS

    found = combinations(user_directory())
    if as_json:
        values = {
            "scenarios": list(LOADGEN_SCENARIOS),
            "combinations": [asdict(entry) for entry in found],
        }
        print_json("mlrepo.bench.list/1", values)
        return
    print_table(
        ("BENCHMARK", "MODEL", "BACKEND", "READY", "WHAT GETS IT"),
        [
            (e.benchmark, e.model, e.backend, "no" if e.needed else "yes", "; ".join(e.needed))
            for e in found
        ],
        wrap="WHAT GETS IT",
    )


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
