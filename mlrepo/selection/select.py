"""Plan a selection of recorded runs, and write it to the branch ``submission/<round>``."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.guard.departure import refuse_unfit_content
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.layout.inferred import inferred_metric
from mlrepo.nearest import meant
from mlrepo.proposal.selected import (
    ReadyMade,
    SelectedRun,
    Selection,
    selection_message,
    selection_of,
)
from mlrepo.record import Metric
from mlrepo.repository.behind import behind_upstream
from mlrepo.repository.commit_view import view_commit, view_head
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_tips
from mlrepo.repository.history import RecordedRun, find_run, read_file, recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.submission_branch import write_submission
from mlrepo.rounds import Round
from mlrepo.rounds.inference import sources_of
from mlrepo.selection.choose import Chooser, ChosenResult, LeftOut
from mlrepo.selection.compose import ComposedSubmission, Composer
from mlrepo.selection.follows import Follows
from mlrepo.selection.infer import inferable
from mlrepo.selection.last import LastSelection, RunsById, notes_on_others, result_key
from mlrepo.selection.proof import why_not_proved
from mlrepo.selection.ready_plan import ReadyPlan, plan_ready, refuse_collision
from mlrepo.selection.wanted import Wanted, dropped_paths

if TYPE_CHECKING:
    from mlrepo.selection.ready_made import ReadyChoice

# How a planned result relates to the last selection.
NEW, KEPT, SAME, CHANGED = "new", "kept", "same", "changed"


@dataclass(frozen=True)
class Planned:
    """One result of a planned selection; ``state`` compares it with the last one."""

    result: ChosenResult
    metric: Metric
    state: str


@dataclass(frozen=True)
class SelectionPlan:
    """A selection that has not been written yet.

    Attributes
    ----------
    results:
        Sorted by path.
    dropped:
        Paths of results that the last selection had and this one does not.
    left_out:
        Runs that are not taken, of the results that are decided anew.
    ready:
        The ready-made part.
    """

    round: Round
    results: tuple[Planned, ...]
    dropped: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    composition: ComposedSubmission
    message: str
    ready: ReadyPlan

    @property
    def count(self) -> int:
        """How many results it has."""
        return len(self.results) + len(self.ready.results)


def plan_selection(
    repository: ResultsRepository,
    round_: Round,
    wanted: Wanted,
    offered: ReadyChoice | None = None,
) -> SelectionPlan:
    """Plan a selection without moving a branch.

    Parameters
    ----------
    offered:
        Results from another harness's tree; if given, no recorded run is decided anew.

    Raises
    ------
    UserError
        A named run or branch does not exist or cannot be taken; nothing is recorded; a result is
        both ready-made and from recorded runs.
    InvalidResult
        The selection contains a secret.
    """
    recorded = RunsById(repository)
    follows = Follows(round_)
    last = LastSelection.read(repository, round_, recorded)
    if offered is None and not last.ready:
        _refuse_nothing(recorded.runs.values(), round_)
    scope = _scope(repository, round_, wanted, recorded, has_ready=bool(last.ready))
    chooser = Chooser(
        round_,
        follows.tests_of,
        recorded.record,
        lambda run, record: why_not_proved(repository, run, record, round_),
        wanted.quick,
        scope.named,
    )
    choice = chooser.choose(scope.runs)
    ready_before = [path for path in last.ready if ReadyMade(path, "").is_result]
    droppable = {*ready_before, *(() if offered is None else offered.paths)}
    decided = _decide(choice.results, scope, last, wanted, droppable)
    # Ready-made results cannot be decided anew: they stay until they are dropped or forgotten.
    stays = () if wanted.only else set(ready_before) - decided.dropped
    ready = plan_ready(repository, last, stays, offered)
    also_recorded = (
        chooser.choose(_rivals(ready, recorded.runs.values())).results if offered else ()
    )
    refuse_collision(ready, {*decided.results, *(str(one.path) for one in also_recorded)})
    notes = [*_infer(decided, last, wanted, follows, ready.paths), *ready.notes]
    notes += notes_on_others(repository, round_)
    if behind := behind_upstream(repository):
        notes.append(f"{behind}: `git pull`, and select again.")
    results = [decided.results[path] for path in sorted(decided.results)]
    composer = Composer(
        round_,
        view=lambda candidate: view_commit(repository, candidate.run.commit),
        head=view_head(repository),
        follows=follows.official,
    )
    composition = composer.compose(results, ready.pieces)
    refuse_unfit_content(repository.root, composition.content)
    listed = tuple(
        SelectedRun(str(logs_directory(candidate.record, result.place, round_)), candidate.run.run)
        for result in results
        for candidate in result.runs
    )
    return SelectionPlan(
        round_,
        tuple(
            Planned(result, _metric(repository, result), _state(result, last, decided.kept))
            for result in results
        ),
        tuple(sorted({*last.ids, *ready_before} - set(decided.results) - ready.paths)),
        choice.left_out,
        replace(composition, notes=(*composition.notes, *notes)),
        selection_message(round_.name, listed, len(results) + len(ready.results), ready.listed),
        ready,
    )


@dataclass(frozen=True)
class _Wanted:
    """The scope of a selection: what it decides anew.

    Attributes
    ----------
    runs:
        The runs that it chooses from.
    named:
        The ids of the runs that the user named.
    paths:
        The results that the named runs belong to.
    """

    runs: tuple[RecordedRun, ...]
    named: frozenset[str]
    paths: frozenset[str]

    @functools.cached_property
    def keys(self) -> frozenset[tuple[str, ...]]:
        """The :func:`result_key` of each run's result."""
        return frozenset(map(result_key, self.runs))

    def decides(self, path: str) -> bool:
        """Return whether a chosen result was requested."""
        return not self.named or path in self.paths

    def decides_anew(self, path: str, last: LastSelection) -> bool:
        """Return whether a result of the last selection, or its source, is decided anew."""
        return last.source(path) in self.paths if self.named else last.key(path) in self.keys


