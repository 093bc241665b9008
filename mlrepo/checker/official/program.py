"""The base of the official checkers: decides what a breach means for the official verdict."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

from mlrepo.checker.breach import Breach, Breaches, death
from mlrepo.checker.official import tracebacks
from mlrepo.checker.official.effects import Ruling, effect_of_part
from mlrepo.checker.report import Result
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS

# The scenarios, by lower-case name and by LoadGen's spelling.
SPELLINGS = {
    **{name.lower(): name for name in SCENARIOS},
    **{name: name for name in SCENARIOS},
}


class OfficialChecker:
    """The official checker of a round, replayed.

    Parameters
    ----------
    round:
        Its round.

    Attributes
    ----------
    reads_ahead:
        Whether it reads all files of a result before it judges any.
    prints_zero:
        Whether it writes a row for a result of zero, which counts as none.
    """

    reads_ahead: bool
    prints_zero: bool

    def __init__(self, round: Round) -> None:
        self.round = round

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return how it treats a breach at a result."""
        return _ruling(breach.rule, breach.part, self.round.name)

    def is_inferred(self, scope: Scope, scenario: str, *, follows: bool) -> bool:
        """Say whether it calls a result inferred, given the scenario of its log.

        ``follows``: the result was computed from a run of another scenario.
        """
        return follows

    def first_line(self, scope: Scope, path: str) -> Breaches:
        """Yield a breach if it reads only the first line of a detail log."""
        return iter(())

    def loading(self, scope: Scope, judged_tests: Collection[str], *, judged: bool) -> Breaches:
        """Yield the files of a result that it cannot load; see :func:`judge_loading`."""
        return iter(())

    def at_description(self, scope: Scope, path: str) -> Breaches:
        """Yield its crash on a system's description."""
        return iter(())

    def at_measurements(self, scope: Scope, path: str, values: object) -> Breaches:
        """Yield its crash on a measurements file; ``values`` is its content, or the error."""
        if isinstance(values, Exception):
            return  # every checker crashes on it: the breach says so
        is_text = scope.text(path) is not None
        why = tracebacks.of_measurements(self.round, values) if is_text else scope.no_text(path)
        if why:
            yield death(path, why)

    def at_configuration(self, damaged: str) -> Breaches:
        """Yield its crash on a settings file with a damaged line."""
        return iter(())

    def at_directories(self, scope: Scope) -> Breaches:
        """Yield its crash on a file in place of a directory, in its search for orphans."""
        return iter(())

    def at_spelling(self, scope: Scope) -> Breaches:
        """Yield its crash on the name of a scenario's directory, when it writes the row."""
        return iter(())

    def at_row(self, scope: Scope, weights: object, *, has_power: bool) -> Breaches:
        """Yield its crash when it writes the row of a valid result."""
        why = tracebacks.of_row(self.round, scope.system, weights, has_power=has_power)
        if why:
            yield death(f"{scope.root}/systems/{scope.place.system}.json", why)

    def benchmark_as_shown(
        self,
        scope: Scope,
        required: Collection[str],
        allowed: Collection[str],
        judged: Sequence[Result],
    ) -> list[Result]:
        """Return the results of a benchmark after comparing its directories."""
        return list(judged)

    def ignored(self, result: Result) -> Result:
        """Return what becomes of a result whose system description is rejected."""
        return result.unseen()


@functools.cache
def _ruling(rule: str, part: str, round_name: str) -> Ruling:
    effect = effect_of_part(rule, part, round_name)
    if effect is None:
        effect = "none" if part else RULES[rule].effect(round_name)
    return Ruling.of(effect, rule)
