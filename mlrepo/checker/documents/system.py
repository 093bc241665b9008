"""The description of a system: rules S1 to S6 of every round's checker."""

from __future__ import annotations

from collections.abc import Container

from mlrepo.checker.documents.copies import description_print
from mlrepo.checker.official import tracebacks
from mlrepo.checker.official.modular import is_modular
from mlrepo.checker.scope import Scope
from mlrepo.rounds.document_problems import document_problems
from mlrepo.rounds.system_problems import description_problems, parse_description
from mlrepo.tree import Missing, other_case

_LARGEST = 4 << 20
# Fields that the official checkers up to v5.1 put in lower case, or in quotes into their summary.
_TEXTS = (
    "status",
    "submitter",
    "system_name",
    "host_processor_model_name",
    "accelerator_model_name",
    "framework",
    "operating_system",
)


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
        if isinstance(error, Missing) and (found := other_case(scope.tree, path)):
            scope.report(
                "system-description",
                path,
                "The name of the description differs in case.",
                expected=path,
                actual=found,
                hint="Rename the file.",
            )
        else:
            scope.report("system-description", path, f"The system description {error}.")
        if not isinstance(error, Missing) or scope.no_text(path):
            scope.dies(path, f"the system description {error}")
        elif is_modular(scope.round):
            scope.dies(path, "it reads the system_type of a description that is not there")
        return False
    scope.system, scope.system_print = description, description_print(description)
    category = description.get("system_type")
    scope.category = category if isinstance(category, str) else ""
    place = scope.place
    problems = description_problems(
        scope.round, description, division=place.division, submitter=place.submitter
    ) + document_problems(data)
    for problem in problems:
        scope.report(
            problem.rule,
            path,
            problem.message,
            expected=problem.expected,
            actual=problem.actual,
            hint=problem.hint,
            official=problem.breaks_official,
            warns=not problem.breaks_strict,
        )
    if is_modular(scope.round):
        if not scope.is_open and scope.category not in scope.round.tables["system_types"]:
            scope.dies(path, "it asks for the scenarios of a system_type that it does not know")
    else:
        _report_texts(scope, path, {problem.field for problem in problems})
        if why := tracebacks.of_description(scope.round, description):
            scope.dies(path, why)
    return not any(problem.breaks_official for problem in problems)


def _report_texts(scope: Scope, path: str, reported: Container[str]) -> None:
    """Report fields that are no text where the official checkers up to v5.1 take them for one."""
    for field in _TEXTS:
        value = scope.system.get(field, "")
        if not isinstance(value, str) and field not in reported:
            message = f"The field {field!r} is no text."
            scope.report("system-text", path, message, actual=value, official=False)