def _scope(
    repository: ResultsRepository,
    round_: Round,
    wanted: Wanted,
    recorded: RunsById,
    *,
    has_ready: bool,
) -> _Wanted:
    named = {run.run: run for run in (find_run(repository, text) for text in wanted.runs)}
    for run in named.values():
        if run.curation.hidden:
            raise UserError(
                f"The run {run.run} cannot be selected: it {run.curation.why_hidden}.",
                hint=f"`mlrepo run restore {run.run[-6:]}` lets it count again.",
            )
    places = (place_of(recorded.record(run)) for run in named.values())
    paths = frozenset(str(round_.layout.result_directory(place)) for place in places)
    pool = _pool(repository, wanted, recorded.runs.values(), named.values())
    may_be_empty = (
        wanted.only_drops or wanted.ready_made or (has_ready and not wanted.is_restricted)
    )
    if not pool and not may_be_empty:
        raise UserError(
            f"No run of {round_.name} is one of those requested.",
            hint=_hint(wanted, round_, recorded.runs.values()),
        )
    return _Wanted(tuple(pool), frozenset(named), paths)


@dataclass(frozen=True)
class _Decision:
    """The selected results.

    Attributes
    ----------
    results:
        By path.
    kept:
        The paths of results kept from the last selection.
    dropped:
        The paths of results that the user dropped.
    """

    results: dict[str, ChosenResult]
    kept: frozenset[str]
    dropped: frozenset[str]


def _decide(
    chosen: Iterable[ChosenResult],
    scope: _Wanted,
    last: LastSelection,
    wanted: Wanted,
    ready: Collection[str],
) -> _Decision:
    """Take the chosen results that are requested, and keep the rest of the last selection.

    ``ready`` are the paths of ready-made results, which can be dropped too.
    """
    new = {str(result.path): result for result in chosen if scope.decides(str(result.path))}
    dropped = frozenset(dropped_paths(wanted.drop, {*new, *last.ids, *ready}))
    old = last.ids if wanted.is_partial else ()
    kept = frozenset(
        path for path in old if path not in dropped and not scope.decides_anew(path, last)
    )
    results = new | {path: last.result(path) for path in old if path in kept}
    remaining = {path: result for path, result in results.items() if path not in dropped}
    return _Decision(remaining, kept, dropped)


