"""Judge the directory of a system's results: its description, then each of its benchmarks."""

from __future__ import annotations

import json
from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches, Judging, death
from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.system import judge_system
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
        Where the verdicts on unchanged benchmarks are cached; None to judge everything anew.
    """
    docket = Docket(scope)
    goes_on = judge_system(docket)
    _, mapping = docket.judged(_mapping(scope))
    sound = docket.is_sound
    if goes_on or docket.official.reads_ahead:
        docket.record(_judge_mapping(scope, mapping))
    docket.record(_judge_repeated(scope))
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
    return Outcome(results, (*docket.findings, *judged.findings))


def _judge_benchmark(scope: Scope, only: str, goes_on: bool, verdicts: Verdicts | None) -> Outcome:
    if verdicts is None:
        return judge_benchmark(Docket(scope), only, goes_on)
    roots = [scope.below(kind) for kind in ("results", "measurements", "compliance")]
    arguments = [scope.model, scope.category, scope.system, only, goes_on]
    outcome = verdicts.recall(scope.tree, scope.path, roots, arguments)
    if outcome is None:
        traced = TracedTree(beneath(scope.tree), roots)
        outcome = judge_benchmark(Docket(replace(scope, tree=FollowedTree(traced))), only, goes_on)
        verdicts.keep(scope.tree, scope.path, roots, arguments, outcome, traced.asked)
    return outcome


def _judge_repeated(scope: Scope) -> Breaches:
    """Yield a second directory for a benchmark; in the open division it is another model."""
    first: dict[str, str] = {}
    for name in [] if scope.is_open else scope.directories(scope.path):
        official = scope.round.official_benchmark(name)
        if official and first.setdefault(official, name) != name:
            yield Breach(
                "benchmark-repeated",
                f"{scope.path}/{name}",
                f"{first[official]} is the same benchmark, {official}.",
            )


def _mapping(scope: Scope) -> Judging[object]:
    """Return the content of ``model_mapping.json``, which should be an object of names."""
    if not scope.is_open or not scope.round.has_model_mapping:
        return {}
    path = f"{scope.root}/model_mapping.json"
    text = scope.text(path)
    if text is None:
        if why := scope.no_text(path):
            message = f"The mapping cannot be read: {why}."
            yield Breach("unreadable", path, message, part="mapping", subject=why)
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        message, why = f"It is not JSON: {error}.", "it is not JSON"
        yield Breach("unreadable", path, message, part="mapping", subject=why)
        return {}
    if not isinstance(value, dict):
        yield Breach("unreadable", path, "It is not a JSON object.")
    return value


def _judge_mapping(scope: Scope, mapping: object) -> Breaches:
    """Yield what is wrong with the mapping of benchmarks that the round does not know."""
    path = f"{scope.root}/model_mapping.json"
    for benchmark in scope.directories(scope.path):
        if scope.round.official_benchmark(benchmark) or mapping is None:
            continue
        if not isinstance(mapping, dict):
            yield death(path, f"it looks up {benchmark} in something that is not a JSON object")
        elif mapping.get(benchmark) and not isinstance(mapping[benchmark], str):
            message = f"The mapping of {benchmark} is not a string."
            yield Breach(
                "unreadable",
                path,
                message,
                actual=mapping[benchmark],
                part="mapped to no text",
                subject=benchmark,
            )
