"""Import another harness's bare LoadGen logs as records of runs.

Each directory with a detail log is a run, and the log says of which kind. The runs of a result are
presented to the checker in the layout of the round, so that a compliance test is judged as in a
submission.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.checker.breach import Breach
from mlrepo.checker.compliance.judge import judge_compliance, required_tests
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs.performance import Run, judge_run
from mlrepo.checker.runs.tokens import counts_tokens
from mlrepo.checker.scope import Scope
from mlrepo.errors import UserError
from mlrepo.exchange.imported import Importer
from mlrepo.exchange.imported_masks import refuse_secret_names
from mlrepo.exchange.imported_record import ResultFacts, RunKind
from mlrepo.exchange.imported_run import ImportedRun, SkippedLogs
from mlrepo.exchange.log_roles import result_directory, role_of, test_directory
from mlrepo.exchange.placed_tree import PlacedTree
from mlrepo.findings import Finding
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from mlrepo.layout.files import ACCURACY_TEXT
from mlrepo.logs.detail import DetailLog
from mlrepo.nearest import meant
from mlrepo.plugins import WORKLOADS, plugin_names
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE
from mlrepo.rounds import Place, Round
from mlrepo.rounds.naming import official_model
from mlrepo.scenarios import SCENARIOS, spelled
from mlrepo.tree import Kind as EntryKind
from mlrepo.tree import walk

_LOGS = (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG)


@dataclass(frozen=True)
class LogOrigin:
    """Facts that bare LoadGen logs do not contain."""

    division: str
    submitter: str
    category: str
    system: str
    benchmark: str


@dataclass(frozen=True)
class _Result:
    """Runs that belong together, by kind, each with the directory of its logs."""

    scenario: str
    runs: dict[RunKind, str] = field(default_factory=dict)


def bare_runs(importer: Importer, identity: LogOrigin) -> Iterator[ImportedRun]:
    """Yield a run for each directory of LoadGen logs that is a result or a test.

    Raises
    ------
    UserError
        There is none, a log does not name its scenario, or the benchmark is unknown or not that of
        the logs.
    """
    importer.refuse_oldest()
    _refuse_unknown(importer.round, identity)
    found = False
    for result in _results(importer, identity):
        runs = list(_imported(importer, identity, result))
        refuse_secret_names(runs)
        found = found or bool(runs)
        yield from runs
    if found:
        return
    if importer.left_out:
        reasons = "; ".join(f"{one.path}: {one.why}" for one in importer.left_out[:3])
        raise UserError(
            f"No log in {importer.label} is of a performance or accuracy run or a test: {reasons}.",
            hint="Name the directory that holds the runs of a result.",
        )
    raise UserError(
        f"There is neither a results repository nor a {DETAIL_LOG} in {importer.label}.",
        hint="Name the directory that holds closed/ or open/, or one of LoadGen's logs.",
    )


def _refuse_unknown(round_: Round, identity: LogOrigin) -> None:
    """Raise :class:`UserError` for a benchmark unknown to the round and to this machine.

    The open division accepts models of any name.
    """
    name = identity.benchmark
    own = plugin_names(WORKLOADS)
    if identity.division == "open" or name in own or round_.official_benchmark(name):
        return
    known = {*round_.tables["models"], *round_.tables["model_aliases"], *own}
    raise UserError(
        f"{round_.name} has no benchmark {name!r} in the division {identity.division}.",
        hint=f"{meant(name, known)} The open division takes other names: --division open.",
    )


def _refuse_tokens(round_: Round, benchmark: str, path: str, detail: DetailLog) -> None:
    """Raise :class:`UserError` if the logs count tokens and the benchmark has none."""
    model = round_.official_benchmark(benchmark)
    if not model or not detail.values.get("requested_use_token_latencies"):
        return
    if not counts_tokens(round_, model):
        raise UserError(
            f"{path} counts tokens, but {benchmark} has none: it is the log of another benchmark.",
            hint="Name the language model with --benchmark.",
        )


def _results(importer: Importer, identity: LogOrigin) -> list[_Result]:
    results: dict[tuple[str, str, int], _Result] = {}
    for path, entry in walk(importer.tree):
        if entry.kind is not EntryKind.FILE or entry.name != DETAIL_LOG:
            continue
        directory = posixpath.dirname(path)
        detail = importer.detail(directory)
        scenario = str(detail.values.get("effective_scenario") or "")
        if not scenario:
            raise UserError(
                f"{path} does not name its scenario.",
                hint="The log is damaged: remove it, and import the others.",
            )
        _refuse_tokens(importer.round, identity.benchmark, path, detail)
        role = role_of(directory, detail, importer.round, identity.benchmark)
        if not role.mode:
            importer.left_out.append(SkippedLogs(directory or importer.label, role.why))
            continue
        kind, number = RunKind(role.mode, role.test), 0
        root = result_directory(directory)
        scenario = _scenario(scenario, f"{importer.label}/{root}".split("/"))
        while kind in results.setdefault((root, scenario, number), _Result(scenario)).runs:
            number += 1
        results[root, scenario, number].runs[kind] = directory
    return list(results.values())


def _scenario(logged: str, names: Sequence[str]) -> str:
    """Return the scenario; only directory names give those that LoadGen lacks (Interactive)."""
    for name in reversed(names):
        known = SCENARIOS.get(spelled(name))
        if known is not None and known.loadgen == logged:
            return known.name
    return logged


def _imported(importer: Importer, identity: LogOrigin, result: _Result) -> Iterator[ImportedRun]:
    place = Place(
        identity.division,
        identity.submitter,
        identity.system,
        identity.benchmark,
        spelled(result.scenario),
    )
    # Tests are required in the closed division, whatever division the logs are recorded for.
    shown = dataclasses.replace(place, division="closed")
    placed = PlacedTree(importer.tree, _places(importer, shown, result))
    findings = _findings(importer, identity.category, placed, shown, result)
    reader = dataclasses.replace(importer, tree=placed)
    base = ResultFacts(place, identity.category, {}, {}, {}, {})
    for kind, directory in result.runs.items():
        run = reader.run(
            dataclasses.replace(base, path=directory),
            _directory(importer, shown, kind),
            kind,
            findings,
            called=directory,
        )
        if run is not None:
            yield run


def _places(importer: Importer, place: Place, result: _Result) -> Mapping[str, str]:
    """Return where the checker sees the logs and, for a test, the files that may verify it."""
    places = {}
    for kind, directory in result.runs.items():
        if kind.test:
            test = str(importer.round.layout.test_directory(place, kind.test))
            places[test] = test_directory(directory)
        # Not the whole directory: a submission may have nothing else beside the logs.
        for name in (*_LOGS, *((ACCURACY_TEXT,) if kind.mode == ACCURACY else ())):
            file = f"{directory}/{name}".lstrip("/")
            if importer.tree.entry(file) is not None:
                places[f"{_directory(importer, place, kind)}/{name}"] = file
    return places


def _directory(importer: Importer, place: Place, kind: RunKind) -> str:
    if kind.test:
        return f"{importer.round.layout.test_directory(place, kind.test)}/performance/run_1"
    return str(importer.round.layout.run_directory(place, kind.mode))


def _findings(
    importer: Importer, category: str, placed: PlacedTree, place: Place, result: _Result
) -> list[Finding]:
    """Return the checker's findings about the runs, by the paths of the layout."""
    round_ = importer.round
    model = official_model(round_, place.benchmark, {})
    scope = Scope(placed, round_, place, model=model, scenario=place.scenario, category=category)
    docket, own = Docket(scope), Run()
    if model not in round_.tables["models"]:
        return docket.findings
    if RunKind(PERFORMANCE) in result.runs:
        own = judge_run(docket, _directory(importer, place, RunKind(PERFORMANCE)))
    if any(kind.mode == COMPLIANCE for kind in result.runs):
        judge_compliance(docket, lambda directory, test: judge_run(docket, directory, test), own)
    for kind in result.runs:
        if kind.test and kind.test not in required_tests(scope):
            path = str(round_.layout.test_directory(place, kind.test))
            message = f"{round_.name} has no {kind.test} of {place.benchmark} {place.scenario}."
            docket.record([Breach("compliance", path, message, part="not of the round")])
    return docket.findings
