"""What only the modular official checker does (v6.0 and later).

It loads every file of a result before it checks anything, and dies where one cannot be loaded; the
checks that follow are held apart, so that whatever goes wrong in one only rejects the result. In
the closed and network divisions a benchmark's scenarios are compared with the directories there
are: a missing or unknown one rejects all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.official.effects import Ruling
from mlrepo.checker.official.program import OfficialChecker
from mlrepo.checker.report import Result
from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round
from mlrepo.tree import Missing

_MARKERS = (b":::MLLOG", b":::ENDPTS")
# What is no number, or no log, rejects a result of every division.
_FORGIVEN_IN_OPEN = (
    ("accuracy-target", ""),
    ("accuracy-hash", ""),
    ("accuracy-text", ""),
    ("accuracy-text", "no metric"),
)
_OF_CLOSED = "performance-samples-per-query"


def is_modular(round: Round) -> bool:
    """Say whether the round's official checker is the modular one."""
    return round.checker == "modular"


class Modular(OfficialChecker):
    """``submission_checker/main.py``."""

    reads_ahead = True

    def ruling(self, breach: Breach, scope: Scope) -> Ruling:
        """Return what it does with a breach at a result."""
        ruling = super().ruling(breach, scope)
        is_forgiven = scope.is_open and (breach.rule, breach.part) in _FORGIVEN_IN_OPEN
        is_of_closed = scope.place.division != "closed" and breach.rule == _OF_CLOSED
        return replace(ruling, rejects=False) if is_forgiven or is_of_closed else ruling

    def is_inferred(self, scope: Scope, scenario: str, *, follows: bool) -> bool:
        """Say whether it calls a result inferred: wherever directory and log are spelt unlike."""
        return scope.place.scenario != scenario

    def first_line(self, scope: Scope, path: str) -> Breaches:
        """Yield a breach where it reads no further than the first line of a detail log."""
        try:
            head = scope.tree.read(path, 9)
        except Missing:
            return
        if head and not head.startswith(_MARKERS):
            message = "The first line is not LoadGen's."
            yield Breach("unreadable", path, message, line=1, part="first line")


def judge_log_start(scope: Scope, path: str) -> None:
    """Report a log whose first line is not LoadGen's: the modular checker reads no further."""
    if not is_modular(scope.round):
        return
    try:
        head = scope.tree.read(path, 9)
    except Missing:
        return
    if head and not head.startswith(_MARKERS):
        scope.report("unreadable", path, "The first line is not LoadGen's.", line=1, official=True)
        scope.dies(path, "it reads no log whose first line is not LoadGen's", line=1)


def hold_to_scenarios(
    scope: Scope, required: Collection[str], allowed: Collection[str], judged: Sequence[Result]
) -> list[Result]:
    """Return the results of a benchmark as they stand when its directories are compared."""
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
