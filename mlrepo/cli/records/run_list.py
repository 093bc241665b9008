"""Print recorded runs, or their tags, as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlrepo.cli.render import print_json, print_table, verdict

if TYPE_CHECKING:
    from mlrepo.report.listing import ListColumn, ListedRun, TagUse
    from mlrepo.repository.discovery import ResultsRepository

_TABLE = (
    "run",
    "system",
    "backend",
    "benchmark",
    "scenario",
    "mode",
    "result",
    "validity",
    "tags",
)
LEAST_IMPORTANT = ("note", "tags", "backend", "system", "benchmark", "mode")


def default_columns(format_: str, *, withdrawn: bool = False) -> list[ListColumn]:
    """Return the columns of a format: those for people, or all.

    CSV without a choice of columns is the flat table of :mod:`mlrepo.report.run_table` instead.
    """
    from mlrepo.report.listing import COLUMNS

    if format_ == "table":
        return [COLUMNS[name] for name in (*_TABLE, *(("withdrawn",) if withdrawn else ()))]
    return list(COLUMNS.values())


def print_runs(
    listed: Sequence[ListedRun],
    columns: Sequence[ListColumn],
    format_: str,
    *,
    drop: Sequence[str] | None = None,
    fetched: Mapping[str, str | None] | None = None,
) -> None:
    """Print runs as a ``table``, ``json`` or ``csv``.

    Parameters
    ----------
    drop:
        The columns of a table that a narrow terminal may go without, the least important first;
        by default from the last one on.
    fetched:
        When the hub was last fetched, for JSON.
    """
    names = [column.name for column in columns]
    if format_ == "json":
        runs = [_values(one, columns) for one in listed]
        print_json("mlrepo.log/1", {"fetched": fetched, "runs": runs})
    elif format_ == "csv":
        _print_csv([names, *([_csv_value(column, one) for column in columns] for one in listed)])
    elif not listed:
        click.echo(
            "No run matches. `mlrepo log` lists all runs that count, `mlrepo log --tags` their "
            "tags; `mlrepo bench suite --benchmark digits --quick` records some.",
            err=True,
        )
    else:
        print_table(
            [_heading(name) for name in names],
            list(zip(*(map(_cells(column), listed) for column in columns), strict=True)),
            right=[i for i, column in enumerate(columns) if column.is_number],
            drop=[_heading(name) for name in (drop or names[:0:-1]) if name in names],
            tail=_heading("run") if "run" in names else "",
        )
        if "validity" in names and sys.stdout.isatty():
            _explain_marks(listed)


def print_flat(repository: ResultsRepository, listed: Sequence[ListedRun]) -> None:
    """Print runs as CSV with all that is known of them."""
    from mlrepo.report.flat_files import table_csv
    from mlrepo.report.reported import ReportedRun
    from mlrepo.report.run_table import flat_table

    runs = [ReportedRun(one.run, one.record) for one in listed]
    click.echo(table_csv(flat_table(repository, runs)), nl=False)


def _explain_marks(listed: Sequence[ListedRun]) -> None:
    """Say what the marks beside the verdicts mean, those that are there."""
    from mlrepo.report.listing import MARKS, marks

    used = {mark for one in listed for mark in marks(one.run)}
    if said := [f"{mark} {words}" for mark, words in MARKS.items() if mark in used]:
        click.echo(f"{'; '.join(said)} (mlrepo show RUN)")


def print_tags(uses: Sequence[TagUse], format_: str) -> None:
    """Print the tags of runs in the same formats."""
    if format_ == "json":
        print_json("mlrepo.log.tags/1", {"tags": [asdict(use) for use in uses]})
        return
    rows = [(use.tag, str(use.runs), use.newest) for use in uses]
    if format_ == "csv":
        _print_csv([("tag", "runs", "newest"), *rows])
    elif not uses:
        click.echo("No run has a tag. `mlrepo run tag latest +NAME` gives one.", err=True)
    else:
        print_table(("TAG", "RUNS", "NEWEST RUN"), rows, right=(1,), cut="TAG", tail="NEWEST RUN")


def _print_csv(rows: Iterable[Sequence[str | float | int | None]]) -> None:
    """Print rows of texts and numbers as CSV."""
    from mlrepo.report.flat_files import csv_text

    click.echo(csv_text(rows), nl=False)


def _csv_value(column: ListColumn, one: ListedRun) -> str | float | int | None:
    value = column.value(one) if column.is_number else None
    return value if isinstance(value, int | float) else column.text(one)


def _values(one: ListedRun, columns: Sequence[ListColumn]) -> dict[str, object]:
    from mlrepo.report.listing import metric_values

    values = {column.name: column.value(one) for column in columns}
    if "result" in values:
        values["result"] = metric_values(one.run.result)
        values.pop("unit", None)
    return values


def _heading(name: str) -> str:
    if name.startswith("metric:"):
        return name.removeprefix("metric:")
    return "VERDICT" if name == "validity" else name.upper()


def _cells(column: ListColumn) -> Callable[[ListedRun], str]:
    """Return the function that gives a run's cell in a table for people."""
    from mlrepo.record import format_number
    from mlrepo.report.listing import marks

    def withdrawn(one: ListedRun) -> str:
        pruned = one.run.curation.pruned
        return f"pruned: {pruned}" if pruned else one.run.withdrawn or superseded(one)

    def superseded(one: ListedRun) -> str:
        return one.run.curation.why_hidden if one.run.curation.superseded else ""

    def number(one: ListedRun) -> str:
        value = column.value(one)
        return format_number(value) if isinstance(value, float) else column.text(one)

    special: dict[str, Callable[[ListedRun], str]] = {
        "withdrawn": withdrawn,
        "mode": lambda one: one.run.trailer("Test") or one.run.trailer("Mode"),
        "result": lambda one: str(one.run.result),
        "validity": lambda one: f"{verdict(one.run.trailer('Validity'))} {marks(one.run)}".rstrip(),
        "tags": lambda one: one.run.trailer("Tags"),
    }
    return special.get(column.name) or (number if column.is_number else column.text)
