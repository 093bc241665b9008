"""What every official checker has: it decides what a breach means for its verdict."""

from __future__ import annotations

import functools

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.official.effects import Ruling, effect_of_part
from mlrepo.checker.rules import RULES
from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round


class OfficialChecker:
    """The official checker of a round, replayed.

    Parameters
    ----------
    round:
        Its round.

    Attributes
    ----------
    reads_ahead:
        It reads all files of a result before it judges any.
    """

    reads_ahead: bool

    def __init__(self, round: Round) -> None:
        self.round = round

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return what it does with a breach at a result."""
        return _ruling(breach.rule, breach.part, self.round.name)

    def is_inferred(self, scope: Scope, scenario: str, *, follows: bool) -> bool:
        """Say whether it calls a result inferred that has the log of a scenario.

        ``follows``: the result was computed from a run of another scenario.
        """
        return follows

    def first_line(self, scope: Scope, path: str) -> Breaches:
        """Yield a breach where it reads no further than the first line of a detail log."""
        return iter(())


@functools.cache
def _ruling(rule: str, part: str, round_name: str) -> Ruling:
    effect = effect_of_part(rule, part, round_name)
    if effect is None:
        effect = "none" if part else RULES[rule].effect(round_name)
    return Ruling.of(effect, rule)
