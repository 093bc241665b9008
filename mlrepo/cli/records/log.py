"""``mlrepo log``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository
from mlrepo.cli.fetched import fetch_values, print_last_fetch
from mlrepo.cli.progress import StepLine
from mlrepo.cli.records.filters import check_mode, has, in_time
from mlrepo.cli.records.run_list import (
    LEAST_IMPORTANT,
    default_columns,
    print_flat,
    print_runs,
    print_tags,
)
from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.history import RecordedRun

_FORMATS = ("table", "json", "csv")


@click.command("log", cls=Command)
@click.option("--experiment", help="Only runs of this experiment branch.")
@click.option("--benchmark", help="Only this benchmark.")
@click.option("--scenario", help="Only this scenario (any case).")
@click.option("--mode", help="accuracy, performance or compliance.")
@click.option("--system", help="Only this system.")
@click.option("--backend", help="Only this backend.")
@click.option("--valid", is_flag=True, help="Only VALID runs.")
@click.option("--invalid", is_flag=True, help="Only INVALID, FAILED and INTERRUPTED runs.")
@click.option("--withdrawn", is_flag=True, help="Only runs that count no longer, with the reason.")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag (repeatable: all).")
@click.option(
    "--since",
    metavar="TIME",
    help="Only runs started at or after this time: 2026-11-29, 2026-11-29T14:30 (UTC), yesterday, "
    "36h, '2 weeks'.",
)
@click.option("--until", metavar="TIME", help="Only runs started at or before this time.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="At most this many runs.")
@click.option(
    "--sort",
    metavar="COLUMN",
    default="",
    help="Sort by a column: result, start, benchmark …; -result (or --sort=-result) descending.",
)
@click.option(
    "--columns",
    metavar="LIST",
    default="",
    help="Show these columns, with commas between them; `--columns help` lists them.",
)
@click.option("--tags", "list_tags", is_flag=True, help="List the tags of the runs instead.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), help="table, json or csv.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(
    experiment: str | None,
    benchmark: str | None,
    scenario: str | None,
    mode: str | None,
    system: str | None,
    backend: str | None,
    valid: bool,
    invalid: bool,
    withdrawn: bool,
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int | None,
    sort: str,
    columns: str,
    list_tags: bool,
    format_: str | None,
    as_json: bool,
) -> int:
    """List the recorded runs, newest first.

    Runs of all experiment branches, local and fetched, are listed; each once. JSON and CSV have
    more than the table: among others when the run started, its metrics, threads, batch and command;
    CSV also settings and system, as `mlrepo report --format csv` has them for all runs.
    Beside a verdict, ~ means that other work on the machine disturbed the run, and ! that the
    system's description is not of the machine; `mlrepo show RUN` says more.

    \b
    Example:
      mlrepo log --scenario offline --valid -n 10
      mlrepo log --since 2w --sort -result --columns run,start,result,threads
      mlrepo log --tag nightly --format csv
    """
    from itertools import islice

    from mlrepo.record import FAILED, INTERRUPTED, INVALID, VALID
    from mlrepo.report.listing import COLUMNS, column, in_order, listed_runs, tag_uses
    from mlrepo.repository.experiments import Experiment
    from mlrepo.repository.history import recorded_runs
    from mlrepo.scenarios import scenario as known_scenario

    if columns == "help":
        click.echo("\n".join([*COLUMNS, "metric:NAME"]))
        return 0
    if as_json and format_ not in (None, "json"):
        raise UserError("--json and --format exclude each other.", hint="Leave one of them out.")
    if valid and invalid:
        raise UserError("--valid and --invalid exclude each other.", hint="Leave both out for all.")
    check_mode(mode)
    format_ = "json" if as_json else format_ or "table"
    names = dict.fromkeys(name.strip() for name in columns.split(",") if name.strip())
    chosen = [column(name) for name in names]
    by = column(sort.removeprefix("-")) if sort else None
    wanted = {
        "Benchmark": benchmark,
        "Scenario": known_scenario(scenario).name if scenario else None,
        "Mode": mode,
        "System": system,
        "Backend": backend,
    }
    filters = [has(wanted, set(tags)), in_time(since, until)]
    if withdrawn:
        filters.append(lambda run: run.curation.hidden)
    if valid or invalid:
        wanted_verdicts = (VALID,) if valid else (INVALID, FAILED, INTERRUPTED)
        filters.append(lambda run: run.trailer("Validity") in wanted_verdicts)
    branch = Experiment.parse(experiment) if experiment else None
    repository = current_repository()
    runs: Iterable[RecordedRun] = (
        run
        for run in recorded_runs(repository, branch, hidden=withdrawn)
        if all(keeps(run) for keeps in filters)
    )
    if by is None:
        runs = islice(runs, limit)
    if list_tags:
        print_tags(tag_uses(runs), format_)
        return 1 if repository.damage else 0
    shown = chosen or default_columns(format_, withdrawn=withdrawn)
    unreadable: dict[str, str] = {}
    line = StepLine("reading records", unit="runs") if sys.stderr.isatty() else None
    try:
        needed = [*shown, *([by] if by else [])]
        update = line.update if line else lambda done, total: None
        listed = listed_runs(repository, runs, needed, unreadable, update)
    finally:
        if line:
            line.close()
    if by is not None:
        listed = in_order(listed, by, descending=sort.startswith("-"))[:limit]
    if not chosen and format_ == "csv":
        print_flat(repository, listed)
    else:
        if not chosen and format_ == "table" and any(one.run.note for one in listed):
            shown.append(column("note"))
        print_runs(
            listed,
            shown,
            format_,
            drop=None if chosen else LEAST_IMPORTANT,
            fetched=fetch_values(repository) if format_ == "json" else None,
        )
    if format_ == "table":
        print_last_fetch(repository)
    for problem in unreadable.values():
        click.echo(f"mlrepo: {problem}", err=True)
    return 1 if repository.damage else 0
