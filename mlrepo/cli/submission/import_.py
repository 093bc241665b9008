"""``mlrepo import``."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo import __version__
from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, not_empty, resolver
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import JsonEntries, print_json
from mlrepo.cli.submission.imported_tables import (
    RunRow,
    print_counts,
    print_left_out,
    print_runs,
    row_of,
)
from mlrepo.errors import Interrupted, UserError
from mlrepo.limits import usable_cpus
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.legacy import TodaysCommand
    from mlrepo.exchange.imported_run import ImportedRun
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.experiments import Experiment
    from mlrepo.tree import Tree

# Above this many results only a table is printed; --commands and --json still give the commands.
_FEW = 12
# Above this many runs, only how many there are of whom.
_MANY = 100


@dataclass(frozen=True)
class _Imported:
    """A run that was read: what the table has of it, and what ``--json`` and commands need.

    A whole round has thousands: what is not shown is not kept.
    """

    row: RunRow
    mode: str
    commit: str
    command: TodaysCommand | None
    record: bytes


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
@click.option(
    "--summary",
    "summary_only",
    is_flag=True,
    help="Only the summary of a published repository, not its logs.",
)
@click.option("--all", "show_all", is_flag=True, help="List every run, also of a whole round.")
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
    summary_only: bool,
    show_all: bool,
    commands: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read published results, or LoadGen logs, into the records of this repository.

    PATH or URL is a results repository of a round (inference_results_v1.1), or a directory with
    logs that another harness made. `mlrepo log`, `status` and `review` read the records; `mlrepo
    select` never takes them. Importing again changes nothing.

    PATH may also be the summary of a round, summary.json or summary_results.json, without any logs:
    its results have the verdict PUBLISHED, since nothing of them can be judged here. They give way
    to the same results with logs, whichever are imported first.

    With each result comes the `mlrepo bench` command that would make it today. Of a whole round
    only the numbers of results and runs are printed.

    \b
    Example:
      mlrepo import ../inference_results_v1.1 --round v1.1 --submitter OctoML
      mlrepo import https://github.com/mlcommons/inference_results_v5.1 --round v5.1
      mlrepo import summary.json --round v6.1
      mlrepo import build/logs --round v6.1 --benchmark resnet50 --system box
    """
    from mlrepo.exchange.imported import Importer
    from mlrepo.exchange.imported_logs import LogOrigin, bare_runs
    from mlrepo.exchange.imported_summary import summary_in, summary_runs
    from mlrepo.repository.bulk_runs import recorded_on
    from mlrepo.repository.experiments import Experiment
    from mlrepo.settings import setting_named

    repository = current_repository()
    found = repository.rounds[setting_named("round").check(round_, "--round")]
    onto = Experiment.parse(experiment or f"import-{found.name}")
    with _tree_of(source) as (tree, label, file):
        importer = Importer(tree, found, label, onto.name, f"mlrepo {__version__}")
        has_results = not file and importer.holds_divisions()
        if not has_results or summary_only:
            file = file or summary_in(tree)
        if summary_only and not file:
            raise UserError(
                f"{label} has no summary.json and no summary_results.json.",
                hint="Without --summary, the logs of its results are imported.",
            )
        if file:
            runs = summary_runs(importer, file, submitter or "")
        elif has_results:
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
        keeps = _Shown(repository, records=as_json, commands=commands or as_json)
        known = recorded_on(repository, onto)
        done = list(_record(repository, onto, runs, keeps, dry_run=dry_run))
    if as_json:
        values = _values(done, onto.branch, dry_run=dry_run)
        left_out = [{"path": one.path, "why": one.why} for one in importer.left_out]
        print_json("mlrepo.import/1", {**values, "left_out": left_out})
        return
    _print(done, commands=commands, every=show_all)
    print_left_out(importer.left_out)
    what = "results and accuracies of a summary, without logs" if file else "runs"
    click.echo(f"{len(done)} {what}. {_where(done, onto, None if dry_run else known)}")
    if done and not dry_run:
        click.echo(
            f"`mlrepo status --round {found.name}` shows the results, `mlrepo log --experiment "
            f"{onto.name}` lists the runs, `mlrepo report` makes a page of them."
        )


@contextlib.contextmanager
def _tree_of(source: str) -> Iterator[tuple[Tree, str, str]]:
    """Yield the source's tree, its label, and the file in the tree if it is one.

    The label is the name of the directory or file, or a URL without credentials.
    """
    from mlrepo.redaction import shown_url
    from mlrepo.repository.foreign import fetched, is_url
    from mlrepo.repository.trees import DirectoryTree

    if is_url(source):
        with fetched(source) as foreign:
            yield foreign.tree, f"{shown_url(source)} at {foreign.commit[:10]}", ""
        return
    path = Path(source)
    if path.is_file():
        yield DirectoryTree(path.absolute().parent), path.name, path.name
        return
    if not path.is_dir():
        what = "is neither a directory nor a file" if path.exists() else "does not exist"
        raise UserError(f"{source} {what}.", hint="Name a directory, or the URL of a repository.")
    yield DirectoryTree(path), path.absolute().name, ""


