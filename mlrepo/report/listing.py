"""Recorded runs as a list: which columns there are, and in which order the runs come."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.nearest import suggested
from mlrepo.record import UNDATED, Metric, timestamp
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, load_records
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

METRIC_PREFIX = "metric:"
MARKS: Mapping[str, str] = {
    "~": "other work on the machine disturbed the run",
    "!": "the system's description is not of the machine",
}
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class ListedRun:
    """A run with its record, which is None if no column needs it or it cannot be read."""

    run: RecordedRun
    record: RunRecord | None = None


@dataclass(frozen=True)
class ListColumn:
    """One column of a list of runs.

    ``value`` is what JSON and sorting have; ``needs_record`` says that ``run.json`` is read for it.
    """

    name: str
    value: Callable[[ListedRun], object]
    is_number: bool = False
    needs_record: bool = False

    def text(self, listed: ListedRun) -> str:
        """Return the value for a table or a CSV file; '' for none."""
        value = self.value(listed)
        if isinstance(value, str):  # nearly all are, and the next questions are slow
            return value
        if value is None:
            return ""
        if isinstance(value, float):
            return repr(value).removesuffix(".0")
        if isinstance(value, Sequence):
            return ",".join(map(str, value))
        return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def start_of(run: RecordedRun) -> datetime.datetime | None:
    """Return when a run started, as its id says; None if it says none: see ``UNDATED``."""
    try:
        stamp = datetime.datetime.strptime(run.run.partition("-")[0], _STAMP)
    except ValueError:
        return None
    return None if stamp.year <= UNDATED.year else stamp.replace(tzinfo=datetime.UTC)


def _trailer(name: str) -> Callable[[ListedRun], object]:
    return lambda listed: listed.run.trailer(name)


def _start(listed: ListedRun) -> object:
    start = start_of(listed.run)
    return timestamp(start) if start else None


def _of_record(value: Callable[[RunRecord], object]) -> Callable[[ListedRun], object]:
    return lambda listed: None if listed.record is None else value(listed.record)


def metric_values(metric: Metric) -> dict[str, object]:
    """Return a metric for JSON."""
    return {"value": metric.value, "unit": metric.unit}


def _disturbed(run: RecordedRun) -> int:
    """Return how much disturbed a run, 0 where its commit does not say."""
    number = run.trailer("Disturbed")
    return int(number) if number.isdecimal() else 0


def contradicted(run: RecordedRun) -> list[str]:
    """Return the fields of the system's description that the host of a run contradicted."""
    return [field for field in run.trailer("Contradicted").split(",") if field]


def marks(run: RecordedRun) -> str:
    """Return what is to be known of a run beside its verdict, as :data:`MARKS` explains it."""
    return ("~" if _disturbed(run) else "") + ("!" if contradicted(run) else "")


def _command(record: RunRecord) -> str:
    from mlrepo.record.first_requests import command_of

    return shell_command(command_of(record))


_COLUMNS = (
    ListColumn("run", lambda listed: listed.run.run),
    ListColumn("commit", lambda listed: listed.run.commit),
    ListColumn("experiment", _trailer("Experiment")),
    ListColumn("round", _trailer("Round")),
    ListColumn("division", _trailer("Division")),
    ListColumn("submitter", _trailer("Submitter")),
    ListColumn("system", _trailer("System")),
    ListColumn("backend", _trailer("Backend")),
    ListColumn("benchmark", _trailer("Benchmark")),
    ListColumn("scenario", _trailer("Scenario")),
    ListColumn("mode", _trailer("Mode")),
    ListColumn("test", _trailer("Test")),
    ListColumn("result", lambda listed: listed.run.result.value, is_number=True),
    ListColumn("unit", lambda listed: listed.run.result.unit),
    ListColumn("validity", _trailer("Validity")),
    ListColumn("placed", _trailer("Placed")),
    ListColumn("tags", lambda listed: list(listed.run.tags)),
    ListColumn("withdrawn", lambda listed: listed.run.withdrawn),
    ListColumn("pruned", lambda listed: listed.run.curation.pruned),
    ListColumn("note", lambda listed: listed.run.note),
    ListColumn("start", _start),
    ListColumn(
        "threads", _of_record(lambda r: r.backend.threads), is_number=True, needs_record=True
    ),
    ListColumn("batch", _of_record(lambda r: r.backend.batch), is_number=True, needs_record=True),
    ListColumn("command", _of_record(_command), needs_record=True),
    ListColumn(
        "metrics",
        _of_record(lambda r: {name: metric_values(one) for name, one in r.metrics.items()}),
        needs_record=True,
    ),
    ListColumn("disturbed", lambda listed: _disturbed(listed.run), is_number=True),
    ListColumn("contradicted", lambda listed: contradicted(listed.run)),
)
COLUMNS: Mapping[str, ListColumn] = {column.name: column for column in _COLUMNS}
_ALSO_CALLED = {
    "verdict": "validity",
    "time": "start",
    "value": "result",
    "ttft": f"{METRIC_PREFIX}first_token_99.00_percentile_latency",
    "tpot": f"{METRIC_PREFIX}time_per_output_token_99.00_percentile",
}


