"""``mlrepo import``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo import __version__
from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, not_empty, resolver
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import print_json, print_table, verdict
from mlrepo.errors import UserError
from mlrepo.limits import usable_cpus
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.legacy import TodaysCommand
    from mlrepo.exchange.imported import ImportedRun
    from mlrepo.record import RunRecord
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.recorder import Composition, Tip
    from mlrepo.tree import Tree

# Above this many results only a table is printed; --commands and --json still give the commands.
_FEW = 12


@dataclass(frozen=True)
class _Imported:
    record: RunRecord
    commit: str
    command: TodaysCommand


@click.command("import", cls=Command)
@click.argument("source", metavar="PATH|URL")
@click.option("--round", "round_", required=True, help="The round of the results, such as v1.1.")
@click.option(
    "--submitter", callback=not_empty, help="Only this submitter's; of bare logs: whose they are."
)
@click.option("--division", help="Of bare logs: their division.")
@click.option("--system", callback=not_empty, help="Of bare logs: their system.")
@click.option(
    "--benchmark",
    "--model",
    "benchmark",
    callback=not_empty,
    help="Of bare logs: their benchmark.",
)
@click.option(
    "--experiment", help="The branch exp/NAME that gets the records (default: import-ROUND)."
)
@click.option("--commands", is_flag=True, help="Print the command of today for every result.")
@click.option("--dry-run", is_flag=True, help="Read everything, record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print records and commands as JSON.")
def command(
    source: str,
    round_: str,
    submitter: str | None,
    division: str | None,
    system: str | None,
    benchmark: str | None,
    experiment: str | None,
    commands: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read published results, or LoadGen logs, into the records of this repository.

    PATH or URL is a results repository of a round (inference_results_v1.1), or a directory with
    logs that another harness made. `mlrepo log`, `status` and `review` read the records; `mlrepo
    select` never takes them. Importing again changes nothing.

    With each result comes the `mlrepo bench` command that would make it today.

    \b
    Example:
      mlrepo import ../inference_results_v1.1 --round v1.1 --submitter OctoML
      mlrepo import https://github.com/mlcommons/inference_results_v5.1 --round v5.1
      mlrepo import build/logs --round v6.1 --benchmark resnet50 --system box
    """
    from mlrepo.exchange.imported import Importer
    from mlrepo.exchange.imported_logs import LogOrigin, bare_runs
    from mlrepo.repository.experiments import Experiment
    from mlrepo.settings import setting_named

    repository = current_repository()
    found = repository.rounds[setting_named("round").check(round_, "--round")]
    onto = Experiment.parse(experiment or f"import-{found.name}")
    with _tree_of(source) as (tree, label):
        importer = Importer(tree, found, label, onto.name, f"mlrepo {__version__}")
        if importer.holds_divisions():
            runs = importer.published(submitter or "", usable_cpus())
        else:
            settings = resolver(repository)
            runs = bare_runs(
                importer,
                LogOrigin(
                    benchmark=_benchmark_of_logs(label, benchmark),
                    division=settings.require("division", division).value,
                    submitter=settings.require("submitter", submitter).value,
                    category=settings.require("category").value,
                    system=settings.require("system", system).value,
                ),
            )
        done = list(_record(repository, onto, runs, dry_run=dry_run))
    if as_json:
        values = _values(done, onto.branch, dry_run=dry_run)
        left_out = [{"path": one.path, "why": one.why} for one in importer.left_out]
        print_json("mlrepo.import/1", {**values, "left_out": left_out})
        return
    _print(done, commands=commands)
    for one in importer.left_out[:_FEW]:
        click.echo(f"Left out: {one.path}: {one.why}.")
    if len(importer.left_out) > _FEW:
        click.echo(f"… and {len(importer.left_out) - _FEW} more; --json lists them.")
    where = "Nothing was recorded." if dry_run else f"They are on {onto.branch}."
    click.echo(f"{len(done)} runs. {where}")


