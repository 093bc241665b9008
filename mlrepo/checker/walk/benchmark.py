"""Judge a benchmark's directory: its scenarios, and whether all that are required are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlrepo.checker.endpoints.judge import is_endpoints
from mlrepo.checker.endpoints.performance import scenario_of_endpoints
from mlrepo.checker.official.loading import judge_loading
from mlrepo.checker.official.modular import hold_to_scenarios, is_modular
from mlrepo.checker.outcome import Outcome
from mlrepo.checker.report import Result
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.checker.selection import within
from mlrepo.checker.walk.result import judge_result
from mlrepo.findings import Finding
from mlrepo.scenarios import SCENARIOS

_SPELLINGS = {name.lower(): name for name in SCENARIOS}


def judge_benchmark(scope: Scope, only: str, goes_on: bool) -> Outcome:
    """Judge the scope's benchmark.

    Parameters
    ----------
    only:
        Only results at or below this path; empty for all.
    goes_on:
        The official checker looks at the results of the system at all.
    """
    rules = scope.round.scenario_rules(scope.category, scope.model)
    known = rules is not None and (scope.is_open or scope.model in scope.round.tables["models"])
    if not known and not _is_category(scope):
        # The cause, at the description, is reported there.
        return _unjudged(scope, only)
    if not known:
        _report_unknown(scope)
        if is_modular(scope.round) and not scope.is_open:
            scope.dies(scope.path, "it asks for the scenarios of a benchmark that it does not know")
    required, optional = map(set, rules or ((), ()))
    allowed = required | optional
    missing, errors = set(required), 0
    judged: list[Result] = []
    others: list[Finding] = []
    for name in scope.directories(scope.path):
        scenario = _SPELLINGS.get(name, name)
        below = replace(
            scope, place=replace(scope.place, scenario=name), scenario=scenario, findings=[]
        )
        if scope.is_open and is_endpoints(below):
            below.scenario = scenario = scenario_of_endpoints(name) or scenario
        if not within(below.path, only):
            missing.discard(scenario)
            continue
        no_place = not scope.is_open and scenario not in allowed
        if not known or no_place or scenario not in _SPELLINGS.values():
            errors += no_place and scope.round.version >= (3, 1)
            judged.append(_unknown(below))
            continue
        done = judge_result(below, errors)
        errors = done.errors
        judged.append(done.result)
        others += _entries_of_their_own(scope, done.result)
        if done.result.official or _performed(done.result):
            missing.discard(scenario)
    if known and not scope.is_open:
        _judge_required(scope, missing, allowed, judged)
        if is_modular(scope.round):
            judged = hold_to_scenarios(scope, required, allowed, judged)
    if not goes_on or not known:
        judged = [
            result.unprinted() if is_modular(scope.round) else result.unseen() for result in judged
        ]
    return Outcome(tuple(judged), (*others, *scope.findings))


def _is_category(scope: Scope) -> bool:
    table = scope.round.tables["scenarios"]
    return not scope.round.has_categories() or scope.category.replace(",", "-") in table


def _unjudged(scope: Scope, only: str) -> Outcome:
    """Return the results of a system without category: no rule of the round can be held to them."""
    description = f"{scope.root}/systems/{scope.place.system}.json"
    results = []
    for name in scope.directories(scope.path):
        below = replace(scope, place=replace(scope.place, scenario=name), findings=[])
        if within(below.path, only):
            below.report(
                "result-unjudged",
                below.path,
                "It cannot be judged before the description is.",
                expected=f"a system_type in {description}",
                official=True,
            )
            judge_loading(below, (), judged=False)
            results.append(_without_value(below))
    return Outcome(tuple(results), tuple(scope.findings))


def _report_unknown(scope: Scope) -> None:
    """Say what the round knows instead: the benchmark in other categories, or its own names."""
    table = scope.round.tables["scenarios"]
    elsewhere = [name for name in table if scope.round.scenario_rules(name, scope.model)]
    here = scope.round.tables["scenarios"].get(scope.category.replace(",", "-")) or {}
    if elsewhere:
        message = f"The round has the benchmark for {' and '.join(elsewhere)} systems only."
        hint = "Correct system_type in the description, if that is wrong; else the result is open."
    else:
        message, hint = "The round does not know the benchmark.", ""
    scope.report(
        "benchmark-unknown",
        scope.path,
        message,
        hint=hint,
        expected=f"one of: {', '.join(here)}",
        actual=f"{scope.model} ({scope.category})",
        official=True,
    )


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
            *_why_missing(scope, scenario, judged),
            # The modular checker does not see a benchmark without any scenario.
            official=bool(judged) or not is_modular(scope.round),
        )
    present = {
        _SPELLINGS.get(result.scenario, result.scenario) for result in judged if _performed(result)
    }
    for group in scope.round.one_of:
        if allowed.issuperset(group) and not (missing | present) & set(group):
            scope.report(
                "scenario-missing",
                scope.path,
                f"One of {' and '.join(group)} is required.",
                official=bool(judged) or not is_modular(scope.round),
            )


def _why_missing(scope: Scope, scenario: str, judged: Sequence[Result]) -> tuple[str]:
    there = [r for r in judged if _SPELLINGS.get(r.scenario, r.scenario) == scenario]
    if not there:
        return (f"The required scenario {scenario} is missing.",)
    return (
        f"The required scenario {scenario} is there, but has no valid run: see {there[0].path}.",
    )


def _unknown(scope: Scope) -> Result:
    scope.report("scenario-unknown", scope.path, "The scenario has no place here.", official=True)
    judge_loading(scope, (), judged=False)
    name = scope.place.scenario
    if (
        is_modular(scope.round)
        and name not in (*_SPELLINGS, *_SPELLINGS.values())
        and (name.lower() in _SPELLINGS)
    ):
        # It knows the scenario, and dies when it writes the result's row.
        scope.dies(scope.path, "it has no unit for a scenario of this spelling")
    return _without_value(scope)


def _without_value(scope: Scope) -> Result:
    place = scope.place
    return Result(
        path=scope.path,
        division=place.division,
        submitter=place.submitter,
        system=place.system,
        benchmark=place.benchmark,
        scenario=place.scenario,
        official=False,
        strict=False,
        findings=tuple(scope.findings),
    )
