"""The description of a system, ``systems/<name>/system.json``, in the fields of a round."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.rounds import Round
from mlrepo.systems.detect import Fact

# What a description cannot have detected: the run or the layout says it.
_FILLED_BY_RUN = frozenset({"framework"})


def new_description(
    round_: Round, *, division: str, submitter: str, category: str, name: str,
    facts: Mapping[str, Fact],
) -> dict[str, Any]:  # fmt: skip
    """Return a description with every field of the round: detected, given, or empty."""
    given = {
        "division": division,
        "submitter": submitter,
        "system_type": category,
        "system_name": name,
    }
    detected = {field: fact.value for field, fact in facts.items()}
    return {field: given.get(field, detected.get(field, "")) for field in round_.system_fields()}


def open_fields(round_: Round, description: Mapping[str, Any]) -> list[str]:
    """Return the fields that the round wants and that are still empty."""
    wanted = round_.system_nonempty_fields() or frozenset(round_.system_fields())
    return [
        field
        for field in round_.system_fields()
        if field in wanted
        and field not in _FILLED_BY_RUN
        and not str(description.get(field, "")).strip()
    ]


def read_description(systems: Path, name: str) -> bytes:
    """Return the bytes of a system's description.

    Raises
    ------
    UserError
        There is no such system, or its file is no JSON object.
    """
    problem = name_problem(name)
    if problem:
        raise UserError(f"{name!r} cannot be the name of a system: {problem}.")
    path = systems / name / "system.json"
    try:
        data = path.read_bytes()
    except OSError:
        known = sorted(p.parent.name for p in systems.glob("*/system.json"))
        raise UserError(
            f"There is no system {name!r}: {path} does not exist.",
            hint=f"Known systems: {', '.join(known) or 'none'}. "
            f"`mlrepo system add {name}` describes this machine.",
        ) from None
    try:
        if not isinstance(json.loads(data), dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise UserError(f"{path} is not a JSON object: {error}.", hint="Mend the file.") from error
    return data


def user_conf_of(systems: Path, name: str, round_: str) -> Path | None:
    """Return the system's LoadGen settings for a round, or None when it has none."""
    path = systems / name / f"user.{round_}.conf"
    return path if path.is_file() else None


def sut_name(system: str, backend: Mapping[str, Any]) -> str:
    """Return the name under which results stand: ``<system>-<framework>-<target>``.

    The system's name was checked; a backend may call itself anything, and the name of a directory
    comes of it.
    """
    parts = (_directory_name(str(backend.get(key, ""))) for key in ("framework_name", "target"))
    return "-".join(part for part in (system, *parts) if part)


def _directory_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+]+", "-", text)[:60].strip("-._")
