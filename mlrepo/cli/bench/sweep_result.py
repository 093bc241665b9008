"""What a sweep has measured at the end of a session, for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.sweep.cells import SweepCell, cell_request
from mlrepo.bench.sweep.curves import LoadCurve, curves_of
from mlrepo.bench.sweep.journal import SweepJournal
from mlrepo.bench.sweep.limits import limits_of
from mlrepo.bench.sweep.plan import Sweep
from mlrepo.bench.sweep.run import Outcome, Skipped, SweepRun
from mlrepo.cli.bench.session import run_values
from mlrepo.record import FAILED
from mlrepo.record.request import argv
from mlrepo.report.chart import Chart, ChartNames
from mlrepo.report.measures import pareto_fronts
from mlrepo.report.reported import ReportedRun
from mlrepo.report.sweep import CurveRow, Ranking, curve_rows, rankings

if TYPE_CHECKING:
    from mlrepo.record.plans import RunPlan
    from mlrepo.record.request import Request
    from mlrepo.report.sweep import SweepPoint


@dataclass
class Ended:
    """A sweep at the end of a session: what the session did, and what all sessions measured."""

    sweep: Sweep
    made: SweepRun
    runs: list[ConcludedRun] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    tried: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def add(self, cell: SweepCell, outcome: Outcome) -> None:
        """Note how a run ended."""
        self.tried[cell.key] = cell.values
        if isinstance(outcome, ConcludedRun):
            self.runs.append(outcome)
            self.not_run.pop(cell.key, None)
        else:
            self.not_run[cell.key] = (
                outcome.why if isinstance(outcome, Skipped) else outcome.message
            )

    @property
    def left(self) -> int:
        """How many runs the budget did not allow."""
        return self.made.left

    @cached_property
    def journal(self) -> SweepJournal:
        """What is recorded of the sweep now."""
        return SweepJournal.of(self.sweep.bench.repository, self.sweep.name)

    @cached_property
    def curves(self) -> list[LoadCurve]:
        """Its load curves, with the points of all sessions."""
        return curves_of(self.sweep, self.made.records)

    @cached_property
    def cells(self) -> dict[str, Mapping[str, str]]:
        """The values of every cell, those of further points among them, by key."""
        found = {one.cell.key: one.cell.values for one in self.sweep.cells} | self.tried
        for curve in self.curves:
            found |= curve.cells_by_key()
        return found

    @cached_property
    def measured(self) -> dict[str, list[ReportedRun]]:
        """The measurements of each cell that has some, oldest first, by key."""
        found = {}
        for key in self.cells:
            runs = [
                ReportedRun(run, self.journal.record(run))
                for run in reversed(self.journal.measured(key))
            ]
            if runs:
                found[key] = runs
        return found

    def rankings(self) -> list[Ranking]:
        """Return the points from the best on."""
        cells = [(self.cells[key], runs) for key, runs in self.measured.items()]
        return rankings(cells, self.sweep.bench.repository.rounds)

    def fronts(self) -> list[Chart]:
        """Return the Pareto fronts of the sweep alone."""
        runs = [run for runs in self.measured.values() for run in runs]
        rounds = self.sweep.bench.repository.rounds
        return pareto_fronts(sorted(runs, key=lambda run: run.run.run), rounds, ChartNames())

    def curve_rows(self, curve: LoadCurve) -> list[CurveRow]:
        """Return the runs of a curve."""
        cells = curve.cells_by_key()
        runs = [
            (float(values[curve.axis.name]), run)
            for key, values in cells.items()
            for run in self.measured.get(key, ())
        ]
        return curve_rows(runs, limits_of(self.sweep.plan))

    def failed(self) -> list[tuple[str, str, str]]:
        """Return the cells without a measurement that were tried: words, run and reason."""
        found = []
        for key, values in self.cells.items():
            words = self.words(values)
            runs = self.journal.failed(key)
            if key in self.not_run:
                found.append((words, "", self.not_run[key]))
            elif runs and key not in self.measured:
                record = self.journal.record(runs[0])
                why = self.journal.unreadable
                reason = (*record.reasons, FAILED)[0] if record else why[runs[0].run]
                found.append((words, runs[0].run, reason))
        return found

    def as_result(self, point: SweepPoint) -> Request[RunPlan]:
        """Return the request for a run of a point that may be a result: of the round's length."""
        sweep = self.sweep
        request = cell_request(sweep.bench, sweep.cell(point.values))
        run = replace(request.run, tags=sweep.base.tags, time=None, count=None)
        return replace(request, run=run)

    def words(self, values: Mapping[str, str]) -> str:
        """Return the values that distinguish a cell."""
        return self.sweep.cell(values).words(self.sweep.axes)

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        limited = limits_of(self.sweep.plan)
        return {
            **plan_values(self.sweep),
            "runs": [run_values(one) for one in self.runs],
            "best": [_ranking_values(one) for one in self.rankings()],
            "fronts": [
                {"title": one.title, "x": one.x, "y": one.y, "points": one.values()}
                for one in self.fronts()
            ],
            "curves": [
                {
                    **curve.shared,
                    "axis": curve.axis.name,
                    "limits": limited,
                    "knee": asdict(curve.knee()),
                    "points": [asdict(row) for row in self.curve_rows(curve)],
                }
                for curve in self.curves
            ],
            "failed": [
                {"cell": words, "run": run, "reason": reason}
                for words, run, reason in self.failed()
            ],
            "left": self.left,
            "unreadable": self.journal.unreadable,
        }


def plan_values(sweep: Sweep) -> dict[str, object]:
    """Return the JSON object of a plan."""
    return {
        "name": sweep.name,
        "command": list(argv(sweep.bench.request)),
        "axes": {axis.name: axis.size for axis in sweep.axes},
        "cells": [
            {
                "key": one.cell.key,
                "values": dict(one.cell.values),
                "measured": [run.run for run in one.measured],
                "failed": [run.run for run in one.failed],
                "wanted": one.wanted,
                "seconds": one.seconds,
            }
            for one in sweep.cells
        ],
        "seconds": sweep.seconds,
        "remarks": list(sweep.remarks),
    }


def _ranking_values(ranking: Ranking) -> dict[str, object]:
    benchmark, scenario, mode, unit = ranking.kind
    return {
        "benchmark": benchmark,
        "scenario": scenario,
        "mode": mode,
        "unit": unit,
        "better": "lower" if ranking.lower else "higher",
        "points": [
            {
                "values": dict(point.values),
                "mean": point.mean,
                "low": point.low,
                "high": point.high,
                "valid": point.valid,
                "runs": [run.run.run for run in point.runs],
            }
            for point in ranking.points
        ],
    }
