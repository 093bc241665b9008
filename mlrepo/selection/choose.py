"""Choose the recorded runs that make up a submission: the best eligible complete results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.compliance import in_order
from mlrepo.errors import UserError
from mlrepo.layout.eligibility import why_not_eligible, why_not_submitted
from mlrepo.layout.files import place_of
from mlrepo.paths import RepoPath
from mlrepo.record import (
    ACCURACY,
    COMPLIANCE,
    IMPORTED_TAG,
    PERFORMANCE,
    PROBE_TAG,
    SWEEP_TAG,
    VALID,
)
from mlrepo.repository.history import RecordedRun
from mlrepo.rounds import Place, Round

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_Kind = tuple[str, str]
_RESULT = ("Division", "Submitter", "System", "Benchmark", "Scenario")
_PERFORMANCE: _Kind = (PERFORMANCE, "")
_ACCURACY: _Kind = (ACCURACY, "")


@dataclass(frozen=True)
class SelectableRun:
    """A recorded run with its record."""

    run: RecordedRun
    record: RunRecord


@dataclass(frozen=True)
class ChosenResult:
    """One result: a performance run, an accuracy run and compliance tests that belong together.

    ``scenario`` is the one it is submitted for; an inferred result has runs of another scenario.
    """

    path: RepoPath
    scenario: str
    performance: SelectableRun
    accuracy: SelectableRun
    tests: tuple[SelectableRun, ...] = ()

    @property
    def runs(self) -> tuple[SelectableRun, ...]:
        """All its runs."""
        return (self.performance, self.accuracy, *self.tests)

    @property
    def is_inferred(self) -> bool:
        """Return whether its runs are of another scenario."""
        return self.scenario != self.performance.record.scenario

    @property
    def place(self) -> Place:
        """The names that its path is made of."""
        return place_of(self.performance.record, self.scenario)


@dataclass(frozen=True)
class LeftOut:
    """A run that is not taken, and why."""

    run: RecordedRun
    reason: str


@dataclass(frozen=True)
class Choice:
    """The chosen results by path, and the runs left out."""

    results: tuple[ChosenResult, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Chooser:
    """The rules by which runs are chosen.

    Attributes
    ----------
    round:
        The round of the submission; runs recorded for other rounds are ignored.
    tests_of:
        The compliance tests that a benchmark needs in a scenario, outside the open division.
    load:
        Reads the record of a run.
    prove:
        Returns how a run's logs contradict its record, or ''.
    quick:
        Whether the choice is for a rehearsal. Then runs that are shorter than the round requires,
        runs of benchmarks that the division does not have and, if none is complete, results that
        lack compliance tests are eligible.
    named:
        Ids of runs that must be taken; if a result has named runs of a kind, no others of it are
        used.
    """

    round: Round
    tests_of: Callable[[str, str], Sequence[str]]
    load: Callable[[RecordedRun], RunRecord]
    prove: Callable[[RecordedRun, RunRecord], str]
    quick: bool = False
    named: frozenset[str] = frozenset()

    def choose(self, runs: Iterable[RecordedRun]) -> Choice:
        """Choose from the runs.

        Raises
        ------
        UserError
            A named run cannot be taken.
        """
        variants, refused = self._variants(runs)
        results: list[ChosenResult] = []
        left_out = refused
        for path in sorted(variants):
            chosen, others = self._result(path, variants[path])
            left_out += others
            if chosen is not None:
                results.append(chosen)
        taken = {candidate.run.run for result in results for candidate in result.runs}
        for missed in sorted(self.named - taken):
            reasons = [out.reason for out in left_out if out.run.run == missed]
            reason = (
                reasons[0] if reasons else f"it is none of those requested in {self.round.name}"
            )
            raise UserError(
                f"The run {missed} cannot be selected: {reason}.",
                hint="`mlrepo show` shows more of the run; `mlrepo status` shows what is missing.",
            )
        return Choice(tuple(results), tuple(left_out))

    def _variants(
        self, runs: Iterable[RecordedRun]
    ) -> tuple[dict[RepoPath, list[_Variant]], list[LeftOut]]:
        """Group the VALID runs by configuration, and configurations by the result they give."""
        variants: dict[tuple[str, ...], _Variant] = {}
        refused: list[LeftOut] = []
        for run in runs:
            if run.trailer("Round") != self.round.name:
                continue
            if run.trailer("Validity") != VALID:
                refused.append(LeftOut(run, f"the run is {run.trailer('Validity')}"))
            elif not {PROBE_TAG, SWEEP_TAG, IMPORTED_TAG}.isdisjoint(
                run.trailer("Tags").split(",")
            ):
                record = self._read(run)
                reason = record if isinstance(record, str) else why_not_eligible(record, self.round)
                refused.append(LeftOut(run, reason))
            else:
                configuration = run.trailer("Configuration") or self._configuration(run)
                key = (configuration, *(run.trailer(name) for name in _RESULT))
                variants.setdefault(key, _Variant()).add(run)
        by_path: dict[RepoPath, list[_Variant]] = {}
        for variant in variants.values():
            place = self._place(variant)
            if isinstance(place, RepoPath):
                by_path.setdefault(place, []).append(variant)
            else:
                refused += place
        return by_path, refused

    def _read(self, run: RecordedRun) -> RunRecord | str:
        """Return the record of a run, or why it cannot be read; others are still chosen."""
        try:
            return self.load(run)
        except UserError as error:
            return f"its record cannot be read: {error.message}"

    def _configuration(self, run: RecordedRun) -> str:
        record = self._read(run)
        return "" if isinstance(record, str) else record.configuration

    def _place(self, variant: _Variant) -> RepoPath | list[LeftOut]:
        """Return the result of a configuration, from the first of its records that names one."""
        refused = []
        for run in variant.runs:
            record = self._read(run)
            if isinstance(record, str):
                refused.append(LeftOut(run, record))
                continue
            try:
                return self.round.layout.result_directory(place_of(record))
            except UserError as error:
                refused.append(LeftOut(run, error.message))
        return refused

    def _result(
        self, path: RepoPath, variants: Sequence[_Variant]
    ) -> tuple[ChosenResult | None, list[LeftOut]]:
        named_here = any(
            run.run in self.named for variant in variants for run in variant.of(_PERFORMANCE)
        )
        chosen, home, left_out = self._lead(path, variants, named_here=named_here)
        if chosen is None and self.quick:
            chosen, home, left_out = self._lead(
                path, variants, named_here=named_here, lacks_tests=True
            )
        for variant in variants:
            left_out += _rest(variant, chosen, is_home=variant is home)
        return chosen, left_out

    def _lead(
        self,
        path: RepoPath,
        variants: Sequence[_Variant],
        *,
        named_here: bool,
        lacks_tests: bool = False,
    ) -> tuple[ChosenResult | None, _Variant | None, list[LeftOut]]:
        """Return the result of the best performance run that has one, its variant, and the rest."""
        chosen: ChosenResult | None = None
        home: _Variant | None = None
        left_out: list[LeftOut] = []
        for variant, run in self._best_first(variants):
            if chosen is not None:
                left_out.append(LeftOut(run, self._why_second(run, chosen)))
                continue
            if named_here and run.run not in self.named:
                left_out.append(LeftOut(run, "another run was named"))
                continue
            whole = self._whole(path, variant, run, lacks_tests=lacks_tests)
            if isinstance(whole, str):
                left_out.append(LeftOut(run, whole))
            else:
                chosen, home = whole, variant
        return chosen, home, left_out

    def _best_first(self, variants: Sequence[_Variant]) -> list[tuple[_Variant, RecordedRun]]:
        runs = [(variant, run) for variant in variants for run in variant.of(_PERFORMANCE)]
        # Newest first among equals: the sort is stable.
        runs.sort(key=lambda pair: pair[1].run, reverse=True)
        runs.sort(key=lambda pair: self._rank(pair[1]))
        return runs

    def _rank(self, run: RecordedRun) -> float:
        value = run.result.value
        if value is None:
            return float("inf")
        names = run.trailer("Benchmark"), run.trailer("Scenario")
        return value if self.round.lower_is_better(*names) else -value

    def _why_second(self, run: RecordedRun, chosen: ChosenResult) -> str:
        if run.run in self.named:
            return f"{chosen.performance.run.run} was named for the same result"
        return f"{chosen.performance.record.result} of {chosen.performance.run.run} is better"

    def _whole(
        self, path: RepoPath, variant: _Variant, run: RecordedRun, *, lacks_tests: bool
    ) -> ChosenResult | str:
        """Return the complete result of a performance run, or why there is none."""
        performance = self._fit(run)
        if isinstance(performance, str):
            return performance
        problem = "no accuracy run of its configuration is VALID"
        for other in self._preferred(variant.of(_ACCURACY)):
            accuracy = self._fit(other)
            if isinstance(accuracy, str):
                problem = f"the accuracy run {other.run} does not go with it: {accuracy}"
                continue
            tests = self._tests(variant, performance, accuracy, some=lacks_tests)
            if isinstance(tests, str):
                problem = tests
                continue
            return ChosenResult(path, performance.record.scenario, performance, accuracy, tests)
        return problem

    def _tests(
        self,
        variant: _Variant,
        performance: SelectableRun,
        accuracy: SelectableRun,
        *,
        some: bool,
    ) -> tuple[SelectableRun, ...] | str:
        """Return the compliance tests verified against the two runs, or what is missing.

        With ``some``, it returns those that exist.
        """
        record = performance.record
        if record.division == "open":
            return ()
        references = {PERFORMANCE: record.run, ACCURACY: accuracy.record.run}
        found: list[SelectableRun] = []
        for test in in_order(self.tests_of(record.benchmark, record.scenario)):
            problem = f"{test} was not passed for it"
            for run in self._preferred(variant.of((COMPLIANCE, test))):
                candidate = self._fit(run)
                if isinstance(candidate, str):
                    problem = f"its {test}, {run.run}, does not count: {candidate}"
                    continue
                reference = candidate.record.reference
                if all(references.get(mode, run_) == run_ for mode, run_ in reference.items()):
                    found.append(candidate)
                    references[test] = run.run
                    break
            else:
                if not some:
                    return problem
        return tuple(found)

    def _fit(self, run: RecordedRun) -> SelectableRun | str:
        record = self._read(run)
        if isinstance(record, str):
            return record
        reason = (
            why_not_eligible(record, self.round, rehearsed=self.quick)
            or why_not_submitted(record, self.round, quick=self.quick)
            or self.prove(run, record)
        )
        return reason or SelectableRun(run, record)

    def _preferred(self, runs: Sequence[RecordedRun]) -> list[RecordedRun]:
        """Return the runs, newest first; only the named ones if there are any."""
        named = [run for run in runs if run.run in self.named]
        return sorted(named or runs, key=lambda run: run.run, reverse=True)


@dataclass(frozen=True)
class _Variant:
    """The VALID runs of one configuration by kind."""

    kinds: dict[_Kind, list[RecordedRun]] = field(default_factory=dict)

    def add(self, run: RecordedRun) -> None:
        self.kinds.setdefault((run.trailer("Mode"), run.trailer("Test")), []).append(run)

    def of(self, kind: _Kind) -> list[RecordedRun]:
        return self.kinds.get(kind, [])

    @property
    def runs(self) -> Iterator[RecordedRun]:
        return (run for runs in self.kinds.values() for run in runs)


def _rest(variant: _Variant, chosen: ChosenResult | None, *, is_home: bool) -> Iterator[LeftOut]:
    """Say why the runs of a configuration other than performance runs are not taken."""
    taken = {candidate.run.run for candidate in chosen.runs} if chosen is not None else set()
    for kind, runs in variant.kinds.items():
        if kind == _PERFORMANCE:
            continue
        for run in runs:
            if run.run in taken:
                continue
            if chosen is None:
                reason = "no performance run of the result can be taken"
            elif is_home:
                reason = "another run of its kind is taken"
            else:
                reason = "another configuration is taken"
            yield LeftOut(run, reason)
