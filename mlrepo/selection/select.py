"""From recorded runs to the branch ``submission/<round>``: plan a selection, then write it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from mlrepo.errors import UserError
from mlrepo.guard.departure import refuse_secrets
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.layout.inferred import inferred_metric
from mlrepo.nearest import meant
from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names
from mlrepo.proposal.selected import (
    SelectedRun,
    Selection,
    selection_message,
    selection_of,
)
from mlrepo.record import Metric
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
from mlrepo.selection.infer import inferable
from mlrepo.selection.last import LastSelection, RunsById, result_key
from mlrepo.selection.proof import why_not_proved
from mlrepo.selection.wanted import Wanted
from mlrepo.workloads import Workload

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
    """A selection that is not written yet.

    Attributes
    ----------
    results:
        Sorted by path.
    dropped:
        Paths of results that the last selection had and this one does not.
    left_out:
        Runs of the results that were decided anew which are not taken.
    """

    round: Round
    results: tuple[Planned, ...]
    dropped: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    composition: ComposedSubmission
    message: str


def plan_selection(repository: ResultsRepository, round_: Round, wanted: Wanted) -> SelectionPlan:
    """Decide what is selected; nothing is written.

    Raises
    ------
    UserError
        A named run or branch does not exist or cannot be taken; nothing is recorded.
    InvalidResult
        What was selected holds a secret.
    """
    recorded = RunsById(repository)
    _refuse_nothing(recorded.runs.values(), round_)
    follows = _Follows(round_)
    scope = _scope(repository, round_, wanted, recorded)
    chooser = Chooser(
        round_,
        follows.tests_of,
        recorded.record,
        lambda run, record: why_not_proved(repository, run, record, round_),
        wanted.quick,
        scope.named,
    )
    choice = chooser.choose(scope.runs)
    last = LastSelection.read(repository, round_, recorded)
    decided = _decide(choice.results, scope, last, wanted)
    notes = _infer(decided, last, wanted, follows)
    results = [decided.results[path] for path in sorted(decided.results)]
    composer = Composer(
        round_,
        view=lambda candidate: view_commit(repository, candidate.run.commit),
        head=view_head(repository),
        follows=follows.official,
    )
    composition = composer.compose(results)
    refuse_secrets(repository.root, composition.content)
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
        tuple(sorted(set(last.ids) - set(decided.results))),
        choice.left_out,
        replace(composition, notes=(*composition.notes, *notes)),
        selection_message(round_.name, listed, len(results)),
    )


@dataclass(frozen=True)
class _Wanted:
    """What a selection decides anew.

    Attributes
    ----------
    runs:
        The runs that it chooses among.
    named:
        The ids of those that the user named.
    paths:
        The results that the named runs belong to.
    """

    runs: tuple[RecordedRun, ...]
    named: frozenset[str]
    paths: frozenset[str]

    @functools.cached_property
    def keys(self) -> frozenset[tuple[str, ...]]:
        """The results of the runs, as :func:`result_key` names them."""
        return frozenset(map(result_key, self.runs))

    def decides(self, path: str) -> bool:
        """Return whether a result that was chosen is one that was asked for."""
        return not self.named or path in self.paths

    def decides_anew(self, path: str, last: LastSelection) -> bool:
        """Return whether a result of the last selection, or its source, is decided anew."""
        return last.source(path) in self.paths if self.named else last.key(path) in self.keys


def _scope(
    repository: ResultsRepository, round_: Round, wanted: Wanted, recorded: RunsById
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
    if not pool and not wanted.only_drops:
        raise UserError(
            f"No run of {round_.name} is what was asked for.",
            hint=_hint(wanted, round_, recorded.runs.values()),
        )
    return _Wanted(tuple(pool), frozenset(named), paths)


@dataclass(frozen=True)
class _Decision:
    """What is selected.

    Attributes
    ----------
    results:
        By path.
    kept:
        The paths of those that stay as the last selection had them.
    dropped:
        The paths of those that the user dropped.
    """

    results: dict[str, ChosenResult]
    kept: frozenset[str]
    dropped: frozenset[str]


def _decide(
    chosen: Iterable[ChosenResult], scope: _Wanted, last: LastSelection, wanted: Wanted
) -> _Decision:
    """Take the chosen results that were asked for, and keep the rest of the last selection."""
    new = {str(result.path): result for result in chosen if scope.decides(str(result.path))}
    dropped = frozenset(_dropped(wanted.drop, {*new, *last.ids}))
    old = last.ids if wanted.is_partial else ()
    kept = frozenset(
        path for path in old if path not in dropped and not scope.decides_anew(path, last)
    )
    results = new | {path: last.result(path) for path in old if path in kept}
    remaining = {path: result for path, result in results.items() if path not in dropped}
    return _Decision(remaining, kept, dropped)


def _infer(decided: _Decision, last: LastSelection, wanted: Wanted, follows: _Follows) -> list[str]:
    """Add what the round infers where that is wanted; say what it might infer besides."""
    notes = []
    known = tuple(decided.results.values())
    for result in inferable(known, follows.round, follows.official, follows.tests_of):
        path = str(result.path)
        if path in decided.dropped:
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
    return selection_of(write_submission(repository, identity, name, content, plan.message), name)


class _Follows:
    """Which official benchmark each benchmark follows; plugins are asked where no table knows."""

    def __init__(self, round_: Round) -> None:
        self.round = round_
        self._known: dict[str, str] = {}

    def official(self, benchmark: str) -> str:
        """Return the official benchmark whose rules it follows, or ''."""
        if benchmark not in self._known:
            name = self.round.official_benchmark(benchmark)
            if not name and benchmark in plugin_names(WORKLOADS):
                workload: Workload = load_plugin(WORKLOADS, benchmark)
                name = workload.follows
            self._known[benchmark] = name
        return self._known[benchmark]

    def tests_of(self, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests that a benchmark needs in a scenario."""
        return self.round.compliance_tests(self.official(benchmark), scenario)


def _refuse_nothing(runs: Iterable[RecordedRun], round_: Round) -> None:
    rounds = sorted({run.trailer("Round") for run in runs})
    if round_.name not in rounds:
        others = f" (there are runs for {', '.join(rounds)})" if rounds else ""
        raise UserError(
            f"No run is recorded for {round_.name}{others}.",
            hint="`mlrepo bench suite` records what a round asks; --round selects for another.",
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
    if named:
        keys = {result_key(run) for run in named}
        return [run for run in pool if result_key(run) in keys]
    # To drop a result is no reason to decide the others anew.
    return [] if wanted.only_drops else pool


def _hint(wanted: Wanted, round_: Round, runs: Collection[RecordedRun]) -> str:
    """Return what to do where no run is what was asked for."""
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


def _dropped(drop: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    known = sorted(paths)
    for text in drop:
        matching = [path for path in known if f"/{path}".endswith(f"/{text.strip('/')}")]
        if not matching:
            raise UserError(
                f"No result {text!r} is selected.",
                hint=f"Selected are: {', '.join(known[:5]) or 'none'}"
                f"{' …' if len(known) > 5 else ''}.",
            )
        yield from matching


def _state(result: ChosenResult, last: LastSelection, kept: Collection[str]) -> str:
    path = str(result.path)
    if path in kept:
        return KEPT
    if path not in last:
        return NEW
    same = tuple(sorted(run.run.run for run in result.runs)) == last.ids[path]
    return SAME if same else CHANGED
