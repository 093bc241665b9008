"""The table of runs, as the report's document has it, and all flat formats.

A flat table has a row for each run and a column for each fact, with numbers as numbers, for pandas,
DuckDB and spreadsheets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.differences import estimated_settings, machine, settings
from mlrepo.harmless import harmless
from mlrepo.record import Metric
from mlrepo.record.codec import said_text
from mlrepo.record.first_requests import command_of
from mlrepo.report.gate import seconds_of
from mlrepo.report.listing import contradicted
from mlrepo.report.measures import percentile_of
from mlrepo.report.reported import ReportedRun, lower_is_better
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

# A longer text of others is cut, and says how long it was.
LONGEST_TEXT = 2000

_Value = Callable[[ReportedRun], object]


@dataclass(frozen=True)
class RunTable:
    """Runs as rows.

    Attributes
    ----------
    columns:
        ``name``; of a metric also ``unit`` and, of a percentile, ``of`` and ``share``.
    rows:
        The values of each run; ``machine`` and ``settings`` are numbers of the lists below.
    machines, settings:
        What rows refer to by number, by name.
    """

    columns: list[dict[str, object]]
    rows: list[list[object]]
    machines: list[dict[str, str]]
    settings: list[dict[str, str]]


def run_table(repository: ResultsRepository, runs: Sequence[ReportedRun]) -> RunTable:
    """Return the table of runs, in their order; the same runs give the same table."""
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
    return RunTable(columns, rows, machines.found, configurations.found)


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


@dataclass(frozen=True)
class FlatColumn:
    """A column: ``kind`` is ``text``, ``number`` or ``integer``; ``unit`` is that of a metric."""

    name: str
    kind: str
    unit: str = ""


@dataclass(frozen=True)
class FlatTable:
    """Runs as rows of texts, numbers and None, which a column of texts does not have."""

    columns: list[FlatColumn]
    rows: list[list[str | float | int | None]]


_KINDS = {"result": "number", "seconds": "number", "threads": "integer", "batch": "integer"}
# Lists whose items may have commas.
_SENTENCES = frozenset({"reasons", "disturbances"})
_REFERENCES = {"machine": "system", "settings": "setting"}


def flat_table(repository: ResultsRepository, runs: Sequence[ReportedRun]) -> FlatTable:
    """Return the flat table of runs, in their order.

    A metric's column has its unit in its name, ``metric:mean_latency (ms)``. Facts about the
    machine are ``system:NAME``, the parts of the configuration and LoadGen's settings
    ``setting:NAME``, both as texts; those that are columns of their own are not repeated.
    """
    table = run_table(repository, runs)
    names = [str(column["name"]) for column in table.columns]
    columns = [
        _flat_column(name, str(column.get("unit", "")), is_metric="unit" in column)
        for name, column in zip(names, table.columns, strict=True)
        if name not in _REFERENCES
    ]
    lists = {"machine": table.machines, "settings": table.settings}
    keys = {
        name: dict.fromkeys(
            key for values in lists[name] for key in values if key.lower() not in names
        )
        for name in _REFERENCES
    }
    columns += [
        FlatColumn(plain_text(f"{prefix}:{key}"), "text")
        for name, prefix in _REFERENCES.items()
        for key in keys[name]
    ]
    columns += [FlatColumn(name, _KINDS.get(name, "text")) for name in _MORE]
    places = {name: names.index(name) for name in _REFERENCES}
    rows = []
    for run, row in zip(runs, table.rows, strict=True):
        flat = [
            _flat_value(name, value)
            for name, value in zip(names, row, strict=True)
            if name not in _REFERENCES
        ]
        for name, place in places.items():
            number = row[place]
            values = lists[name][number] if isinstance(number, int) else {}
            flat += [plain_text(values.get(key, "")) for key in keys[name]]
        flat += [_flat_value(name, value(run)) for name, value in _MORE.items()]
        rows.append(flat)
    return FlatTable(_with_own_names(columns), rows)


def _flat_column(name: str, unit: str, *, is_metric: bool) -> FlatColumn:
    if not is_metric:
        return FlatColumn(name, _KINDS.get(name, "text"))
    return FlatColumn(plain_text(f"{name} ({unit})" if unit else name), "number", plain_text(unit))


def _with_own_names(columns: Sequence[FlatColumn]) -> list[FlatColumn]:
    """Number the columns whose names another one has, whatever the case: databases ask for it."""
    used: set[str] = set()
    found = []
    for column in columns:
        name, number = column.name, 1
        while name.lower() in used:
            number += 1
            name = f"{column.name} {number}"
        used.add(name.lower())
        found.append(FlatColumn(name, column.kind, column.unit))
    return found


def _flat_value(name: str, value: object) -> str | float | int | None:
    plain = plain_value(value)
    if plain is None or isinstance(plain, str | int | float):
        return plain
    between = "; " if name in _SENTENCES else ","
    return between.join(map(str, plain)) if isinstance(plain, list) else str(plain)


def _trailer(name: str) -> _Value:
    return lambda run: run.run.trailer(name)


def _of_record(value: Callable[[RunRecord], object], otherwise: object) -> _Value:
    return lambda run: otherwise if run.record is None else value(run.record)


# What the flat table has beside the document's columns.
_MORE: Mapping[str, _Value] = {
    "kernel": _of_record(lambda record: said_text(record.host.others.get("kernel")), ""),
    "power management": _of_record(
        lambda record: said_text(record.host.others.get("power_management")), ""
    ),
    "seconds": _of_record(seconds_of, None),
}


def plain_text(text: str) -> str:
    """Return a text of others, cut and harmless."""
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
    return harmless(text)


def plain_value(value: object) -> object:
    """Return a value that JSON has, with harmless texts; a number that is not finite is null."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain_text(str(key)): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value
