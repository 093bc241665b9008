"""The description of a system: rules S1 to S6 of every round's checker."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from mlrepo.checker.scope import Scope
from mlrepo.rounds.document_problems import document_problems
from mlrepo.rounds.system_problems import description_problems, parse_description
from mlrepo.tree import Missing

_LARGEST = 4 << 20
# Fields that the official checkers put in lower case, or in quotes into their summary.
_TEXTS = ("status", "submitter", "system_name", "host_processor_model_name",
          "accelerator_model_name", "framework", "operating_system")  # fmt: skip


def judge_system(scope: Scope) -> bool:
    """Read and judge the description of the scope's system.

    Fills ``scope.system`` and ``scope.category``. Returns whether the round's official checker
    goes on to the results of the system.
    """
    path = f"{scope.root}/systems/{scope.place.system}.json"
    try:
        data = scope.tree.read(path, _LARGEST)
        description = parse_description(data)
    except (Missing, ValueError) as error:
        scope.report("system-description", path, f"The system description {error}.")
        if not isinstance(error, Missing):
            scope.report("official-crash", path, "The official checker dies here.", official=True)
        return False
    scope.system = description
    category = description.get("system_type")
    scope.category = category if isinstance(category, str) else ""
    place = scope.place
    problems = description_problems(
        scope.round, description, division=place.division, submitter=place.submitter
    ) + document_problems(data)
    for problem in problems:
        scope.report(
            problem.rule, path, problem.message, expected=problem.expected, actual=problem.actual,
            hint=problem.hint, official=problem.breaks_official,
        )  # fmt: skip
    if scope.round.version < (6, 0):
        _report_crashes(scope, path, description, {problem.field for problem in problems})
    return not any(problem.breaks_official for problem in problems)


def _report_crashes(
    scope: Scope, path: str, description: Mapping[str, Any], reported: Container[str]
) -> None:
    """Report fields that are no text where the official checkers up to v5.1 take them for one."""
    for field in _TEXTS:
        value = description.get(field, "")
        if not isinstance(value, str):
            message = f"The official checker dies at the field {field!r}, which is no text."
            scope.report("official-crash", path, message, actual=value, official=True)
            if field not in reported:
                message = f"The field {field!r} is no text."
                scope.report("system-text", path, message, actual=value, official=True)
