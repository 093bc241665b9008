"""Lines over the rounds: the best published results of each submitter, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlrepo.record import format_number
from mlrepo.report.chart import Chart, ChartNames, counted
from mlrepo.report.reported import ReportedRun, benchmark_of, lower_is_better

if TYPE_CHECKING:
    from mlrepo.rounds import Rounds

_COLUMNS = ("round", "value", "submitter", "own", "place", "of", "system", "run")

_Best = dict[tuple[str, str], ReportedRun]


def round_lines(
    runs: Sequence[ReportedRun], rounds: Rounds, names: ChartNames, submitter: str
) -> list[Chart]:
    """Return a chart for each benchmark and scenario of a division that several rounds have.

    A point is the best VALID performance run of a submitter in a round, of whatever system, or the
    best result in the round's summary where the logs are not recorded; its
    place is that among all submitters of the round. Runs that may be no result are left out.

    Parameters
    ----------
    submitter:
        Whose line is the own one; '' for nobody's.
    """
    groups: dict[tuple[str, ...], _Best] = {}
    for run in runs:
        if run.record is None or not run.is_performance or not run.is_result:
            continue
        if not run.may_be_result:
            continue
        said = run.run.trailer
        key = (benchmark_of(run, rounds), said("Scenario"), said("Division"), run.run.result.unit)
        best = groups.setdefault(key, {})
        place = (said("Round"), said("Submitter"))
        if place not in best or _is_better(run, best[place], rounds):
            best[place] = run
    charts = []
    for (benchmark, scenario, division, unit), best in sorted(groups.items()):
        if len({round_ for round_, _ in best}) > 1:
            rows = _rows(best, rounds, submitter)
            charts.append(
                Chart(
                    names.give("rounds", benchmark, scenario, division),
                    "rounds",
                    f"{benchmark} {scenario}, {division}: best results over the rounds",
                    _about(rows, submitter),
                    "round",
                    f"result ({unit})",
                    _COLUMNS,
                    tuple(rows),
                )
            )
    return charts


def _is_better(run: ReportedRun, other: ReportedRun, rounds: Rounds) -> bool:
    if run.value is None or other.value is None:
        return other.value is None
    return run.value < other.value if lower_is_better(run, rounds) else run.value > other.value


def _rows(best: Mapping[tuple[str, str], ReportedRun], rounds: Rounds, own: str) -> list[_Row]:
    """Return a row for each submitter in each round, the rounds in order, the best first."""
    rows: list[_Row] = []
    for round_ in sorted({round_ for round_, _ in best}, key=_order):
        these = [(who, run) for (where, who), run in best.items() if where == round_]
        lower = lower_is_better(these[0][1], rounds)
        these.sort(key=lambda one: (one[1].value or 0.0) * (1 if lower else -1))
        for place, (who, run) in enumerate(these, start=1):
            system = run.run.trailer("System")
            mine = int(bool(own) and who.lower() == own.lower())
            rows.append(
                (round_, run.value or 0.0, who, mine, place, len(these), system, run.run.run)
            )
    return rows


_Row = tuple[str, float, str, int, int, int, str, str]


def _order(round_: str) -> tuple[tuple[int, str], ...]:
    """Return what rounds are sorted by: ``v10.0`` comes after ``v9.1``."""
    parts = round_.removeprefix("v").split(".")
    return tuple((int(part), "") if part.isdecimal() else (1 << 30, part) for part in parts)


def _about(rows: Sequence[_Row], own: str) -> str:
    names = list(dict.fromkeys(row[0] for row in rows))
    words = [f"{counted(len({row[2] for row in rows}), 'submitter')} in {', '.join(names)}"]
    mine = [row for row in rows if row[3]]
    words += [f"{own} in {row[0]}: {format_number(row[1])}, {row[4]} of {row[5]}" for row in mine]
    if not mine:
        newest = next(row for row in rows if row[0] == names[-1])
        words.append(f"best in {names[-1]}: {newest[2]} with {format_number(newest[1])}")
    return "; ".join(words) + "."
