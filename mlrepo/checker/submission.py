"""Walk a whole tree: divisions, submitters, systems, benchmarks, scenarios."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from mlrepo.checker.endpoints import is_endpoints
from mlrepo.checker.endpoints_performance import scenario_of_endpoints
from mlrepo.checker.modular import DIES, hold_to_scenarios, is_modular, judge_system_loading
from mlrepo.checker.report import Report, Result
from mlrepo.checker.result import judge_result
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.checker.submitter import judge_root, judge_submitter
from mlrepo.checker.system import judge_system
from mlrepo.findings import Finding
from mlrepo.rounds import Place, Round
from mlrepo.rounds.naming import official_model
from mlrepo.tree import Kind, Tree

_SPELLINGS = {
    name.lower(): name
    for name in ("SingleStream", "MultiStream", "Server", "Offline", "Interactive")
}


@dataclass(frozen=True)
class _Unit:
    """What one worker judges at a time: a submitter's own tree, or one of its systems."""

    division: str
    submitter: str
    system: str = ""


@dataclass
class _Outcome:
    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rejects: str = ""


def judge_tree(tree: Tree, round: Round, *, submitter: str, only: str, workers: int) -> Report:
    """Judge everything; see :func:`mlrepo.checker.check.check`."""
    found = judge_root(tree, round)
    units = [u for u in _units(tree, round, submitter, found) if _touches(u, only)]
    if workers > 1 and len(units) > 1:
        # The heaviest systems are not known before; small shares even the load.
        with ProcessPoolExecutor(workers, initializer=_begin, initargs=(tree, round)) as pool:
            outcomes = list(pool.map(_work, units, [only] * len(units), chunksize=4))
    else:
        outcomes = [_judge_unit(tree, round, unit, only) for unit in units]
    rejected = {outcome.rejects for outcome in outcomes if outcome.rejects}
    results = [result for outcome in outcomes for result in outcome.results]
    results = [_rejected(r) if f"{r.division}/{r.submitter}" in rejected else r for r in results]
    found += [finding for outcome in outcomes for finding in outcome.findings]
    results.sort(key=lambda result: result.path)
    columns = tuple(round.tables["summary_columns"])
    return Report(round.name, tuple(results), tuple(found), columns)


def _rejected(result: Result) -> Result:
    return replace(result, official=False, rows=())


def _units(tree: Tree, round: Round, submitter: str, found: list[Finding]) -> Iterator[_Unit]:
    for division in tree.entries(""):
        if division.kind is not Kind.DIRECTORY or division.name not in round.tables["divisions"]:
            continue
        for entry in tree.entries(division.name):
            if entry.kind is not Kind.DIRECTORY or submitter not in ("", entry.name):
                continue
            root = f"{division.name}/{entry.name}"
            if tree.entry(f"{root}/results") is None:
                scope = Scope(tree, round, Place(division.name, entry.name, "", ""))
                scope.report("tree-no-results", root, "The submitter has no results.")
                if is_modular(round):
                    scope.report("official-crash", root, DIES, official=True)
                found += scope.findings
                continue
            yield _Unit(division.name, entry.name)
            for system in tree.entries(f"{root}/results"):
                if system.kind is Kind.DIRECTORY:
                    yield _Unit(division.name, entry.name, system.name)


def _touches(unit: _Unit, only: str) -> bool:
    path = f"{unit.division}/{unit.submitter}/results/{unit.system}"
    return not only or (bool(unit.system) and _within(path, only))


def _within(path: str, only: str) -> bool:
    return f"{path}/".startswith(f"{only}/") or f"{only}/".startswith(f"{path}/")


_worker: list[Any] = []


def _begin(tree: Tree, round: Round) -> None:
    _worker[:] = [tree, round]


def _work(unit: _Unit, only: str) -> _Outcome:
    return _judge_unit(_worker[0], _worker[1], unit, only)


def _judge_unit(tree: Tree, round: Round, unit: _Unit, only: str) -> _Outcome:
    scope = Scope(tree, round, Place(unit.division, unit.submitter, unit.system, ""))
    if not unit.system:
        rejects = judge_submitter(scope)
        return _Outcome(findings=scope.findings, rejects=scope.root if rejects else "")
    return _judge_system_directory(scope, only)


def _judge_system_directory(scope: Scope, only: str) -> _Outcome:
    goes_on = judge_system(scope)
    judge_system_loading(scope)
    outcome = _Outcome(findings=list(scope.findings))
    mapping = _mapping(scope)
    sound = not any(finding.breaks_strict for finding in scope.findings)
    _report_links(scope, outcome)
    for benchmark in scope.directories(scope.path):
        below = replace(
            scope, place=replace(scope.place, benchmark=benchmark), findings=[],
            model=official_model(scope.round, benchmark, mapping),
        )  # fmt: skip
        _judge_benchmark(below, only, outcome, goes_on)
    if not sound:
        outcome.results = [replace(result, strict=False) for result in outcome.results]
    return outcome


