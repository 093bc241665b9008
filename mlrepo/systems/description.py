"""The description of a system, ``systems/<name>/system.json``, in the fields of a round."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.paths import name_problem
from mlrepo.rounds import Round
from mlrepo.rounds.document_problems import document_problems
from mlrepo.rounds.field_problem import FieldProblem
from mlrepo.rounds.system_problems import (
    description_problems,
    parse_description,
)
from mlrepo.rounds.system_schema import system_schema
from mlrepo.shell import quoted
from mlrepo.systems.agreement import FieldMismatch, contradictions, says_as_much
from mlrepo.systems.machine import Fact

if TYPE_CHECKING:
    from mlrepo.record import BackendFacts

# What a description cannot have detected: the run or the layout says it.
_FILLED_BY_RUN = frozenset({"framework"})
# What another machine's description may supply: words about its status, not its hardware.
_WORDING = frozenset({"status", "system_type_detail", "framework", "sw_notes"})


@dataclass(frozen=True)
class NewDescription:
    """A description as it is to be written, and what became of the one it is based on.

    Attributes
    ----------
    contradicted:
        Values of the base that this machine contradicts; the detected ones are used instead.
    not_taken:
        Values of the base about hardware that could not be detected here, by field: they may be
        another machine's, so the fields stay open.
    overruled:
        Values that the user set although detection says otherwise; they are kept.
    """

    values: dict[str, object]
    contradicted: tuple[FieldMismatch, ...] = ()
    not_taken: Mapping[str, str] = dataclasses.field(default_factory=dict)
    overruled: tuple[FieldMismatch, ...] = ()


def new_description(
    round_: Round,
    *,
    division: str,
    submitter: str,
    category: str,
    name: str,
    facts: Mapping[str, Fact],
    base: Mapping[str, object] | None = None,
    chosen: Mapping[str, str] | None = None,
    power: bool = False,
) -> NewDescription:
    """Return a description with every field of the round: chosen, given, detected, or empty.

    Those of the network division and of power results (``power``) are added where they apply.

    ``base`` gives wording: its words are kept where they agree with detection, otherwise the
    detected value is used. ``chosen`` are values the user sets; they win and may be further fields.
    """
    chosen = chosen or {}
    given = {
        "division": division,
        "submitter": submitter,
        "system_type": category,
        "system_name": name,
        "is_network": "true",
    }
    detected = {field: fact.value for field, fact in facts.items()}
    values: dict[str, object] = {
        field: given.get(field, detected.get(field, ""))
        for field in system_schema(round_, power=power, network=division == "network")
    }
    lent = {field: str(value) for field, value in (base or {}).items() if is_filled(value)}
    about_hardware = {f: v for f, v in lent.items() if f in values and f not in given}
    contradicted = contradictions(about_hardware, facts)
    refused = {contradiction.field for contradiction in contradicted}
    not_taken = {}
    for field, value in about_hardware.items():
        if field in chosen or field in refused:
            continue
        if field in facts:
            if says_as_much(field, value, facts[field].value):
                values[field] = value
        elif field in _WORDING:
            values[field] = value
        else:
            not_taken[field] = value
    values |= chosen
    return NewDescription(
        values,
        tuple(c for c in contradicted if c.field not in chosen),
        not_taken,
        contradictions(chosen, facts),
    )


def is_filled(value: object) -> bool:
    """Return whether a field's value says something; null and blank texts are yet to be filled."""
    return value is not None and bool(str(value).strip())


def open_fields(round_: Round, description: Mapping[str, object]) -> list[str]:
    """Return the fields that the round wants and that are still empty."""
    wanted = round_.system_nonempty_fields() or frozenset(round_.system_fields())
    further = frozenset(round_.system_further_fields())
    return [
        field
        for field, value in description.items()
        if field in wanted | further and field not in _FILLED_BY_RUN and not is_filled(value)
    ]


