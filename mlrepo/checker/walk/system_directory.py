"""Judge the directory of a system's results: its description, then each of its benchmarks."""

from __future__ import annotations

import json
from dataclasses import replace

from mlrepo.checker.documents.system import judge_system
from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.scope import Scope
from mlrepo.checker.verdicts import TracedTree, Verdicts
from mlrepo.checker.walk.benchmark import judge_benchmark
from mlrepo.checker.walk.links import FollowedTree, beneath
from mlrepo.rounds.naming import official_model


def judge_system_directory(scope: Scope, only: str, verdicts: Verdicts | None) -> Outcome:
    """Judge the scope's system.

    Parameters
    ----------
    only:
        Only results at or below this path; empty for all.
    verdicts:
        Where those of unchanged benchmarks are found; None to judge all anew.
    """
    goes_on = judge_system(scope)
    mapping = _mapping(scope)
    sound = not any(finding.breaks_strict for finding in scope.findings)
    if goes_on or is_modular(scope.round):
        _report_mapping_crashes(scope, mapping)
    _report_repeated(scope)
    below = [
        replace(
            scope,
            place=replace(scope.place, benchmark=benchmark),
            findings=[],
            model=official_model(
                scope.round, benchmark, mapping if isinstance(mapping, dict) else {}
            ),
        )
        for benchmark in scope.directories(scope.path)
    ]
    judged = joined([_judge_benchmark(each, only, goes_on, verdicts) for each in below])
    results = judged.results
    if not sound:
        results = tuple(replace(result, strict=False) for result in results)
    return Outcome(results, (*scope.findings, *judged.findings))


def _judge_benchmark(scope: Scope, only: str, goes_on: bool, verdicts: Verdicts | None) -> Outcome:
    if verdicts is None:
        return judge_benchmark(scope, only, goes_on)
    roots = [scope.below(kind) for kind in ("results", "measurements", "compliance")]
    arguments = [scope.model, scope.category, scope.system, only, goes_on]
    outcome = verdicts.recall(scope.tree, scope.path, roots, arguments)
    if outcome is None:
        traced = TracedTree(beneath(scope.tree), roots)
        outcome = judge_benchmark(replace(scope, tree=FollowedTree(traced)), only, goes_on)
        verdicts.keep(scope.tree, scope.path, roots, arguments, outcome, traced.asked)
    return outcome


def _report_repeated(scope: Scope) -> None:
    """Report two directories for one benchmark; in the open division they are two models."""
    first: dict[str, str] = {}
    for name in [] if scope.is_open else scope.directories(scope.path):
        official = scope.round.official_benchmark(name)
        if official and first.setdefault(official, name) != name:
            scope.report(
                "benchmark-repeated",
                f"{scope.path}/{name}",
                f"{first[official]} is the same benchmark, {official}.",
                official=False,
            )


def _mapping(scope: Scope) -> object:
    """Return what ``model_mapping.json`` holds: by the rules an object of names."""
    if not scope.is_open or scope.round.version < (3, 0):
        return {}
    path = f"{scope.root}/model_mapping.json"
    text = scope.text(path)
    if text is None:
        if why := scope.no_text(path):
            scope.report("unreadable", path, f"The mapping cannot be read: {why}.", official=True)
            scope.dies(path, why)
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        scope.report("unreadable", path, f"It is not JSON: {error}.", official=True)
        scope.dies(path, "it is not JSON")
        return {}
    if not isinstance(value, dict):
        scope.report("unreadable", path, "It is not a JSON object.", official=False)
    return value


def _report_mapping_crashes(scope: Scope, mapping: object) -> None:
    """Report that the checker dies of the mapping: it looks only for names that it lacks itself."""
    path = f"{scope.root}/model_mapping.json"
    for benchmark in scope.directories(scope.path):
        if scope.round.official_benchmark(benchmark) or mapping is None:
            continue
        if not isinstance(mapping, dict):
            scope.dies(path, f"it looks for {benchmark} in what is no JSON object")
        elif mapping.get(benchmark) and not isinstance(mapping[benchmark], str):
            message = f"The benchmark of {benchmark} is no text."
            scope.report("unreadable", path, message, actual=mapping[benchmark], official=False)
            if not is_modular(scope.round):
                scope.dies(path, f"it maps {benchmark} to what is no text")
