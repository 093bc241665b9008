"""Judge a benchmark's directory: its scenarios, and whether all required ones are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.endpoints.judge import is_endpoints
from mlrepo.checker.endpoints.performance import scenario_of_endpoints
from mlrepo.checker.official.program import SPELLINGS
from mlrepo.checker.outcome import Outcome
from mlrepo.checker.report import Result
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.checker.selection import within
from mlrepo.checker.walk.result import judge_result
from mlrepo.findings import Finding


def judge_benchmark(docket: Docket, only: str, goes_on: bool) -> Outcome:
    """Judge the scope's benchmark.

    Parameters
    ----------
    only:
        Only results at or below this path; empty for all.
    goes_on:
        Whether the official checker looks at the system's results at all.
    """
    scope, official = docket.scope, docket.official
    rules = scope.round.scenario_rules(scope.category, scope.model)
    known = rules is not None and (scope.is_open or scope.model in scope.round.tables["models"])
    if not known and not _is_category(scope):
        # The cause, at the description, is reported there.
        return _unjudged(docket, only)
    if not known:
        docket.record([_unknown_benchmark(scope)])
    required, optional = map(set, rules or ((), ()))
    allowed = required | optional
    missing, errors = set(required), 0
    judged: list[Result] = []
    others: list[Finding] = []
    for name in scope.directories(scope.path):
        scenario = SPELLINGS.get(name, name)
        below = replace(
            scope, place=replace(scope.place, scenario=name), scenario=scenario, findings=[]
        )
        if scope.is_open and is_endpoints(below):
            below.scenario = scenario = scenario_of_endpoints(name) or scenario
        if not within(below.path, only):
            missing.discard(scenario)
            continue
        no_place = not scope.is_open and scenario not in allowed
        if not known or no_place or scenario not in SPELLINGS.values():
            errors += no_place and scope.round.ends_at_an_issue
            judged.append(_unknown(Docket(below)))
            continue
        done = judge_result(below, errors)
        errors = done.errors
        judged.append(done.result)
        others += _entries_of_their_own(scope, done.result)
        if done.result.official or _performed(done.result):
            missing.discard(scenario)
    if known and not scope.is_open:
        docket.record(_judge_required(scope, missing, allowed, judged))
        judged = official.benchmark_as_shown(scope, required, allowed, judged)
    if not goes_on or not known:
        judged = [official.ignored(result) for result in judged]
    return Outcome(tuple(judged), (*others, *docket.findings))


def _is_category(scope: Scope) -> bool:
    table = scope.round.tables["scenarios"]
    return not scope.round.has_categories() or scope.category.replace(",", "-") in table


def _unjudged(docket: Docket, only: str) -> Outcome:
    """Return the results of a system without a category: the round has no rules for them."""
    scope = docket.scope
    description = f"{scope.root}/systems/{scope.place.system}.json"
    results = []
    for name in scope.directories(scope.path):
        below = Docket(replace(scope, place=replace(scope.place, scenario=name), findings=[]))
        path = below.scope.path
        if within(path, only):
            message, expected = (
                "It cannot be judged until its system's description is correct.",
                f"a system_type in {description}",
            )
            below.record([Breach("result-unjudged", path, message, expected=expected)])
            below.record(docket.official.loading(below.scope, (), judged=False))
            results.append(_without_value(below))
    return Outcome(tuple(results), tuple(docket.findings))


def _unknown_benchmark(scope: Scope) -> Breach:
    """Return the breach with what the round has instead: other categories or benchmarks."""
    table = scope.round.tables["scenarios"]
    elsewhere = [name for name in table if scope.round.scenario_rules(name, scope.model)]
    here = scope.round.tables["scenarios"].get(scope.category.replace(",", "-")) or {}
    if elsewhere:
        message = f"The round has the benchmark for {' and '.join(elsewhere)} systems only."
        hint = (
            "Correct system_type in the description if it is wrong; else move the result to open."
        )
    else:
        message, hint = "The round does not know the benchmark.", ""
    return Breach(
        "benchmark-unknown",
        scope.path,
        message,
        hint=hint,
        expected=f"one of: {', '.join(here)}",
        actual=f"{scope.model} ({scope.category})",
        part="" if scope.is_open else "outside of open",
    )


def _entries_of_their_own(scope: Scope, result: Result) -> list[Finding]:
    """Return findings that the official checker counts apart from the result."""
    return [
        replace(finding, breaks_official=True)
        for finding in result.findings
        if finding.rule == "measurements-missing"
        and RULES[finding.rule].effect(scope.round.name).startswith("extra")
    ]


def _performed(result: Result) -> bool:
    """Say whether the performance is officially valid, whatever else is wrong.

    The official checker counts a scenario as present if its performance run passes.
    """
    rules = ("performance", "power", "unreadable", "log-", "measurements", "network")
    return result.value is not None and not any(
        finding.breaks_official and finding.rule.startswith(rules) for finding in result.findings
    )


def _judge_required(
    scope: Scope, missing: set[str], allowed: set[str], judged: Sequence[Result]
) -> Breaches:
    part = "" if judged else "no scenario"
    for scenario in sorted(missing):
        message = _why_missing(scope, scenario, judged)
        yield Breach("scenario-missing", f"{scope.path}/{scenario}", message, part=part)
    present = {
        SPELLINGS.get(result.scenario, result.scenario) for result in judged if _performed(result)
    }
    for either in scope.round.one_of:
        if (missing | present).isdisjoint(either) and allowed.issuperset(either):
            message = f"One of {' and '.join(either)} is required."
            yield Breach("scenario-missing", scope.path, message, part=part)


def _why_missing(scope: Scope, scenario: str, judged: Sequence[Result]) -> str:
    there = [r for r in judged if SPELLINGS.get(r.scenario, r.scenario) == scenario]
    if not there:
        return f"The required scenario {scenario} is missing."
    return f"The required scenario {scenario} has no valid run: see {there[0].path}."


def _unknown(docket: Docket) -> Result:
    scope, official = docket.scope, docket.official
    message = "The benchmark does not have this scenario here."
    docket.record([Breach("scenario-unknown", scope.path, message)])
    docket.record(official.loading(scope, (), judged=False))
    docket.record(official.at_spelling(scope))
    return _without_value(docket)


def _without_value(docket: Docket) -> Result:
    scope, place = docket.scope, docket.scope.place
    return Result(
        path=scope.path,
        division=place.division,
        submitter=place.submitter,
        system=place.system,
        benchmark=place.benchmark,
        scenario=place.scenario,
        official=False,
        strict=False,
        findings=tuple(docket.findings),
    )
