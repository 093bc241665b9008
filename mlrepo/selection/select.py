"""From recorded runs to the branch ``submission/<round>``: plan a selection, then write it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mlrepo.errors import UserError
from mlrepo.guard.departure import refuse_secrets
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.layout.files import logs_directory, place_of
from mlrepo.layout.inferred import inferred_metric
from mlrepo.nearest import meant
from mlrepo.paths import RepoPath
from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names
from mlrepo.proposal.selected import (
    SelectedRun,
    Selection,
    selected_runs,
    selection_message,
    selection_of,
)
from mlrepo.record import ACCURACY, PERFORMANCE, Metric, RunRecord
from mlrepo.repository.commit_view import view_commit, view_head
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import experiment_tips
from mlrepo.repository.history import RecordedRun, find_run, load_record, read_file, recorded_runs
from mlrepo.repository.identity import Identity
from mlrepo.repository.submission_branch import read_submission, write_submission
from mlrepo.rounds import Round
from mlrepo.rounds.inference import sources_of
from mlrepo.selection.choose import Chooser, ChosenResult, LeftOut, SelectableRun
from mlrepo.selection.compose import ComposedSubmission, Composer
from mlrepo.selection.infer import inferable
from mlrepo.selection.proof import why_not_proved
from mlrepo.selection.wanted import Wanted
from mlrepo.shell import quoted
from mlrepo.workloads import Workload

# How a planned result relates to the last selection.
NEW, KEPT, SAME, CHANGED = "new", "kept", "same", "changed"
_RESULT = ("Round", "Division", "Submitter", "System", "Backend", "Benchmark", "Scenario")


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
        Paths of results that the last selection had and this one has not.
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
    runs = {run.run: run for run in recorded_runs(repository)}
    _refuse_nothing(runs.values(), round_)
    records: dict[str, RunRecord] = {}

    def load(run: RecordedRun) -> RunRecord:
        if run.run not in records:
            records[run.run] = load_record(repository, run)
        return records[run.run]

    named = {run.run: run for run in (find_run(repository, text) for text in wanted.runs)}
    named_paths = {_path(load(run), round_) for run in named.values()}
    pool = _pool(repository, wanted, runs.values(), named.values())
    if not pool and not wanted.only_drops:
        raise UserError(
            f"No run of {round_.name} is what was asked for.",
            hint=_hint(wanted, round_, runs.values()),
        )
    follows = _Follows(round_)

    def prove(run: RecordedRun, record: RunRecord) -> str:
        return why_not_proved(repository, run, record, round_)

    chooser = Chooser(round_, follows.tests_of, load, prove, wanted.quick, frozenset(named))
    choice = chooser.choose(pool)
    chosen = [result for result in choice.results if not named or str(result.path) in named_paths]
    last = _last_results(repository, round_)
    dropped = set(_dropped(wanted.drop, {*(str(result.path) for result in chosen), *last}))
    kept: dict[str, ChosenResult] = {}
    if wanted.is_partial:
        decided = {_key(run) for run in pool}
        for path, ids in last.items():
            source = _source_path(path, ids, runs)
            in_scope = source in named_paths if named else _lead_key(ids, runs) in decided
            if not in_scope and path not in dropped:
                kept[path] = _kept(path, ids, runs, load)
    by_path = {
        str(result.path): result
        for result in (*chosen, *kept.values())
        if str(result.path) not in dropped
    }
    notes: list[str] = []
    for result in list(inferable(by_path.values(), round_, follows.official, follows.tests_of)):
        path = str(result.path)
        # A partial selection infers anew what the last one inferred from a result that it decides.
        again = wanted.is_partial and path in last and _source_path(path, last[path], runs) != path
        if path not in dropped and (wanted.infer or again):
            by_path[path] = result
        elif path not in dropped:
            notes.append(_inferable_note(result))
    results = [by_path[path] for path in sorted(by_path)]
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
    planned = (
        Planned(
            result,
            _metric(repository, result),
            _state(result, last.get(str(result.path)), is_kept=str(result.path) in kept),
        )
        for result in results
    )
    return SelectionPlan(
        round_,
        tuple(planned),
        tuple(sorted(set(last) - set(by_path))),
        choice.left_out,
        replace(composition, notes=(*composition.notes, *notes)),
        selection_message(round_.name, listed, len(results)),
    )


def write_plan(repository: ResultsRepository, identity: Identity, plan: SelectionPlan) -> Selection:
    """Put a plan on the branch; one that stands there already changes nothing."""
    name = plan.round.name
    content = plan.composition.content
    return selection_of(write_submission(repository, identity, name, content, plan.message), name)


class _Follows:
    """Which official benchmark each benchmark follows; plugins are asked where no table knows."""

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self._known: dict[str, str] = {}

    def official(self, benchmark: str) -> str:
        """Return the official benchmark whose rules it follows, or ''."""
        if benchmark not in self._known:
            name = self._round.official_benchmark(benchmark)
            if not name and benchmark in plugin_names(WORKLOADS):
                workload: Workload = load_plugin(WORKLOADS, benchmark)
                name = workload.follows
            self._known[benchmark] = name
        return self._known[benchmark]

    def tests_of(self, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests that a benchmark needs in a scenario."""
        return self._round.compliance_tests(self.official(benchmark), scenario)


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
        keys = {_key(run) for run in named}
        return [run for run in pool if _key(run) in keys]
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


