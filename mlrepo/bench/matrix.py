"""The runs that a round requires, and the state of each in Git.

Git is the journal: whether a run is done is read from the trailers of the experiment branches,
local and fetched, and from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlrepo.bench.audit import audits_of, official_name, run_name
from mlrepo.compliance import compliance_test
from mlrepo.record import (
    ACCURACY,
    COMPLIANCE,
    IMPORTED_TAG,
    NO_RESULT_TAGS,
    PERFORMANCE,
    VALID,
)
from mlrepo.repository.history import RecordedRun
from mlrepo.rounds import Round, Rounds
from mlrepo.rounds.inference import sources_of
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads import Workload

DONE = "done"
SHORT = "short"
STALE = "stale"
MISSING = "missing"
INFERRED = "inferred"
IMPOSSIBLE = "impossible"
# The states that no run changes.
SETTLED = frozenset({DONE, INFERRED, IMPOSSIBLE})

_RESULT = ("Round", "Division", "Submitter", "System", "Backend", "Benchmark", "Scenario")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_RESULT_TRAILERS = tuple(f"MLRepo-{name}" for name in _RESULT)


@dataclass(frozen=True)
class Cell:
    """One run of the matrix.

    Attributes
    ----------
    state:
        ``done``, ``short`` (VALID, but shorter than the round requires), ``stale`` (VALID, but of
        another configuration or performance run than the current one), ``missing``, ``inferred``
        (it needs no run: it follows from that of another scenario, which ``run`` names),
        ``impossible`` (mlrepo cannot run the test), or the verdict of the newest run if none is
        VALID.
    run:
        The id of the run that the state refers to, or ''.
    result:
        Its result with unit, or ''.
    """

    scenario: str
    mode: str
    test: str
    state: str
    run: str = ""
    result: str = ""

    @property
    def name(self) -> str:
        """The mode, or the name of the compliance test."""
        return run_name(self.mode, self.test)


Fits = Callable[[RecordedRun], bool]
# Runs by result, then by mode and test.
Results = dict[tuple[str, ...], dict[tuple[str, str], list[RecordedRun]]]


def _any_run(run: RecordedRun) -> bool:
    """Say that a run is of the requested configuration: none was requested."""
    return True


class RunsByResult:
    """All recorded runs, by result and by kind of run; newest first.

    Imported runs only count for what has no run of its own: nothing here completes their results.
    Where a method takes ``fits``, runs of which it is false are of another configuration than the
    requested one.

    Parameters
    ----------
    rounds:
        Define the minimum duration of a run; a run of an unknown round may have any length.
    """

    def __init__(self, runs: Iterable[RecordedRun], rounds: Rounds) -> None:
        self._rounds = rounds
        self._own: Results = {}
        imported: Results = {}
        for run in runs:
            if is_no_result(run):
                continue
            said = run.trailers.get  # for each of ten thousand runs
            results = imported if is_imported(run) else self._own
            kinds = results.setdefault(tuple([said(name, "") for name in _RESULT_TRAILERS]), {})
            kinds.setdefault((said("MLRepo-Mode", ""), said("MLRepo-Test", "")), []).append(run)
        rows = {key[:-1] for key in self._own}
        others = {key: kinds for key, kinds in imported.items() if key[:-1] not in rows}
        self._runs = {**self._own, **others} if others else self._own

    def find(self, run_id: str) -> RecordedRun:
        """Return a run of the journal by its id."""
        kinds = (runs for kinds in self._runs.values() for runs in kinds.values())
        return next(run for runs in kinds for run in runs if run.run == run_id)

    def results(self) -> list[dict[str, str]]:
        """Return the identity of every result that has a run, by trailer name."""
        return [dict(zip(_RESULT, key, strict=True)) for key in self._runs]

    def is_imported(self, identity: Mapping[str, str]) -> bool:
        """Say whether a result has imported runs only."""
        return tuple(identity[name] for name in _RESULT) not in self._own

    def scenarios(self, identity: Mapping[str, str]) -> set[str]:
        """Return the scenarios of a benchmark that have a run; that of ``identity`` is ignored."""
        wanted = [identity[name] for name in _RESULT[:-1]]
        return {key[-1] for key in self._runs if [*key[:-1]] == wanted}

    def cell(
        self,
        identity: Mapping[str, str],
        mode: str,
        test: str = "",
        *,
        quick: bool = False,
        fits: Fits = _any_run,
    ) -> Cell:
        """Return the cell of one run; with ``quick``, short runs count as done."""
        runs = self._kinds(identity).get((mode, test), [])
        scenario = identity["Scenario"]
        if not runs:
            refused = bool(test) and self._refuses(identity["Round"], test)
            return Cell(scenario, mode, test, IMPOSSIBLE if refused else MISSING)
        own = _fitting(runs, fits)
        run = self._leading(own, quick=quick)
        if run is None:
            another = None if own else self._leading(runs, quick=quick)
            newest = (own or runs)[0]
            return _cell(another, STALE) if another else _cell(newest, newest.trailer("Validity"))
        leading = self.performance(identity, quick=quick, fits=fits)
        if leading is not None and not belongs(run, leading):
            # An older run may still fit, if a configuration was tried and abandoned.
            counting = [one for one in own if self._counts(one, quick=True)]
            fitting = [one for one in counting if belongs(one, leading)]
            if not fitting:
                return _cell(run, STALE)
            run = self._leading(fitting, quick=quick) or fitting[0]
        return _cell(run, DONE if self._counts(run, quick=quick) else SHORT)

    def performance(
        self, identity: Mapping[str, str], *, quick: bool = False, fits: Fits = _any_run
    ) -> RecordedRun | None:
        """Return the performance run of a result, to which all others must belong, or None.

        It is the newest VALID one, preferring a full one to a short one unless ``quick``.
        """
        runs = self._kinds(identity).get((PERFORMANCE, ""), [])
        return self._leading(_fitting(runs, fits), quick=quick)

    def leading(
        self, identity: Mapping[str, str], *, quick: bool = False, fits: Fits = _any_run
    ) -> RecordedRun | None:
        """Return the run whose configuration the missing runs of a result need, or None.

        It is the performance run, or the accuracy run if there is no performance run yet.
        """
        found = self.performance(identity, quick=quick, fits=fits)
        if found is not None:
            return found
        runs = self._kinds(identity).get((ACCURACY, ""), [])
        return self._leading(_fitting(runs, fits), quick=quick)

    def valid(
        self, identity: Mapping[str, str], mode: str, test: str = "", of: RecordedRun | None = None
    ) -> RecordedRun | None:
        """Return the newest VALID run of a kind, or None; with ``of``, one that belongs to it."""
        runs = self._kinds(identity).get((mode, test), [])
        return next(
            (
                run
                for run in runs
                if run.trailer("Validity") == VALID and (of is None or belongs(run, of))
            ),
            None,
        )

    def _refuses(self, name: str, test: str) -> bool:
        known = name in self._rounds
        return known and compliance_test(test).refusal(self._rounds[name]) is not None

    def _kinds(self, identity: Mapping[str, str]) -> Mapping[tuple[str, str], list[RecordedRun]]:
        return self._runs.get(tuple(identity[name] for name in _RESULT), {})

    def _leading(self, runs: Sequence[RecordedRun], *, quick: bool) -> RecordedRun | None:
        """Return the newest VALID run, preferring a full one to a short one."""
        for shortened in (quick, True):
            for run in runs:
                if self._counts(run, quick=shortened):
                    return run
        return None

    def _counts(self, run: RecordedRun, *, quick: bool) -> bool:
        if run.trailer("Validity") != VALID:
            return False
        lasted = run.trailer("Duration").partition(" ")[0]
        name = run.trailer("Round")
        if quick or name not in self._rounds or not _MILLISECONDS.fullmatch(lasted):
            return True
        return int(lasted) >= self._rounds[name].min_duration_ms()


def with_inferred(cells: Sequence[Cell], round_: Round, category: str) -> tuple[Cell, ...]:
    """Return the cells of one row; those of a scenario without runs are inferred if possible.

    A scenario is inferred from another whose performance run is done; each of its runs follows from
    the same run there.
    """
    by_kind = {(cell.scenario, cell.mode, cell.test): cell for cell in cells}
    found = dict(by_kind)
    for scenario in {cell.scenario for cell in cells}:
        own = [cell for cell in cells if cell.scenario == scenario]
        if any(cell.state not in (MISSING, IMPOSSIBLE) for cell in own):
            continue
        for source in sources_of(round_, scenario, category):
            performance = by_kind.get((source, PERFORMANCE, ""))
            if performance is None or performance.state != DONE:
                continue
            for cell in own:
                same = by_kind.get((source, cell.mode, cell.test))
                if same is not None and same.state == DONE:
                    inferred = Cell(scenario, cell.mode, cell.test, INFERRED, same.run, same.result)
                    found[scenario, cell.mode, cell.test] = inferred
            break
    return tuple(found.values())


def _fitting(runs: Sequence[RecordedRun], fits: Fits) -> Sequence[RecordedRun]:
    return runs if fits is _any_run else [run for run in runs if fits(run)]


def is_imported(run: RecordedRun) -> bool:
    """Say whether a run was imported from published results."""
    tags = run.trailers.get("MLRepo-Tags", "")
    return IMPORTED_TAG in tags and IMPORTED_TAG in tags.split(",")


def is_no_result(run: RecordedRun) -> bool:
    """Say whether a run is a probe, or has a setting that no result may have."""
    return not NO_RESULT_TAGS.isdisjoint(run.trailer("Tags").split(","))


def _cell(run: RecordedRun, state: str) -> Cell:
    scenario, mode = run.trailer("Scenario"), run.trailer("Mode")
    return Cell(scenario, mode, run.trailer("Test"), state, run.run, run.trailer("Result"))


def belongs(run: RecordedRun, performance: RecordedRun) -> bool:
    """Say whether a run fits the performance run: its configuration, and a test's reference."""
    if run.run == performance.run:
        return True
    if run.trailer("Mode") == COMPLIANCE and run.trailer("Reference") != performance.run:
        return False
    mine, theirs = run.trailer("Configuration"), performance.trailer("Configuration")
    return not mine or not theirs or mine == theirs


def scenarios_of(
    round_: Round, category: str, workload: Workload, run: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the scenarios that the category requires, in the order of their runs.

    If it requires one of several, take those already ``run``, else the first one named.
    """
    official = official_name(round_, workload)
    required = set(round_.scenarios_of(category, official))
    for group in round_.scenario_choices(category, official):
        if required.isdisjoint(group):
            required |= set(group).intersection(run) or {group[0]}
    return tuple(scenario for scenario in SCENARIOS if scenario in required)


def runs_of(
    round_: Round, workload: Workload, scenario: str, *, tests: bool
) -> list[tuple[str, str]]:
    """Return (mode, test) of the runs of one result, in their order."""
    found = [(ACCURACY, ""), (PERFORMANCE, "")]
    if tests:
        found += [(COMPLIANCE, test) for test in audits_of(round_, workload, scenario)]
    return found
