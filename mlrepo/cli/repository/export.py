"""``mlrepo export``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, resolver
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.exchange.export import ExportSource
    from mlrepo.repository.discovery import ResultsRepository


@click.command("export", cls=Command)
@click.argument("directory", default="export", type=click.Path(path_type=Path))
@click.option("--selection", is_flag=True, help="What is selected for the round.")
@click.option("--experiment", metavar="NAME", help="The layout on this experiment branch.")
@click.option(
    "--run", "runs", metavar="RUN", multiple=True, help="All files of a run (repeatable)."
)
@click.option("--round", "round_", metavar="ROUND", help="The round (default: the repository's).")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    directory: Path,
    selection: bool,
    experiment: str | None,
    runs: tuple[str, ...],
    round_: str | None,
    as_json: bool,
) -> None:
    """Write results as ordinary files: the layout of the round, or the files of runs.

    They are in Git, on branches; this is how to look at them, copy them or hand them on. Each file
    is read back and compared with Git's object. DIRECTORY must be new or empty. By default the
    selection is written, or the layout of the only experiment if nothing is selected.

    \b
    Example:
      mlrepo export results-v6.1 --selection
      mlrepo export look --run latest
    """
    from mlrepo.exchange.export import export
    from mlrepo.repository.ignored import ignore_here

    if sum((selection, experiment is not None, bool(runs))) > 1:
        raise UserError(
            "--selection, --experiment and --run exclude each other.", hint="Export them in turn."
        )
    repository = current_repository()
    sources = _sources(repository, selection, experiment, runs, round_)
    done = export(repository, sources, directory)
    ignored = ignore_here(repository, done.directory)
    if as_json:
        print_json(
            "mlrepo.export/1",
            {
                "directory": str(done.directory),
                "sources": [{"what": s.label, "commit": s.commit} for s in sources],
                "files": done.files,
                "size": done.size,
                "ignored": ignored,
            },
        )
        return
    for source in sources:
        click.echo(f"{source.label}, commit {source.commit[:10]}")
    click.echo(f"wrote {done.files} files ({done.size} bytes) to {done.directory}")
    if ignored:
        click.echo("  Git ignores the directory in this clone.")


def _sources(
    repository: ResultsRepository,
    selection: bool,
    experiment: str | None,
    runs: Sequence[str],
    round_: str | None,
) -> list[ExportSource]:
    from mlrepo.exchange.export import experiment_source, run_source, selection_source
    from mlrepo.repository.experiments import Experiment, experiment_tips
    from mlrepo.repository.submission_branch import read_submission

    if runs:
        found = {source.roots: source for source in (run_source(repository, r) for r in runs)}
        return list(found.values())
    if experiment is not None:
        return [experiment_source(repository, Experiment.parse(experiment))]
    name = resolver(repository).require("round", round_).value
    if selection or read_submission(repository, name) is not None:
        return [selection_source(repository, name)]
    names = sorted({each.name for each, _ in experiment_tips(repository)})
    if len(names) == 1:
        return [experiment_source(repository, Experiment(names[0]))]
    raise UserError(
        f"Nothing is selected for {name}, and there are {len(names)} experiments."
        if names
        else "Nothing is recorded yet.",
        hint=f"Name one with --experiment: {', '.join(names)}."
        if names
        else "`mlrepo bench suite --benchmark digits --quick` makes the first runs.",
    )
