"""What a pull request may have attached: the metrics of its results, and their percentiles.

All of it is read from the logs in the selection, which the pull request holds anyway, and not from
the records of runs: nothing of another run, and no tag, note or host, can get into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlrepo.checker.report import Result
from mlrepo.errors import InvalidResult
from mlrepo.findings import visible
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.logs.detail import parse_detail
from mlrepo.logs.metrics import loadgen_metrics
from mlrepo.markdown import code, plain
from mlrepo.proposal.selected import Selection
from mlrepo.record import Metric, format_number
from mlrepo.report.chart import counted
from mlrepo.report.flat_files import csv_text
from mlrepo.report.measures import percentile_of
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.git_trees import CommitTree
from mlrepo.tree import Missing, Tree

# Far more than the log of a performance run has; a longer one is not read.
_LARGEST = 64 << 20
_NAMES = ("division", "SUT", "benchmark", "scenario", "run")
_CSV = (*_NAMES, "of", "percentile", "latency (ms)")


@dataclass(frozen=True)
class _Run:
    """A performance run of a result: its directory's name, and what LoadGen measured."""

    result: Result
    name: str
    metrics: Mapping[str, Metric]

    @property
    def names(self) -> tuple[str, ...]:
        one = self.result
        return one.division, one.system, one.benchmark, one.scenario, self.name


def attached_text(
    repository: ResultsRepository, selection: Selection, results: Sequence[Result], room: int
) -> str:
    """Return Markdown: a table of the metrics of results, and their latency percentiles as CSV.

    The percentiles are the data of the chart of latencies that a report draws for these runs.

    Parameters
    ----------
    results:
        Those in the selection's tree.
    room:
        How many characters there may be; rows that do not fit are counted. If there is no room for
        any, the text is empty.
    """
    tree = CommitTree(repository.root, selection.commit)
    try:
        runs = [run for result in results for run in _runs(tree, result)]
    finally:
        tree.close()
    read = {run.result.path for run in runs}
    unread = sum(result.path not in read for result in results)
    without = f" Of {counted(unread, 'result')} no log of LoadGen can be read." if unread else ""
    head = f"\nMetrics of the performance runs, as LoadGen logged them.{without}\n\n"
    lines = _percentiles(runs)
    before = (
        "\n<details>\n<summary>Latency percentiles of these runs as CSV</summary>\n\n"
        f"```csv\n{csv_text([_CSV])}"
    )
    after = "```\n\n</details>\n"
    fixed = len(head) + (len(before) + len(after) if lines else 0)
    left = room - fixed - 2 * len(_more(10**6, "runs"))
    columns = _columns(runs)
    header, rows = _table(runs, columns)
    wanted = sum(map(len, lines))
    shown = _fitting(rows, max(left // 2, left - wanted) - len(header)) if rows else []
    if rows and not shown:
        return ""
    table = "".join([header, *shown]) if rows else ""
    if len(shown) < len(rows):
        table += _more(len(rows) - len(shown), "runs")
    text = head + table
    told = _fitting(lines, left - len(table))
    if not told:
        return text if rows or unread else ""
    cut = _more(len(lines) - len(told), "percentiles") if len(told) < len(lines) else ""
    return f"{text}{before}{''.join(told)}{after}{cut}"


def _runs(tree: Tree, result: Result) -> Iterator[_Run]:
    """Yield the performance runs of a result whose log can be read."""
    directory = f"{result.path}/performance"
    for entry in tree.entries(directory):
        if not entry.name.startswith("run_"):  # the ranging run of a power measurement is no result
            continue
        try:
            data = tree.read(f"{directory}/{entry.name}/{DETAIL_LOG}", _LARGEST)
            metrics = loadgen_metrics(parse_detail(data))
        except (Missing, InvalidResult):
            continue
        known = {
            name: metric
            for name, metric in metrics.items()
            if metric.value is not None and math.isfinite(metric.value)
        }
        if known:
            yield _Run(result, entry.name, known)


def _columns(runs: Sequence[_Run]) -> list[tuple[str, str]]:
    """Return name and unit of each metric that is no percentile."""
    return list(
        dict.fromkeys(
            (name, metric.unit)
            for run in runs
            for name, metric in run.metrics.items()
            if percentile_of(name) is None
        )
    )


def _table(runs: Sequence[_Run], columns: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """Return the header and the rows of the table of metrics."""
    titles = [code(f"{name} ({unit})" if unit else name) for name, unit in columns]
    header = _line([*_NAMES, *titles]) + _line(["---"] * len(_NAMES) + ["---:"] * len(columns))
    rows = []
    for run in runs:
        division, system, benchmark, scenario, name = run.names
        cells = [plain(division), code(system), code(benchmark), plain(scenario), plain(name)]
        for metric, unit in columns:
            found = run.metrics.get(metric)
            value = found.value if found is not None and found.unit == unit else None
            cells.append("" if value is None else format_number(value))
        rows.append(_line(cells))
    return header, rows


def _percentiles(runs: Sequence[_Run]) -> list[str]:
    """Return a line of CSV for each percentile of each run."""
    lines = []
    for run in runs:
        names = [_in_fence(name) for name in run.names]
        for metric, value in run.metrics.items():
            found = percentile_of(metric)
            if found is not None:
                row = [*names, found.of, f"p{found.share * 100:g}", value.value]
                lines.append(csv_text([row]))
    return lines


def _in_fence(text: str) -> str:
    """Return a text that is one line and cannot end a fenced block."""
    return visible(" ".join(text.split())).replace("`", "'")


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    fitting = []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        fitting.append(line)
    return fitting


def _more(number: int, what: str) -> str:
    return f"\n… and {number} more {what}.\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
