"""``mlrepo report``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository, not_empty, resolver, user_directory
from mlrepo.cli.progress import StepLine
from mlrepo.cli.records.output_file import write_output
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.report.chart import Chart
    from mlrepo.report.document import ReportedRuns
    from mlrepo.repository.discovery import ResultsRepository
    from mlrepo.repository.history import RecordedRun

_FORMATS = ("html", "json", "svg", "png", "md", "csv", "parquet")
_NAME = "mlrepo-report"


@click.command("report", cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write, or the directory to write it into (default: mlrepo-report.html here; "
    "of json, md and csv, standard output).",
)
@click.option("--experiment", callback=not_empty, help="Only runs of this experiment branch.")
@click.option("--benchmark", callback=not_empty, help="Only this benchmark.")
@click.option("--since", metavar="TIME", help="Only runs started at or after this time; see log.")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag (repeatable: all).")
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="html",
    show_default=True,
    help="A page, its data, one chart (svg, png), or the table of runs (md, csv, parquet).",
)
@click.option(
    "--chart",
    callback=not_empty,
    help="The chart for svg and png; `--chart help` lists the names of all.",
)
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
def command(
    out: Path | None,
    experiment: str | None,
    benchmark: str | None,
    since: str | None,
    tags: tuple[str, ...],
    format_: str,
    chart: str | None,
    open_: bool,
) -> int:
    """Write one HTML file about all recorded runs.

    It has the round's matrix, a table of runs to filter and sort, comparisons of any two
    selections, histories, Pareto fronts, load curves and latencies; it needs no network. Runs of
    all experiment branches, local and fetched, are in it. Withdrawn runs are in the table only.

    csv and parquet have a row for each run, with metrics, settings, system and commits, for pandas,
    DuckDB and spreadsheets; md is a short table for a README.

    \b
    Example:
      mlrepo report --open
      mlrepo report --since 2w --tag nightly --out reports/nightly.html
      mlrepo report --format svg --chart help
      mlrepo report --format parquet --out runs.parquet
    """
    if open_ and format_ != "html":
        raise UserError("Only a page can be opened.", hint="Leave --format or --open out.")
    drawn = format_ in ("svg", "png")
    if drawn != (chart is not None):
        raise UserError(
            f"--format {format_} needs the name of a chart."
            if drawn
            else "--chart is of an image.",
            hint="`mlrepo report --format svg --chart help` lists the charts.",
        )
    repository = current_repository()
    asked = {"experiment": experiment, "benchmark": benchmark, "since": since}
    asked |= {"tag": ", ".join(tags) or None}
    said = {name: value for name, value in asked.items() if value}
    reported = _read(
        repository, list(_chosen(repository, experiment, benchmark, since, tags)), said
    )
    if chart is not None:
        _write_chart(repository, reported, chart, format_, out)
        return 1 if repository.damage else 0
    if format_ in ("md", "csv", "parquet"):
        _write_table(repository, reported, format_, out)
        return 1 if repository.damage else 0
    from mlrepo.guard.embargo import embargo_in_force
    from mlrepo.report.document import report_document
    from mlrepo.report.page import report_json, report_page

    document = report_document(
        repository,
        reported,
        matrix=_matrix(repository),
        embargo=embargo_in_force(repository.root, os.environ).until,
    )
    if format_ == "json":
        text = report_json(document)
        if out is None:
            click.echo(text)
        else:
            _write(repository, _target(out, "json"), text.encode("utf-8", "backslashreplace"))
        return 1 if repository.damage else 0
    page = report_page(document, user_directory() / "compiled" / "vega")
    target = _target(out, "html")
    _write(repository, target, page)
    if open_:
        import webbrowser

        if not webbrowser.open(target.resolve().as_uri()):
            raise UserError(
                f"No browser could be started; the page is {target}.", hint="Open it by hand."
            )
    return 1 if repository.damage else 0


def _chosen(
    repository: ResultsRepository,
    experiment: str | None,
    benchmark: str | None,
    since: str | None,
    tags: tuple[str, ...],
) -> Iterator[RecordedRun]:
    from mlrepo.cli.records.filters import has, in_time
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.history import recorded_runs

    branch = Experiment.parse(experiment) if experiment else None
    filters = (has({"Benchmark": benchmark}, set(tags)), in_time(since))
    for run in recorded_runs(repository, branch, hidden=True):
        if not run.curation.superseded and all(keeps(run) for keeps in filters):
            yield run


def _read(
    repository: ResultsRepository, runs: list[RecordedRun], asked: Mapping[str, str]
) -> ReportedRuns:
    from mlrepo.report.document import read_runs

    line = StepLine("reading records", unit="runs") if sys.stderr.isatty() else None
    try:
        update = line.update if line else lambda done, total: None
        return read_runs(repository, runs, asked, update)
    finally:
        if line:
            line.close()


def _matrix(repository: ResultsRepository) -> dict[str, object] | None:
    """Return what `mlrepo status --json` prints; None for a repository without a round."""
    from mlrepo.bench.status import round_status
    from mlrepo.cli.records.machines import machines_values
    from mlrepo.cli.records.status import row_values
    from mlrepo.jobs.systems import engines_of_systems

    found = resolver(repository)
    round_, category = found.find("round"), found.find("category")
    if round_ is None or category is None:
        return None
    try:
        rows = round_status(repository, repository.rounds[round_.value], category.value, None)
    except UserError as error:  # a damaged run must not cost the whole report
        return {"round": round_.value, "results": [], "problem": error.message}
    engines = engines_of_systems(repository)
    return {
        "round": round_.value,
        "results": [
            {
                **row_values(row.on(engines.get(row.system, ""))),
                "can_be_rehearsed": row.can_be_rehearsed,
            }
            for row in rows
        ],
        "machines": machines_values(repository, rows),
        "problem": "",
    }


def _write_chart(
    repository: ResultsRepository, reported: ReportedRuns, name: str, format_: str, out: Path | None
) -> None:
    from mlrepo.nearest import suggested
    from mlrepo.report.document import report_charts
    from mlrepo.report.drawing import draw

    charts = {chart.name: chart for chart in report_charts(repository, reported.runs)}
    _tell_unreadable(reported)
    if name == "help":
        _list_charts(charts)
        return
    if name not in charts:
        raise UserError(
            f"There is no chart {name!r}. {suggested(name, charts)}".rstrip(),
            hint=f"`mlrepo report --format {format_} --chart help` lists them.",
        )
    image = draw(charts[name], "svg" if format_ == "svg" else "png")
    _write(repository, _target(out, format_, name), image)


def _write_table(
    repository: ResultsRepository, reported: ReportedRuns, format_: str, out: Path | None
) -> None:
    from mlrepo.report.flat_files import table_csv, table_markdown, table_parquet
    from mlrepo.report.run_table import flat_table

    _tell_unreadable(reported)
    table = flat_table(repository, reported.runs)
    if format_ == "parquet":
        _write(repository, _target(out, format_), table_parquet(table))
        return
    text = table_csv(table) if format_ == "csv" else table_markdown(table)
    if out is None:
        click.echo(text, nl=False)
    else:
        _write(repository, _target(out, format_), text.encode("utf-8", "backslashreplace"))


def _tell_unreadable(reported: ReportedRuns) -> None:
    for problem in reported.unreadable.values():
        click.echo(f"mlrepo: {problem}", err=True)


def _list_charts(charts: Mapping[str, Chart]) -> None:
    from mlrepo.cli.render import print_table

    if not charts:
        click.echo("No run has figures to draw.", err=True)
        return
    rows = [(chart.name, chart.title) for chart in charts.values()]
    print_table(("CHART", "WHAT IT SHOWS"), rows, wrap="WHAT IT SHOWS")


def _target(out: Path | None, suffix: str, name: str = _NAME) -> Path:
    """Return the file to write: in a directory, or without --out, one named after its content."""
    if out is None:
        return Path(f"{name}.{suffix}")
    return out / f"{name}.{suffix}" if out.is_dir() else out


def _write(repository: ResultsRepository, path: Path, data: bytes) -> None:
    write_output(repository, path, data, "--out")
    click.echo(
        f"{path} has the report ({len(data) / 1e6:.1f} MB)." if path.suffix == ".html" else path
    )
