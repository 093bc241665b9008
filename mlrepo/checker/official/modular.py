"""What only the modular official checker does (v6.0 and later).

It loads every file of a result before it checks anything, and crashes on one that it cannot load.
The checks that follow are isolated: whatever goes wrong in one only rejects the result. In the
closed and network divisions a benchmark's scenarios are compared with its directories: a missing or
unknown one rejects all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches, death
from mlrepo.checker.official.effects import Ruling
from mlrepo.checker.official.loading import judge_first_line, judge_loading
from mlrepo.checker.official.program import SPELLINGS, OfficialChecker
from mlrepo.checker.report import Result
from mlrepo.checker.scope import Scope

# A value that is not a number, or a missing log, rejects a result of any division.
_FORGIVEN_IN_OPEN = (
    ("accuracy-target", ""),
    ("accuracy-hash", ""),
    ("accuracy-text", ""),
    ("accuracy-text", "no metric"),
)
_OF_CLOSED = "performance-samples-per-query"


class Modular(OfficialChecker):
    """``submission_checker/main.py``."""

    reads_ahead = True
    prints_zero = True

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return how it treats a breach at a result."""
        ruling = super().ruling(breach, scope)
        is_forgiven = scope.is_open and (breach.rule, breach.part) in _FORGIVEN_IN_OPEN
        is_of_closed = scope.place.division != "closed" and breach.rule == _OF_CLOSED
        return replace(ruling, rejects=False) if is_forgiven or is_of_closed else ruling

    def is_inferred(self, scope: Scope, scenario: str, *, follows: bool) -> bool:
        """Say whether it calls a result inferred: whenever directory and log differ in spelling."""
        return scope.place.scenario != scenario

    def first_line(self, scope: Scope, path: str) -> Breaches:
        """Yield a breach if it reads only the first line of a detail log."""
        return judge_first_line(scope, path)

    def loading(self, scope: Scope, judged_tests: Collection[str], *, judged: bool) -> Breaches:
        """Yield the files of a result that it cannot load."""
        return judge_loading(scope, judged_tests, judged=judged)

    def at_description(self, scope: Scope, path: str) -> Breaches:
        """Yield its crash on a system's description."""
        if not scope.is_open and scope.category not in scope.round.tables["system_types"]:
            why = "it looks up the scenarios of a system_type that it does not know"
            yield death(path, why)

    def at_spelling(self, scope: Scope) -> Breaches:
        """Yield its crash on the name of a scenario's directory, when it writes the row."""
        name = scope.place.scenario
        if name not in SPELLINGS and name.lower() in SPELLINGS:
            yield death(scope.path, "it has no unit for a scenario with this spelling")

    def benchmark_as_shown(
        self,
        scope: Scope,
        required: Collection[str],
        allowed: Collection[str],
        judged: Sequence[Result],
    ) -> list[Result]:
        """Return the results of a benchmark after comparing its directories."""
        return hold_to_scenarios(scope, required, allowed, judged)

    def ignored(self, result: Result) -> Result:
        """Return what becomes of a result whose system description is rejected."""
        return result.unprinted()


def hold_to_scenarios(
    scope: Scope, required: Collection[str], allowed: Collection[str], judged: Sequence[Result]
) -> list[Result]:
    """Return the results of a benchmark; none is printed if its scenario directories are wrong."""
    present = {name.lower() for name in scope.directories(scope.path)}
    missing = {name.lower() for name in required} - present
    unknown = present - {name.lower() for name in allowed}
    either = {"server", "interactive"}
    lacks_both = (
        either <= {n.lower() for n in set(allowed) - set(required)} and not present & either
    )
    if missing or unknown or lacks_both:
        return [result.unprinted() for result in judged]
    return list(judged)
