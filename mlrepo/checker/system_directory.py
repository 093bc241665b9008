"""Judge the directory of a system's results: its description, then each of its benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from mlrepo.checker.benchmark import judge_benchmark
from mlrepo.checker.links import FollowedTree, beneath
from mlrepo.checker.modular import DIES, judge_system_loading
from mlrepo.checker.outcome import Outcome, joined
from mlrepo.checker.scope import Scope
from mlrepo.checker.system import judge_system
from mlrepo.checker.verdicts import TracedTree, Verdicts
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
    judge_system_loading(scope)
    mapping = _mapping(scope)
    sound = not any(finding.breaks_strict for finding in scope.findings)
    below = [
        replace(
            scope, place=replace(scope.place, benchmark=benchmark), findings=[],
            model=official_model(scope.round, benchmark, mapping),
        )
        for benchmark in scope.directories(scope.path)
    ]  # fmt: skip
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
        scope.report("official-crash", path, DIES, official=True)
        return {}
    return value
