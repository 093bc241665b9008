"""Judge the description of a system: rules S1 to S6 of every round's checker."""

from __future__ import annotations

from collections.abc import Container

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.copies import description_print
from mlrepo.checker.scope import Scope
from mlrepo.rounds.document_problems import document_problems
from mlrepo.rounds.field_problem import FieldProblem
from mlrepo.rounds.system_problems import description_problems, parse_description
from mlrepo.tree import Missing, other_case

_LARGEST = 4 << 20
# Fields that the official checkers up to v5.1 convert to lower case, or quote in their summary.
_TEXTS = (
    "status",
    "submitter",
    "system_name",
    "host_processor_model_name",
    "accelerator_model_name",
    "framework",
    "operating_system",
)


def judge_system(docket: Docket) -> bool:
    """Read and judge the description of the scope's system.

    Sets ``scope.system`` and ``scope.category``. Returns whether the round's official checker
    continues with the results of the system.
    """
    scope = docket.scope
    path = f"{scope.root}/systems/{scope.place.system}.json"
    try:
        data = scope.tree.read(path, _LARGEST)
        description = parse_description(data)
    except (Missing, ValueError) as error:
        docket.record([_no_description(scope, path, error)])
        return False
    scope.system, scope.system_print = description, description_print(description)
    category = description.get("system_type")
    scope.category = category if isinstance(category, str) else ""
    place = scope.place
    problems = description_problems(
        scope.round, description, division=place.division, submitter=place.submitter
    ) + document_problems(data)
    docket.record(_breach_of(problem, path) for problem in problems)
    if not scope.round.takes_any_field:
        docket.record(_judge_texts(scope, path, {problem.field for problem in problems}))
    docket.record(docket.official.at_description(scope, path))
    return not any(problem.breaks_official for problem in problems)


def _no_description(scope: Scope, path: str, error: Exception) -> Breach:
    is_missing = isinstance(error, Missing) and not scope.no_text(path)
    part = "" if is_missing else "no description"
    why = f"the system description {error}"
    if isinstance(error, Missing) and (found := other_case(scope.tree, path)):
        return Breach(
            "system-description",
            path,
            "The name of the description differs from the system's in case.",
            expected=path,
            actual=found,
            hint="Rename the file.",
            part=part,
            subject=why,
        )
    message = f"The system description {error}."
    return Breach("system-description", path, message, part=part, subject=why)


def _breach_of(problem: FieldProblem, path: str) -> Breach:
    return Breach(
        problem.rule,
        path,
        problem.message,
        expected=problem.expected,
        actual=problem.actual,
        hint=problem.hint,
        part="" if problem.breaks_official else "not asked",
        is_slight=not problem.breaks_strict,
    )


def _judge_texts(scope: Scope, path: str, reported: Container[str]) -> Breaches:
    """Yield fields that are not text where the official checkers up to v5.1 expect text."""
    for field in _TEXTS:
        value = scope.system.get(field, "")
        if not isinstance(value, str) and field not in reported:
            yield Breach("system-text", path, f"The field {field!r} is not a string.", actual=value)
