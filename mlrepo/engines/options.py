"""The options of engines: a table of the user's own file, and what is typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlrepo.bounded import parse_toml
from mlrepo.durations import parse_duration
from mlrepo.errors import UserError
from mlrepo.nearest import meant

FILE_NAME = "engines.toml"
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def engine_options(home: Path, engine: str, typed: Mapping[str, str]) -> dict[str, str]:
    """Return the options of an engine: those of ``engines.toml``, then those that were typed.

    The file is the user's own, in the directory of models and data sets: a repository can be
    somebody else's, and its files must not decide which commands run on a cluster. A list becomes
    one text with spaces.

    Raises
    ------
    UserError
        The file cannot be read, is not TOML, or holds something else than tables of plain values.
    """
    path = home / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return dict(typed)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", hint="Correct the file.") from error
    try:
        tables = parse_toml(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid TOML: {error}.", hint="Correct the line.") from error
    table = tables.get(engine, {})
    if not isinstance(table, dict):
        raise UserError(f"{path}: {engine} is not a table.", hint=f"Write [{engine}] above it.")
    return {key: _text(path, engine, key, value) for key, value in table.items()} | dict(typed)


def refuse_unknown(engine: str, options: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Raise :class:`UserError` for an option that an engine does not have."""
    for name in options:
        if name not in known:
            explained = "; ".join(f"{one}: {about}" for one, about in known.items())
            raise UserError(
                f"The engine {engine} has no option {name!r}.",
                hint=f"{meant(name, known)} Options are: {explained}.".strip(),
            )


def flag(options: Mapping[str, str], name: str, default: bool) -> bool:
    """Return whether an option is ``true`` or ``false``."""
    text = options.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _YES | _NO:
        raise UserError(f"{name}={text!r} is neither true nor false.", hint=f"Write {name}=true.")
    return text in _YES


def seconds(options: Mapping[str, str], name: str) -> float | None:
    """Return a duration such as ``90m`` in seconds; None if it is not given."""
    text = options.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_duration(text)
    except UserError as error:
        raise UserError(f"{name}: {error.message}", hint=error.hint) from error


def _text(path: Path, engine: str, key: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    raise UserError(
        f"{path}: {engine}.{key} must be a plain value or a list of texts.",
        hint=f'Write {key} = "…" or {key} = ["…", "…"].',
    )