def _report_links(scope: Scope, outcome: _Outcome) -> None:
    """Report links to directories, which the official checkers take for benchmarks."""
    before = len(scope.findings)
    for entry in scope.tree.entries(scope.path):
        target = posixpath.normpath(posixpath.join(scope.path, entry.target))
        found = scope.tree.entry("" if target == "." else target) if entry.target else None
        if found is not None and found.kind is Kind.DIRECTORY:
            path = f"{scope.path}/{entry.name}"
            message = "The official checker takes the link for a benchmark."
            scope.report("benchmark-unknown", path, message, actual=entry.target, official=True)
            if is_modular(scope.round) and not scope.is_open:
                scope.report("official-crash", path, DIES, official=True)
    outcome.findings += scope.findings[before:]


def _mapping(scope: Scope) -> Mapping[str, object]:
    if not scope.is_open or scope.round.version < (3, 0):
        return {}
    path = f"{scope.root}/model_mapping.json"
    text = scope.text(path)
    try:
        value = json.loads(text) if text is not None else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        scope.report("unreadable", path, "It is not a JSON object.", official=True)
        return {}
    return value


def _judge_benchmark(scope: Scope, only: str, outcome: _Outcome, goes_on: bool) -> None:
    table = scope.round.tables["scenarios"].get(_category(scope.category), {}).get(scope.model)
    known = isinstance(table, dict) and table.get("required") is not None
    known = known and (scope.is_open or scope.model in scope.round.tables["models"])
    if not known:
        scope.report("benchmark-unknown", scope.path, "The round does not know the benchmark here.",
                     actual=f"{scope.model} ({scope.category})", official=True)  # fmt: skip
        if is_modular(scope.round) and not scope.is_open:
            scope.report("official-crash", scope.path, DIES, official=True)
    required = set((table or {}).get("required") or ())
    allowed = required | set((table or {}).get("optional") or ())
    missing, errors, judged = set(required), 0, []
    for name in scope.directories(scope.path):
        scenario = _SPELLINGS.get(name, name)
        below = replace(
            scope, place=replace(scope.place, scenario=name), scenario=scenario, findings=[]
        )
        if scope.is_open and is_endpoints(below):
            below.scenario = scenario = scenario_of_endpoints(name) or scenario
        if not _within(below.path, only) and only:
            missing.discard(scenario)
            continue
        if not known or scenario not in _SPELLINGS.values():
            judged.append(_unknown(below))
            continue
        if not scope.is_open and scenario not in allowed:
            errors += scope.round.version >= (2, 1)
            judged.append(_unknown(below))
            continue
        done = judge_result(below, errors)
        errors = done.errors
        judged.append(done.result)
        outcome.findings += _entries_of_their_own(scope, done.result)
        if done.result.official or _performed(done.result):
            missing.discard(scenario)
    if known and not scope.is_open:
        _judge_required(scope, missing, allowed, judged)
        if is_modular(scope.round):
            judged = hold_to_scenarios(scope, required, allowed, judged)
    if not goes_on or not known:
        judged = [replace(result, official=False, rows=()) for result in judged]
    outcome.results += judged
    outcome.findings += scope.findings


def _entries_of_their_own(scope: Scope, result: Result) -> list[Finding]:
    """Return findings that the official checker counts beside the result, not against it."""
    return [
        replace(finding, breaks_official=True)
        for finding in result.findings
        if finding.rule == "measurements-missing"
        and RULES[finding.rule].effect(scope.round.name).startswith("extra")
    ]


def _performed(result: Result) -> bool:
    """Say whether the performance is officially valid whatever else is wrong.

    The official checker takes a scenario for present as soon as its performance run passes.
    """
    rules = ("performance", "power", "unreadable", "log-", "measurements", "network")
    return result.value is not None and not any(
        finding.breaks_official and finding.rule.startswith(rules) for finding in result.findings
    )


def _judge_required(
    scope: Scope, missing: set[str], allowed: set[str], judged: Sequence[Result]
) -> None:
    for scenario in sorted(missing):
        scope.report(
            "scenario-missing",
            f"{scope.path}/{scenario}",
            f"The required scenario {scenario} has no valid run.",
            # The modular checker does not see a benchmark without any scenario.
            official=bool(judged) or not is_modular(scope.round),
        )
    either = {"Server", "Interactive"}
    present = {
        _SPELLINGS.get(result.scenario, result.scenario) for result in judged if _performed(result)
    }
    if scope.round.version >= (5, 1) and not missing & either and either <= allowed:
        required = {s for s in either if s in missing}
        if not required and not present & either:
            scope.report("scenario-missing", scope.path,
                         "One of Server and Interactive is required.",
                         official=bool(judged) or not is_modular(scope.round))  # fmt: skip


def _category(category: str) -> str:
    return "datacenter-edge" if "," in category else category


def _unknown(scope: Scope) -> Result:
    scope.report("scenario-unknown", scope.path, "The scenario has no place here.", official=True)
    name = scope.place.scenario
    if is_modular(scope.round) and name not in _SPELLINGS and name.lower() in _SPELLINGS:
        # It knows the scenario, and dies when it writes the result's row.
        scope.report("official-crash", scope.path, DIES, official=True)
    place = scope.place
    return Result(
        path=scope.path, division=place.division, submitter=place.submitter, system=place.system,
        benchmark=place.benchmark, scenario=place.scenario, official=False, strict=False,
        findings=tuple(scope.findings),
    )  # fmt: skip
