"""Run the cells of a sweep, one after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mlrepo.bench.conclude import ConcludedRun
from mlrepo.bench.execute import Progress
from mlrepo.bench.sweep.cells import SweepCell, run_cell
from mlrepo.bench.sweep.curves import LoadCurve, curves_of
from mlrepo.bench.sweep.journal import MEASURED
from mlrepo.bench.sweep.plan import PlannedCell, Sweep
from mlrepo.errors import Busy, UserError
from mlrepo.record import FAILED, RunRecord
from mlrepo.repository.locks import hold_if_free

# After so many failures for the same reason, one after the other, a backend is not tried again.
SAME_FAILURES = 3
# No search needs more points on one curve: 2**40 gaps.
_MOST_FURTHER = 40


@dataclass(frozen=True)
class Budget:
    """How long a sweep may take, or how many runs it may make; None for no bound."""

    seconds: float | None = None
    runs: int | None = None


@dataclass(frozen=True)
class CellTurn:
    """The turn of one cell: its number, how many are known, and the seconds left including it."""

    number: int
    of: int
    left: float
    cell: SweepCell
    seconds: float


@dataclass(frozen=True)
class Skipped:
    """A run that was not tried, and why."""

    why: str


Outcome = ConcludedRun | UserError | Skipped
RunCell = Callable[[SweepCell, Callable[[Progress], None]], ConcludedRun]


@dataclass
class SweepRun:
    """One session of a sweep.

    Parameters
    ----------
    run:
        Runs a cell; :func:`run_cell` here, or a function that has it run on another machine.

    Attributes
    ----------
    left:
        How many runs the budget did not allow; with further points, at least.
    records:
        The measurements of this session, by the key of their cell.
    """

    sweep: Sweep
    budget: Budget
    on_turn: Callable[[CellTurn], Callable[[Progress], None]]
    run: RunCell | None = None
    left: int = 0
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: dict[str, list[RunRecord]] = field(default_factory=dict)
    _made: int = 0

    def outcomes(self) -> Iterator[tuple[SweepCell, Outcome]]:
        """Run what is wanted, and yield how each run ended.

        All cells are run once before any is repeated, so that a slow minute does not hit the
        repeats of one cell alone. Then, with ``--adaptive``, further points follow.

        Raises
        ------
        Busy
            Another suite or sweep runs in this repository.
        """
        store = self.sweep.bench.repository.store
        store.mkdir(parents=True, exist_ok=True)
        lock = hold_if_free(store / "suite.lock")
        if lock is None:
            raise Busy(
                "Another suite or sweep is running in this repository.",
                hint="Wait for it, or stop it first.",
            )
        self._begin = time.monotonic()
        with lock:
            yield from self._run_all(_in_turns(self.sweep.cells))
            if self.sweep.plan.adaptive and not self.left:
                yield from self._further()

    def _run_all(self, waiting: Sequence[PlannedCell]) -> Iterator[tuple[SweepCell, Outcome]]:
        for place, planned in enumerate(waiting):
            rest = waiting[place:]
            if not self._affordable(planned.seconds):
                self.left += len(rest)
                return
            yield planned.cell, self._one(planned, rest)

    def _one(self, planned: PlannedCell, rest: Sequence[PlannedCell]) -> Outcome:
        cell = planned.cell
        backend = cell.request.backend
        for (failing, reason), times in self._failures.items():
            if failing == backend and times >= SAME_FAILURES:
                return Skipped(f"the backend {backend} failed {times} times: {reason}")
        self._made += 1
        left = sum(one.seconds for one in rest)
        turn = CellTurn(self._made, self._made + len(rest) - 1, left, cell, planned.seconds)
        on_progress = self.on_turn(turn)
        try:
            if self.run is None:
                done = run_cell(self.sweep.bench, cell, on_progress)
            else:
                done = self.run(cell, on_progress)
        except UserError as error:
            self._count(backend, error.message)
            return error
        record = done.record
        if record.validity == FAILED:
            # Further reasons name the run.
            self._count(backend, record.reasons[0] if record.reasons else FAILED)
        else:
            self._count(backend, "")
        if record.validity in MEASURED:
            self.records.setdefault(cell.key, []).append(record)
        return done

    def _count(self, backend: str, reason: str) -> None:
        """Count a failure; another reason, or none, begins anew."""
        times = self._failures[backend, reason]
        for key in [key for key in self._failures if key[0] == backend]:
            del self._failures[key]
        if reason:
            self._failures[backend, reason] = times + 1

    def _affordable(self, seconds: float) -> bool:
        budget = self.budget
        if budget.runs is not None and self._made >= budget.runs:
            return False
        spent = time.monotonic() - self._begin
        return budget.seconds is None or spent + seconds <= budget.seconds

    def _further(self) -> Iterator[tuple[SweepCell, Outcome]]:
        """Place points on all curves in turns, until each is known or the budget is spent."""
        open_ = self.curves()
        for _ in range(_MOST_FURTHER):
            waiting = [one for curve in open_ for one in curve.wanted()]
            if not waiting or self.left:
                return
            tried = set()
            for cell, outcome in self._run_all(waiting):
                if isinstance(outcome, ConcludedRun) and outcome.record.validity in MEASURED:
                    tried.add(cell.key)
                yield cell, outcome
            # A point that cannot be measured would be asked for again and again.
            open_ = [curve for curve in open_ if all(one.cell.key in tried for one in curve.asked)]

    def curves(self) -> list[LoadCurve]:
        """Return the load curves as measured so far; none if the sweep has no axis for them."""
        return curves_of(self.sweep, self.records)


def _in_turns(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    most = max((one.wanted for one in cells), default=0)
    return [one for number in range(most) for one in cells if one.wanted > number]