def _key(run: RecordedRun) -> tuple[str, ...]:
    return tuple(run.trailer(name) for name in _RESULT)


def _path(record: RunRecord, round_: Round) -> str:
    return str(round_.layout.result_directory(place_of(record)))


def _last_results(repository: ResultsRepository, round_: Round) -> dict[str, tuple[str, ...]]:
    """Return the run ids of each result of the last selection, by the result's path."""
    last = read_submission(repository, round_.name)
    runs = (selected_runs(last.message, round_.name) or ()) if last is not None else ()
    found: dict[str, list[str]] = {}
    for selected in runs:
        # In every layout: DIVISION/SUBMITTER/results (or compliance)/SYSTEM/BENCHMARK/SCENARIO/…
        names = selected.path.split("/")[:6]
        if len(names) < 6:
            continue  # nothing that `mlrepo select` writes
        path = "/".join((*names[:2], "results", *names[3:]))
        found.setdefault(path, []).append(selected.run)
    return {path: tuple(sorted(ids)) for path, ids in found.items()}


def _source_path(path: str, ids: Iterable[str], runs: Mapping[str, RecordedRun]) -> str:
    """Return the path of the result from which one of the last selection was inferred, or its own.

    In every layout the last name of the path is the scenario.
    """
    lead = _lead_key(ids, runs)
    return f"{path.rpartition('/')[0]}/{lead[-1]}" if lead else path


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


def _lead_key(ids: Iterable[str], runs: Mapping[str, RecordedRun]) -> tuple[str, ...]:
    return next((_key(runs[run_id]) for run_id in ids if run_id in runs), ())


def _kept(
    path: str,
    ids: Iterable[str],
    runs: Mapping[str, RecordedRun],
    load: Callable[[RecordedRun], RunRecord],
) -> ChosenResult:
    """Return a result of the last selection, made of the same runs."""
    found: dict[str, SelectableRun] = {}
    for run_id in ids:
        if run_id not in runs:
            raise UserError(
                f"The selected run {run_id} is on no experiment branch any more.",
                hint="Fetch its branch, or let the result go: "
                f"`mlrepo select --drop {quoted(path)}`.",
            )
        record = load(runs[run_id])
        found[record.test or record.mode] = SelectableRun(runs[run_id], record)
    if not {PERFORMANCE, ACCURACY} <= set(found):
        raise UserError(
            f"The last selection names no performance and accuracy run for {path}.",
            hint=f"Let the result go, or decide it anew: `mlrepo select --drop {quoted(path)}`.",
        )
    performance, accuracy = found.pop(PERFORMANCE), found.pop(ACCURACY)
    place = RepoPath.parse(path)
    return ChosenResult(place, place.name, performance, accuracy, tuple(found.values()))


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


def _state(result: ChosenResult, last: tuple[str, ...] | None, *, is_kept: bool) -> str:
    if is_kept:
        return KEPT
    if last is None:
        return NEW
    return SAME if tuple(sorted(run.run.run for run in result.runs)) == last else CHANGED