@contextlib.contextmanager
def _tree_of(source: str) -> Iterator[tuple[Tree, str]]:
    """Yield the source's tree and its label: a directory's name, or a URL without credentials."""
    from mlrepo.redaction import shown_url
    from mlrepo.repository.foreign import fetched, is_url
    from mlrepo.repository.trees import DirectoryTree

    if is_url(source):
        with fetched(source) as foreign:
            yield foreign.tree, f"{shown_url(source)} at {foreign.commit[:10]}"
        return
    path = Path(source)
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise UserError(f"{source} {what}.", hint="Name a directory, or the URL of a repository.")
    yield DirectoryTree(path), path.absolute().name


def _benchmark_of_logs(label: str, benchmark: str | None) -> str:
    if not benchmark:
        raise UserError(
            f"{label} holds bare logs, which do not say of which benchmark.",
            hint="Use --benchmark NAME; or name the directory that holds closed/ or open/.",
        )
    return benchmark


def _record(
    repository: ResultsRepository,
    experiment: Experiment,
    runs: Iterator[ImportedRun],
    *,
    dry_run: bool,
) -> Iterator[_Imported]:
    from mlrepo.bench.legacy import todays_command
    from mlrepo.paths import RepoPath
    from mlrepo.repository.identity import git_identity
    from mlrepo.repository.recorder import RUNS, Recorder
    from mlrepo.repository.trailers import commit_message

    recorder = Recorder(repository, git_identity(repository.root))
    today = repository.rounds[resolver(repository).require("round").value]
    line = StepLine("Importing", unit="runs")
    try:
        for number, run in enumerate(runs, start=1):
            record, commit = run.record, ""
            if not dry_run:
                directory = RepoPath((RUNS, record.run))
                files = {directory / name: data for name, data in run.files.items()}
                files[directory / "run.json"] = record.to_json()
                commit = recorder.record(
                    experiment, record.run, dict(files), _composed(commit_message(record))
                ).commit
            line.update(number, None)
            yield _Imported(record, commit, todays_command(record, run.workflow, today))
    finally:
        line.close()


def _composed(message: str) -> Callable[[Tip], Composition]:
    from mlrepo.repository.recorder import Composition

    return lambda tip: Composition(message)


def _print(done: list[_Imported], *, commands: bool) -> None:
    from mlrepo.record import PERFORMANCE

    print_table(
        ("RUN", "SUBMITTER", "SUT", "BENCHMARK", "SCENARIO", "MODE", "RESULT", "VERDICT"),
        [_row(one.record) for one in done],
        right=(6,),
        drop=("SUBMITTER", "BENCHMARK", "SUT", "MODE"),
        tail="RUN",
    )
    measured = [one for one in done if one.record.mode == PERFORMANCE]
    if not commands and len(measured) > _FEW:
        click.echo("--commands prints the command that would make each of them today.")
        return
    for one in measured:
        record = one.record
        click.echo(f"\n{record.sut} {record.benchmark} {record.scenario}, today:")
        text = shell_command(one.command.arguments) if one.command.arguments else "(none)"
        click.echo(f"  {text}")
        for remark in one.command.remarks:
            click.echo(f"  # {remark}")
    if measured:
        click.echo()


def _row(record: RunRecord) -> tuple[str, ...]:
    return (
        record.run,
        f"{record.division}/{record.submitter}",
        record.sut,
        record.benchmark,
        record.scenario,
        record.test or record.mode,
        str(record.result),
        verdict(record.validity),
    )


def _values(done: list[_Imported], branch: str, *, dry_run: bool) -> dict[str, object]:
    return {
        "branch": None if dry_run else branch,
        "runs": [
            {
                "commit": one.commit or None,
                "command": list(one.command.arguments),
                "remarks": list(one.command.remarks),
                "record": one.record.to_dict(),
            }
            for one in done
        ],
    }
