"""``mlrepo path``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, user_directory
from mlrepo.cli.render import print_json, print_table

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository

_RUNS = "runs"
_WHAT = {
    "root": "the working tree",
    _RUNS: "Git's objects: each run is a commit on a branch exp/NAME",
    "raw": "the full logs of which commits hold a truncated one, on this machine only",
    "system": "the descriptions of systems, and LoadGen's settings for each",
    "platform": "the platform profiles and their scripts",
    "spool": "runs that were measured and are not recorded yet",
    "store": "what else mlrepo keeps for this clone: locks, verdicts, crash reports",
    "home": "what you have for all repositories: models, data sets, compiled models",
    "models": "models that were registered or made",
    "datasets": "prepared data sets",
    "cache": "compiled models, the script of Vega for reports; may be deleted at any time",
}


@click.command("path", cls=Command)
@click.argument("what", required=False, type=click.Choice(tuple(_WHAT)))
@click.option("--json", "as_json", is_flag=True, help="Print all paths as JSON.")
def command(what: str | None, as_json: bool) -> None:
    """Say where files are: print one path, or all with what is there.

    \b
    Example:
      mlrepo path
      du -sh "$(mlrepo path raw)"
    """
    paths = _paths(current_repository())
    if as_json:
        print_json("mlrepo.path/1", {"paths": paths if what is None else {what: paths[what]}})
    elif what is None:
        print_table(
            ("WHAT", "PATH", "THERE ARE"),
            [(name, path, _WHAT[name]) for name, path in paths.items()],
            drop=("THERE ARE",),
            cut="…PATH",
        )
    else:
        click.echo(paths[what])
        if what == _RUNS:
            click.echo("Runs are Git commits; `mlrepo export DIR` writes them as files.", err=True)


def _paths(repository: ResultsRepository) -> dict[str, str]:
    store, home = repository.store, user_directory()
    found = {
        "root": repository.root,
        _RUNS: repository.common_dir / "objects",
        "raw": store / "raw",
        "system": repository.systems,
        "platform": repository.platforms,
        "spool": store / "spool",
        "store": store,
        "home": home,
        "models": home / "models",
        "datasets": home / "datasets",
        "cache": home / "compiled",
    }
    return {name: str(path.absolute()) for name, path in found.items()}
