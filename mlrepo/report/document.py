"""What a report holds, as one JSON document: ``mlrepo.report/1``.

``pages/report-1.schema.json`` is its schema. Texts of others are cut to :data:`LONGEST_TEXT`
characters, and characters that would control a reader's screen are spelled out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlrepo import __version__
from mlrepo.differences import estimated_settings, machine, settings
from mlrepo.harmless import harmless
from mlrepo.record import Metric
from mlrepo.record.first_requests import command_of
from mlrepo.report.chart import Chart, ChartNames
from mlrepo.report.drawing import SPECIFICATIONS
from mlrepo.report.histories import histories
from mlrepo.report.listing import contradicted
from mlrepo.report.measures import (
    latencies,
    load_curves,
    pareto_fronts,
    percentile_of,
    tokens_per_user,
)
from mlrepo.report.reported import ReportedRun, lower_is_better
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_branches
from mlrepo.repository.history import RecordedRun, load_records
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

SCHEMA = "mlrepo.report/1"
# A longer text of others is cut, and says how long it was.
LONGEST_TEXT = 2000

_Value = Callable[[ReportedRun], object]


@dataclass(frozen=True)
class ReportedRuns:
    """The runs of a report, and what became of the others.

    Attributes
    ----------
    runs:
        Oldest commit first.
    unreadable:
        Why the record of a run cannot be read, by run.
    asked:
        The options that chose the runs, as typed, by name.
    """

    runs: tuple[ReportedRun, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)


def read_runs(
    repository: ResultsRepository,
    chosen: Iterable[RecordedRun],
    asked: Mapping[str, str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReportedRuns:
    """Read the records of runs, which come newest first.

    Of withdrawn and pruned runs only the trailers are taken: they count no longer.
    """
    runs = list(chosen)
    counting = [run for run in runs if not run.curation.hidden]
    unreadable: dict[str, str] = {}
    records: dict[str, RunRecord | None] = {}
    for done, record in enumerate(load_records(repository, counting, unreadable)):
        records[counting[done].run] = record
        on_progress(done + 1, len(counting))
    reported = tuple(ReportedRun(run, records.get(run.run)) for run in reversed(runs))
    return ReportedRuns(reported, unreadable, asked)


def report_charts(repository: ResultsRepository, runs: Sequence[ReportedRun]) -> list[Chart]:
    """Return all charts of a report, with the texts of others made harmless."""
    names = ChartNames()
    charts = [
        *histories(runs, repository.rounds, names),
        *pareto_fronts(runs, names),
        *load_curves(runs, names),
        *latencies(runs, names),
        *tokens_per_user(runs, names),
    ]
    return [
        replace(
            chart,
            title=_text(chart.title),
            about=_text(chart.about),
            x=_text(chart.x),
            y=_text(chart.y),
            rows=tuple(tuple(_plain(value) for value in row) for row in chart.rows),
        )
        for chart in charts
    ]


def report_document(
    repository: ResultsRepository,
    reported: ReportedRuns,
    *,
    matrix: Mapping[str, object] | None = None,
    embargo: str = "",
) -> dict[str, object]:
    """Return the document of a report; the same runs give the same document.

    Parameters
    ----------
    matrix:
        The matrix of the round, as ``mlrepo status --json`` has it; None for no round.
    embargo:
        The day before which no result may become public (``YYYY-MM-DD``); '' for none.
    """
    columns, rows, machines, configurations = _table(repository, reported.runs)
    branches = sorted((name, str(tip)) for name, _, tip in experiment_branches(repository))
    document: dict[str, object] = {
        "schema": SCHEMA,
        "tool": f"mlrepo {__version__}",
        "submitter": repository.file_settings().get("submitter", ""),
        "branches": [{"name": name, "commit": commit} for name, commit in branches],
        "asked": dict(reported.asked),
        "embargo": embargo,
        "round": matrix,
        "columns": columns,
        "runs": rows,
        "machines": machines,
        "settings": configurations,
        "unreadable": [{"run": run, "why": why} for run, why in reported.unreadable.items()],
        "damage": [damage.message for damage in repository.damage.values()],
    }
    charts = [vars(chart) for chart in report_charts(repository, reported.runs)]
    return {
        **{name: _plain(value) for name, value in document.items()},
        "charts": charts,
        "specifications": SPECIFICATIONS,
    }


def _table(
    repository: ResultsRepository, runs: Sequence[ReportedRun]
) -> tuple[list[dict[str, object]], list[list[object]], list[dict[str, str]], list[dict[str, str]]]:
    """Return the columns, the rows, and the machines and settings that rows refer to by number."""
    machines, configurations = _Numbered(), _Numbered()
    rounds = repository.rounds

    def settings_of(record: RunRecord) -> dict[str, str]:
        estimated = estimated_settings(record)
        return {name: said for name, said in settings(record).items() if name not in estimated}

    values: list[tuple[str, _Value]] = [
        ("run", lambda run: run.run.run),
        ("commit", lambda run: run.run.commit),
        ("start", lambda run: run.start),
        *((name.lower(), _trailer(name)) for name in _TRAILERS),
        ("result", lambda run: run.value),
        ("unit", lambda run: run.run.result.unit),
        ("better", lambda run: "lower" if lower_is_better(run, rounds) else "higher"),
        ("verdict", lambda run: run.run.trailer("Validity")),
        ("reasons", _of_record(lambda record: list(record.reasons), [])),
        ("tags", lambda run: list(run.run.tags)),
        ("note", lambda run: run.run.note),
        ("withdrawn", lambda run: run.run.withdrawn),
        ("pruned", lambda run: run.run.curation.pruned),
        ("placed", lambda run: run.run.trailer("Placed")),
        ("precision", _of_record(lambda record: record.backend.precision, "")),
        ("threads", _of_record(lambda record: record.backend.threads, None)),
        ("batch", _of_record(lambda record: record.backend.batch, None)),
        ("configuration", lambda run: run.run.trailer("Configuration")[:12]),
        ("source", _of_record(lambda record: record.source.commit[:12], "")),
        ("tool", _of_record(lambda record: record.tool, "")),
        ("framework", _of_record(lambda record: record.backend.framework, "")),
        ("loadgen", _of_record(lambda record: record.loadgen.version, "")),
        ("disturbances", _of_record(lambda record: list(record.load.noise.disturbances), [])),
        ("contradicted", lambda run: contradicted(run.run)),
        ("command", _of_record(lambda record: shell_command(command_of(record)), "")),
        ("machine", _of_record(lambda record: machines.number(machine(record)), None)),
        ("settings", _of_record(lambda record: configurations.number(settings_of(record)), None)),
    ]
    metrics = dict.fromkeys(
        (name, metric.unit)
        for run in runs
        if run.record is not None
        for name, metric in run.record.metrics.items()
    )
    columns: list[dict[str, object]] = [{"name": name} for name, _ in values]
    for name, unit in metrics:
        column: dict[str, object] = {"name": f"metric:{name}", "unit": unit}
        if percentile := percentile_of(name):
            column |= {"of": percentile.of, "share": percentile.share}
        columns.append(column)
    nothing = Metric(None, "")
    rows = []
    for run in runs:
        row = [value(run) for _, value in values]
        own: Mapping[str, Metric] = run.record.metrics if run.record is not None else {}
        for name, unit in metrics:
            metric = own.get(name, nothing)
            row.append(metric.value if metric.unit == unit else None)
        rows.append(row)
    return columns, rows, machines.found, configurations.found


_TRAILERS = (
    *("Experiment", "Round", "Division", "Submitter", "System", "Backend"),
    *("Benchmark", "Scenario", "Mode", "Test"),
)


class _Numbered:
    """Gives equal mappings the same number."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}

    def number(self, values: Mapping[str, str]) -> int:
        """Return the number of a mapping."""
        key = tuple(values.items())
        if key not in self._numbers:
            self._numbers[key] = len(self.found)
            self.found.append(dict(values))
        return self._numbers[key]


def _trailer(name: str) -> _Value:
    return lambda run: run.run.trailer(name)


def _of_record(value: Callable[[RunRecord], object], otherwise: object) -> _Value:
    return lambda run: otherwise if run.record is None else value(run.record)


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
    return harmless(text)


def _plain(value: object) -> object:
    """Return a value that JSON has, with harmless texts; a number that is not finite is null."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