def _infer(
    decided: _Decision,
    last: LastSelection,
    wanted: Wanted,
    follows: Follows,
    ready: Collection[str],
) -> list[str]:
    """Add inferred results if requested; return notes on others that could be inferred.

    Nothing is inferred where a ready-made result exists.
    """
    notes = []
    known = tuple(decided.results.values())
    for result in inferable(known, follows.round, follows.official, follows.tests_of):
        path = str(result.path)
        if path in decided.dropped or path in ready:
            continue
        # A partial selection infers anew what the last one inferred from a result that it decides.
        if wanted.infer or (wanted.is_partial and last.is_inferred(path)):
            decided.results[path] = result
        else:
            notes.append(_inferable_note(result))
    return notes


def write_plan(repository: ResultsRepository, identity: Identity, plan: SelectionPlan) -> Selection:
    """Write a plan to the branch; do nothing if the branch already holds it."""
    name = plan.round.name
    content = plan.composition.content
    written = write_submission(
        repository, identity, name, content, plan.message, fresh=plan.ready.fresh
    )
    return selection_of(written, name)


def _rivals(ready: ReadyPlan, runs: Iterable[RecordedRun]) -> list[RecordedRun]:
    """Return the runs that may yield the same results as a tree, by their trailers."""
    names = {tuple(path.split("/")[i] for i in (0, 1, 4)) for path in ready.paths}
    return [
        run
        for run in runs
        if tuple(run.trailer(name) for name in ("Division", "Submitter", "Benchmark")) in names
    ]


def _refuse_nothing(runs: Iterable[RecordedRun], round_: Round) -> None:
    rounds = sorted({run.trailer("Round") for run in runs})
    if round_.name not in rounds:
        others = f" (there are runs for {', '.join(rounds)})" if rounds else ""
        raise UserError(
            f"No run is recorded for {round_.name}{others}.",
            hint="`mlrepo bench suite --benchmark NAME` records what a round requires; --round "
            "selects for another.",
        )


def _pool(
    repository: ResultsRepository,
    wanted: Wanted,
    runs: Iterable[RecordedRun],
    named: Collection[RecordedRun],
) -> list[RecordedRun]:
    """Return the runs whose results are decided anew."""
    if wanted.experiments:
        known = {experiment for experiment, _ in experiment_tips(repository)}
        for experiment in wanted.experiments:
            if experiment not in known:
                raise UserError(
                    f"There is no branch {experiment.branch}, local or fetched.",
                    hint="`git fetch` brings those of others; `mlrepo log` lists the runs.",
                )
        known_runs = {run.run: run for run in runs}
        runs = {
            run.run: known_runs.get(run.run, run)
            for experiment in wanted.experiments
            for run in recorded_runs(repository, experiment)
        }.values()
    pool = [run for run in runs if wanted.matches(run)]
    if wanted.ready_made:
        return []
    if named:
        keys = {result_key(run) for run in named}
        return [run for run in pool if result_key(run) in keys]
    # Dropping a result is not a reason to decide the others anew.
    return [] if wanted.only_drops else pool


def _hint(wanted: Wanted, round_: Round, runs: Collection[RecordedRun]) -> str:
    """Return what to do if no run matches the request."""
    for source in sources_of(round_, wanted.scenario, "edge") if wanted.infer else ():
        other = replace(wanted, scenario=source)
        if any(other.matches(run) for run in runs):
            return (
                f"`mlrepo select --scenario {source} --infer` takes the runs that "
                f"{wanted.scenario} follows from, and {wanted.scenario} with them."
            )
    listed = "`mlrepo log` lists the runs with benchmark, scenario and system."
    for name, value in wanted.names().items():
        known = {run.trailer(name) for run in runs}
        if value and value not in known:
            return f"There is no {name.lower()} {value}. {meant(value, known)} {listed}"
    return listed


def _metric(repository: ResultsRepository, result: ChosenResult) -> Metric:
    record = result.performance.record
    if not result.is_inferred:
        return record.result
    log = read_file(repository, result.performance.run, DETAIL_LOG)
    return inferred_metric(result.scenario, record.scenario, log)


def _inferable_note(result: ChosenResult) -> str:
    record = result.performance.record
    return (
        f"{record.benchmark} {result.scenario} on {record.sut} has no runs of its own; the round "
        f"infers it from {record.scenario}: `mlrepo select --infer` takes it."
    )


def _state(result: ChosenResult, last: LastSelection, kept: Collection[str]) -> str:
    path = str(result.path)
    if path in kept:
        return KEPT
    if path not in last:
        return NEW
    same = tuple(sorted(run.run.run for run in result.runs)) == last.ids[path]
    return SAME if same else CHANGED
