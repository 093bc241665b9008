"""The load curves of a sweep: its cells that differ in their load alone, and further points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mlrepo.bench.sweep.adaptive import Knee, find_knee, next_loads
from mlrepo.bench.sweep.axes import LOAD, WHOLE, SweepAxis, load_axis, spelled
from mlrepo.bench.sweep.cells import key_of
from mlrepo.bench.sweep.limits import limits_of
from mlrepo.bench.sweep.plan import PlannedCell, Sweep, expected_seconds
from mlrepo.bench.sweep.points import LoadPoint, load_point
from mlrepo.errors import UserError
from mlrepo.record import RunRecord
from mlrepo.scenarios import SCENARIOS


@dataclass
class LoadCurve:
    """One curve.

    Attributes
    ----------
    shared:
        The values that its cells share.
    cells:
        Its planned cells; at least one.
    made:
        The measurements of this session, by the key of a cell.
    asked:
        The cells that :meth:`wanted` returned last.
    """

    sweep: Sweep
    axis: SweepAxis
    shared: Mapping[str, str]
    cells: Sequence[PlannedCell]
    made: Mapping[str, Sequence[RunRecord]]
    asked: list[PlannedCell] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._limits = limits_of(self.sweep.plan)
        self._recorded: dict[str, list[RunRecord]] = {}
        self._loads = {float(one.cell.values[self.axis.name]) for one in self.cells}
        self._recall()

    @property
    def limited(self) -> bool:
        """Whether a limit says how much load is too much; otherwise the curve's bend does."""
        bounded = SCENARIOS[self.cells[0].cell.request.scenario].bounded
        return self.axis.name in LOAD and (bounded or bool(self._limits))

    def points(self) -> list[LoadPoint]:
        """Return the measured points, by load."""
        found = ((load, self._records_at(load)) for load in sorted(self._loads))
        return [load_point(load, records, self._limits) for load, records in found if records]

    def knee(self) -> Knee:
        """Return the knee, as far as the points tell."""
        return find_knee(self.points(), limited=self.limited)

    def cells_by_key(self) -> dict[str, dict[str, str]]:
        """Return the values of its cells, further points among them, by key."""
        found = (self._values(load) for load in sorted(self._loads))
        return {key_of(values): values for values in found}

    def wanted(self) -> list[PlannedCell]:
        """Return the cells of the next points."""
        loads = next_loads(
            self.points(),
            limited=self.limited,
            whole=self.axis.kind == WHOLE,
            resolution=self.sweep.plan.resolution,
        )
        self._loads |= set(loads)
        self.asked = [self._planned(load) for load in loads]
        return self.asked

    def _recall(self) -> None:
        """Find the points that an earlier session placed: it asked for what would be asked now."""
        while self.sweep.plan.adaptive:
            known = set(self._loads)
            found = {float(one.cell.values[self.axis.name]) for one in self.wanted()}
            self._loads = known | {load for load in found if self._records_at(load)}
            if self._loads == known:
                return

    def _values(self, load: float) -> dict[str, str]:
        values = {**self.shared, self.axis.name: spelled(load)}
        return {axis.name: values[axis.name] for axis in self.sweep.axes}

    def _records_at(self, load: float) -> list[RunRecord]:
        """Return the measurements of this session and of those before."""
        key = key_of(self._values(load))
        if key not in self._recorded:
            journal = self.sweep.journal
            found = (journal.record(run) for run in journal.measured(key))
            self._recorded[key] = [record for record in found if record is not None]
        return [*self._recorded[key], *self.made.get(key, ())]

    def _planned(self, load: float) -> PlannedCell:
        cell = self.sweep.cell(self._values(load))
        seconds = [
            record.load.noise.seconds
            for load in self._loads
            for record in self._records_at(load)
            if record.load.noise.seconds is not None
        ]
        took = fmean(seconds) if seconds else expected_seconds(self.sweep.bench, cell.request, None)
        return PlannedCell(cell, (), (), 1, took)


def curves_of(sweep: Sweep, made: Mapping[str, Sequence[RunRecord]]) -> list[LoadCurve]:
    """Return the curves of a sweep; none if no axis is the one that they are drawn along."""
    try:
        axis = load_axis(sweep.axes)
    except UserError:
        return []
    return [LoadCurve(sweep, axis, shared, cells, made) for shared, cells in _groups(sweep, axis)]


def _groups(sweep: Sweep, axis: SweepAxis) -> Iterator[tuple[dict[str, str], list[PlannedCell]]]:
    found: dict[tuple[tuple[str, str], ...], list[PlannedCell]] = {}
    for one in sweep.cells:
        shared = {name: value for name, value in one.cell.values.items() if name != axis.name}
        found.setdefault(tuple(shared.items()), []).append(one)
    for key, cells in found.items():
        yield dict(key), cells