def column(name: str) -> ListColumn:
    """Return the column ``name``; ``metric:NAME`` is one of LoadGen's metrics.

    ``ttft`` and ``tpot`` are the 99th percentiles of the times to the first token and per token.

    Raises
    ------
    UserError
        There is none of that name.
    """
    name = _ALSO_CALLED.get(name.lower(), name)
    if name.startswith(METRIC_PREFIX):
        metric = name.removeprefix(METRIC_PREFIX)
        value = _of_record(lambda r: r.metrics[metric].value if metric in r.metrics else None)
        return ListColumn(name, value, is_number=True, needs_record=True)
    name = name.lower()
    if name not in COLUMNS:
        raise UserError(
            f"There is no column {name!r}. {suggested(name, COLUMNS)}".rstrip(),
            hint=f"The columns are {', '.join(COLUMNS)}, and {METRIC_PREFIX}NAME for a metric "
            "that `mlrepo show` lists.",
        )
    return COLUMNS[name]


def listed_runs(
    repository: ResultsRepository,
    runs: Iterable[RecordedRun],
    columns: Iterable[ListColumn],
    unreadable: dict[str, str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ListedRun]:
    """Return the runs with what the columns need; note unreadable records in ``unreadable``.

    ``on_progress`` is told how many records are read, and of how many.
    """
    if not any(one.needs_record for one in columns):
        return [ListedRun(run) for run in runs]
    wanted = list(runs)
    listed = []
    for run, record in zip(wanted, load_records(repository, wanted, unreadable), strict=True):
        listed.append(ListedRun(run, record))
        on_progress(len(listed), len(wanted))
    return listed


def in_order(listed: Sequence[ListedRun], by: ListColumn, *, descending: bool) -> list[ListedRun]:
    """Return the runs sorted by a column; those without a value come last."""
    keys = [_key(by.value(one)) for one in listed]
    order = [number for number, key in enumerate(keys) if key is not None]
    order.sort(key=lambda number: keys[number] or (0.0, ""), reverse=descending)
    order += [number for number, key in enumerate(keys) if key is None]
    return [listed[number] for number in order]


def _key(value: object) -> tuple[float, str] | None:
    """Return what a value is sorted by: numbers before texts."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, int | float):
        return (value, "") if not math.isnan(value) else None
    return (math.inf, value if isinstance(value, str) else json.dumps(value))


@dataclass(frozen=True)
class TagUse:
    """A tag, how many runs have it, and the newest of them."""

    tag: str
    runs: int
    newest: str


def tag_uses(runs: Iterable[RecordedRun]) -> list[TagUse]:
    """Return the tags of the runs, which come newest first, by name."""
    number: Counter[str] = Counter()
    newest: dict[str, str] = {}
    for run in runs:
        for tag in dict.fromkeys(run.tags):
            number[tag] += 1
            newest.setdefault(tag, run.run)
    return [TagUse(tag, number[tag], newest[tag]) for tag in sorted(number)]