def system_problems(
    data: bytes, round_: Round, *, division: str = "", submitter: str = "", power: bool = False
) -> tuple[FieldProblem, ...]:
    """Judge the bytes of a description's file; what is no JSON object is one problem."""
    try:
        description = parse_description(data)
    except ValueError as error:
        message = f"The system description {error}."
        problem = FieldProblem("system-description", "", message, breaks_official=True)
        return (problem,)
    problems = description_problems(
        round_, description, division=division, submitter=submitter, power=power
    )
    return problems + document_problems(data)


def draft_problems(
    data: bytes, round_: Round, *, division: str = "", submitter: str = "", power: bool = False
) -> tuple[FieldProblem, ...]:
    """Judge ``systems/<name>/system.json``, before any run has filled its framework."""
    found = system_problems(data, round_, division=division, submitter=submitter, power=power)
    return tuple(
        problem
        for problem in found
        if not (problem.rule == "system-field-empty" and problem.field in _FILLED_BY_RUN)
    )


def description_file(systems: Path, name: str) -> Path:
    """Return the file of a system's description; :class:`UserError` where there is none."""
    problem = name_problem(name)
    if problem:
        raise UserError(f"{name!r} cannot be the name of a system: {problem}.")
    path = systems / name / "system.json"
    if not path.is_file():
        known = sorted(p.parent.name for p in systems.glob("*/system.json"))
        raise UserError(
            f"There is no system {name!r}: {path} does not exist.",
            hint=f"{meant(name, known) or 'No system is described yet.'} "
            f"`mlrepo system add {quoted(name)}` describes this machine.",
        )
    return path


def read_description(systems: Path, name: str) -> bytes:
    """Return the bytes of a system's description.

    Raises
    ------
    UserError
        There is no such system, or its file is no JSON object.
    """
    path = description_file(systems, name)
    data = path.read_bytes()
    try:
        value = parse_description(data)
    except ValueError as error:
        raise UserError(f"{path} {error}.", hint="Correct the file.") from error
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{path} holds half a character (a lone surrogate such as \\ud800), which no other "
            "file can hold.",
            hint="Correct the text in the file; measuring would end in a result that cannot be "
            "laid out.",
        ) from error
    return data


def user_conf_of(systems: Path, name: str, round_: str) -> Path | None:
    """Return the system's LoadGen settings for a round, or None when it has none.

    The CK automation called the file ``user.1.1.conf``; where there are both, that one is not read.
    """
    files = (systems / name / f"user.{each}.conf" for each in (round_, round_.removeprefix("v")))
    return next((path for path in files if path.is_file()), None)


def unread_user_confs(systems: Path, name: str, round_: str) -> tuple[str, ...]:
    """Return a note on each file that may be meant for LoadGen's settings and that is not read."""
    read = user_conf_of(systems, name, round_)
    wanted = f"user.{round_}.conf"
    own = {wanted, f"user.{round_.removeprefix('v')}.conf"}
    return tuple(
        f"{path}: mlrepo does not read it; put its lines into {read.name if read else wanted}."
        for path in sorted((systems / name).glob("user*.conf"))
        if path != read and (path.name in own or not _OF_A_ROUND.fullmatch(path.name))
    )


_OF_A_ROUND = re.compile(r"user\.v?[0-9]+\.[0-9]+\.conf")


def sut_name(system: str, backend: BackendFacts) -> str:
    """Return the name of the results of a system with a backend.

    ``<system>-<framework>[-<version>][-<ext>][-<precision>]-<target>``; fp32, the models' own, goes
    without saying, so that each precision has results of its own.
    The user may add version and extension, or want the system's name alone. The system's name was
    checked; a backend may call itself anything, and the name of a directory comes of it.
    """
    naming = backend.naming
    if naming.plain:
        return system
    precision = "" if backend.precision in ("fp32", "none") else backend.precision
    words = (backend.framework_name, naming.version, naming.ext, precision, backend.target)
    return "-".join(part for part in (system, *map(_directory_name, words)) if part)


def _directory_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+]+", "-", text)[:60].strip("-._")
