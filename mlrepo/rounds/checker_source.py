"""Parse the source of the official checker in a checkout of mlcommons/inference."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.rounds.traits import CLASSIC, MODULAR

_SUBMISSION = "tools/submission"
_PACKAGE = f"{_SUBMISSION}/submission_checker"
# For each layout of the checker: the file with the tables, then those with functions.
_SHAPES = (
    (
        f"{_PACKAGE}/constants.py",
        f"{_PACKAGE}/results.py",
        f"{_PACKAGE}/utils.py",
        f"{_PACKAGE}/configuration/configuration.py",
    ),
    (f"{_SUBMISSION}/submission_checker.py",),
    (f"{_SUBMISSION}/submission-checker.py",),
)
_LARGEST_SOURCE = 8 << 20


@dataclass(frozen=True)
class CheckerSource:
    """The checker of a checkout.

    Attributes
    ----------
    program:
        The trait ``checker``.
    path:
        The file with the tables, from the root of the checkout.
    trees:
        The syntax trees of that file and of those with functions.
    """

    program: str
    path: str
    trees: tuple[ast.Module, ...]


def parse_checker(checkout: Path) -> CheckerSource:
    """Parse the checker, without executing it.

    Raises
    ------
    UserError
        There is no checker, or it cannot be parsed.
    """
    for shape in _SHAPES:
        if (checkout / shape[0]).is_file():
            files = [checkout / name for name in shape if (checkout / name).is_file()]
            program = MODULAR if shape[0].startswith(f"{_PACKAGE}/") else CLASSIC
            return CheckerSource(program, shape[0], tuple(_parsed(file) for file in files))
    raise UserError(
        f"There is no submission checker in {checkout}.",
        hint=f"Give the root of a checkout of mlcommons/inference; it contains {_SUBMISSION}/.",
    )


def _parsed(file: Path) -> ast.Module:
    try:
        data = file.read_bytes()[: _LARGEST_SOURCE + 1]
        if len(data) > _LARGEST_SOURCE:
            raise ValueError("it is larger than 8 MiB")
        return ast.parse(data)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file} cannot be parsed: {error}.") from error
