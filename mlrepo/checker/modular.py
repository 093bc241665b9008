"""What only the modular official checker does (v6.0 and later).

It loads every file of a result before it checks anything, and dies where one cannot be loaded; the
checks that follow are held apart, so that whatever goes wrong in one only rejects the result. In
the closed and network divisions a benchmark's scenarios are compared with the directories there
are: a missing or unknown one rejects all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mlrepo.checker.report import Result
from mlrepo.checker.scope import Scope
from mlrepo.rounds import Round
from mlrepo.tree import Missing

_MARKERS = (b":::MLLOG", b":::ENDPTS")
# Of these directories the endpoints loader asks no scenario of a configuration.
_SCENARIOS_BY_NAME = ("singlestream", "interactive")
DIES = "The official checker dies here."


def is_modular(round: Round) -> bool:
    """Say whether the round's official checker is the modular one."""
    return round.version >= (6, 0)


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
        scope.report("official-crash", path, DIES, official=True)


def report_missing_logs(scope: Scope) -> None:
    """Report that the modular checker dies without one of the detail logs of a result."""
    if not is_modular(scope.round):
        return
    runs = ("performance/run_1", "accuracy")
    logs = [f"{scope.path}/{run}/mlperf_log_detail.txt" for run in runs]
    missing = [path for path in logs if not scope.exists(path)]
    by_name = scope.place.scenario.lower() in _SCENARIOS_BY_NAME
    if missing and not (missing == logs and by_name):
        scope.report("official-crash", missing[0], DIES, official=True)


def judge_system_loading(scope: Scope) -> None:
    """Report a description without which the modular checker cannot go on."""
    if not is_modular(scope.round):
        return
    path = f"{scope.root}/systems/{scope.place.system}.json"
    if not scope.system:
        scope.report("official-crash", path, DIES, official=True)
    elif not scope.is_open and scope.category not in scope.round.tables["system_types"]:
        message = "The official checker dies of the system_type."
        scope.report("official-crash", path, message, actual=scope.category, official=True)


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
        return [replace(result, official=False, rows=()) for result in judged]
    return list(judged)
