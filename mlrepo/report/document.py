"""What a report holds, as one JSON document: ``mlrepo.report/1``.

``pages/report-1.schema.json`` is its schema. Texts of others are as :mod:`mlrepo.report.run_table`
makes them: cut, and without characters that would control a reader's screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlrepo import __version__
from mlrepo.report.chart import Chart, ChartNames
from mlrepo.report.concurrency import concurrency_curves
from mlrepo.report.distributions import latencies, read_recorded, traces
from mlrepo.report.histories import histories
from mlrepo.report.load_curves import load_curves
from mlrepo.report.measures import pareto_fronts
from mlrepo.report.reported import ReportedRun
from mlrepo.report.rounds import round_lines
from mlrepo.report.run_table import plain_text, plain_value, run_table
from mlrepo.report.specifications import SPECIFICATIONS
from mlrepo.report.token_charts import token_charts
from mlrepo.repository.claims import known_twice_words
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_branches
from mlrepo.repository.history import RecordedRun, load_records
from mlrepo.repository.left_out import left_out_words

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

SCHEMA = "mlrepo.report/1"


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
    names, recorded = ChartNames(), read_recorded(repository, runs)
    submitter = str(repository.file_settings().get("submitter", ""))
    # A round has thousands of published configurations of one run each: lines over the rounds and
    # fronts say what they are, and the table has their numbers.
    own = [run for run in runs if not run.is_imported]
    charts = [
        *histories(own, repository.rounds, names),
        *round_lines(runs, repository.rounds, names, submitter),
        *pareto_fronts(runs, repository.rounds, names, submitter),
        *load_curves(runs, names),
        *concurrency_curves(runs, names),
        *latencies(own, names, recorded),
        *traces(runs, names, recorded),
        *token_charts(runs, names),
    ]
    return [
        replace(
            chart,
            title=plain_text(chart.title),
            about=plain_text(chart.about),
            x=plain_text(chart.x),
            y=plain_text(chart.y),
            rows=tuple(tuple(plain_value(value) for value in row) for row in chart.rows),
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
    table = run_table(repository, reported.runs)
    branches = sorted((name, str(tip)) for name, _, tip in experiment_branches(repository))
    document: dict[str, object] = {
        "schema": SCHEMA,
        "tool": f"mlrepo {__version__}",
        "submitter": repository.file_settings().get("submitter", ""),
        "branches": [{"name": name, "commit": commit} for name, commit in branches],
        "asked": dict(reported.asked),
        "embargo": embargo,
        "round": matrix,
        "columns": table.columns,
        "runs": table.rows,
        "machines": table.machines,
        "settings": table.settings,
        "unreadable": [{"run": run, "why": why} for run, why in reported.unreadable.items()],
        "damage": [damage.message for damage in repository.damage.values()],
    }
    charts = [vars(chart) for chart in report_charts(repository, reported.runs)]
    document["known_twice"] = known_twice_words(repository)
    document["left_out"] = left_out_words(repository)  # charts read more of the runs
    return {
        **{name: plain_value(value) for name, value in document.items()},
        "charts": charts,
        "specifications": SPECIFICATIONS,
    }