def _benchmark_of_logs(label: str, benchmark: str | None) -> str:
    if not benchmark:
        raise UserError(
            f"{label} holds bare logs, which do not say of which benchmark.",
            hint="Use --benchmark NAME; or name the directory that holds closed/ or open/.",
        )
    return benchmark


class _Shown:
    """Makes of each run what is shown of it: its command only where that is asked or few."""

    def __init__(self, repository: ResultsRepository, *, records: bool, commands: bool) -> None:
        self._records, self._commands = records, commands
        self._today = repository.rounds[resolver(repository).require("round").value]
        self._measured = 0

    def of(self, run: ImportedRun, commit: str) -> _Imported:
        """Return what is kept of a run."""
        from mlrepo.bench.legacy import todays_command
        from mlrepo.exchange.imported_run import RECORD_FILE
        from mlrepo.record import PERFORMANCE, PUBLISHED

        mode = run.trailers["MLRepo-Mode"]
        self._measured += mode == PERFORMANCE
        wanted = self._commands or (mode == PERFORMANCE and self._measured <= _FEW)
        # A summary does not say how a result was measured.
        wanted = wanted and run.trailers["MLRepo-Validity"] != PUBLISHED
        command = todays_command(run.record, run.workflow, self._today) if wanted else None
        record = run.files[RECORD_FILE] if self._records else b""
        return _Imported(row_of(run), mode, commit, command, record)


def _record(
    repository: ResultsRepository,
    experiment: Experiment,
    runs: Iterator[ImportedRun],
    keeps: _Shown,
    *,
    dry_run: bool,
) -> Iterator[_Imported]:
    from mlrepo.repository.bulk_runs import RunToRecord, record_runs
    from mlrepo.repository.identity import git_identity

    line = StepLine("Importing", unit="runs")
    waiting: deque[_Imported] = deque()
    number = 0

    def read() -> Iterator[RunToRecord]:
        for run in runs:
            waiting.append(keeps.of(run, ""))
            yield RunToRecord(run.run, run.message, run.files)

    try:
        if dry_run:
            for number, _ in enumerate(read(), start=1):
                line.update(number, None)
                yield waiting.popleft()
            return
        commits = record_runs(repository, git_identity(repository.root), experiment, read())
        for number, commit in enumerate(commits, start=1):
            line.update(number, None)
            yield replace(waiting.popleft(), commit=commit)
    except KeyboardInterrupt as error:
        recorded = 0 if dry_run else number
        raise Interrupted(
            f"Interrupted. {recorded} runs were recorded on {experiment.branch}.",
            hint="Run the command again for the others: it records none twice.",
        ) from error
    finally:
        line.close()


def _where(done: list[_Imported], onto: Experiment, known: set[str] | None) -> str:
    """Say where the runs are, and how many were there before; None if nothing was recorded."""
    if known is None:
        return "Nothing was recorded."
    old = sum(one.row.run in known for one in done)
    if not old:
        return f"They are on {onto.branch}."
    if old == len(done):
        return f"All of them were on {onto.branch} already."
    return f"They are on {onto.branch}; {old} of them were there already."


def _print(done: list[_Imported], *, commands: bool, every: bool) -> None:
    from mlrepo.record import PERFORMANCE, PUBLISHED

    rows = [one.row for one in done]
    shortened = len(rows) > _MANY and not every
    if not shortened:
        print_runs(rows)
    elif not commands:
        print_counts(rows)
    measured = [one for one in done if one.mode == PERFORMANCE and one.row.validity != PUBLISHED]
    if not commands and len(measured) > _FEW:
        lists = "--all lists every run; " if shortened else ""
        click.echo(f"{lists}--commands prints the command that would make each of them today.")
        return
    for one in measured:
        if one.command is None:
            continue
        row = one.row
        click.echo(f"\n{row.sut} {row.benchmark} {row.scenario}, today:")
        text = shell_command(one.command.arguments) if one.command.arguments else "(none)"
        click.echo(f"  {text}")
        for remark in one.command.remarks:
            click.echo(f"  # {remark}")
    if measured:
        click.echo()


def _values(done: list[_Imported], branch: str, *, dry_run: bool) -> dict[str, object]:
    return {"branch": None if dry_run else branch, "runs": JsonEntries(done, _entry)}


def _entry(one: _Imported) -> dict[str, object]:
    return {
        "commit": one.commit or None,
        "command": list(one.command.arguments) if one.command else [],
        "remarks": list(one.command.remarks) if one.command else [],
        "record": json.loads(one.record),
    }
