"""What may not be committed of system descriptions: the commit hook's question."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlrepo.rounds import Round
from mlrepo.rounds.field_problem import FieldProblem
from mlrepo.rounds.system_problems import parse_description
from mlrepo.systems.description import draft_problems, is_filled, system_problems

_DRAFT = re.compile(r"systems/(?:[^/]+/system|[^/]+)\.json")
_PLACED = re.compile(r"(closed|open|network)/([^/]+)/systems/[^/]+\.json")


def is_description(path: str) -> bool:
    """Return whether a path of the repository is that of a system description."""
    return bool(_DRAFT.fullmatch(path) or _PLACED.fullmatch(path))


def refused_descriptions(files: Iterable[tuple[str, bytes]], round_: Round) -> list[str]:
    """Return one message for each breach of the rules in descriptions, by path and content.

    A description in the round's layout must be whole. One below ``systems/`` may be unfinished
    (fields that are empty or not there yet), not wrong; what it says of division and submitter is
    replaced when a run is placed. Warnings are ``mlrepo system check``'s; other files are nothing.
    """
    return [
        _message(path, problem)
        for path, data in files
        for problem in _problems(path, data, round_)
        if problem.breaks_strict
    ]


def _problems(path: str, data: bytes, round_: Round) -> Iterable[FieldProblem]:
    if placed := _PLACED.fullmatch(path):
        return system_problems(data, round_, division=placed[1], submitter=placed[2])
    if not _DRAFT.fullmatch(path):
        return ()
    found = draft_problems(data, round_)
    if any(problem.rule == "system-description" for problem in found):
        return found
    stated = parse_description(data)
    return [problem for problem in found if is_filled(stated.get(problem.field))]


def _message(path: str, problem: FieldProblem) -> str:
    said = [f"{path}: {problem.rule}: {problem.message}"]
    if problem.actual:
        said.append(f"Found {problem.actual!r}.")
    if problem.expected:
        said.append(f"Expected {problem.expected}.")
    return " ".join([*said, problem.hint]).rstrip()
