"""Changing ``mlrepo.toml`` without losing its comments, and the clone's own settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository, parse_settings, read_settings
from mlrepo.repository.files import write_atomically
from mlrepo.repository.process import GitError, git
from mlrepo.settings import setting_named


def set_value(path: Path, key: str, value: str) -> str:
    """Write ``key = value`` into the file and return the value as stored.

    A commented line with the key becomes the setting, so that nobody sets it twice by uncommenting.
    """
    checked = setting_named(key).check(value, "config set")
    settings = read_settings(path)  # raises a clear error if the file is not valid TOML
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    at = _line(lines, f"# {key}")
    if key not in settings and at is not None:
        lines[at] = _with(lines[at].removeprefix("# "), key, checked)
        text = "".join(lines)
    else:
        text = _with(text, key, checked)
    parse_settings(text, str(path))
    write_atomically(path, text.encode())
    return checked


def _line(lines: Sequence[str], key: str) -> int | None:
    """Return the number of the first line ``key = value`` before any table."""
    for number, line in enumerate(lines):
        if line.startswith("["):
            return None
        if "=" in line and line.partition("=")[0].strip() == key:
            return number
    return None


def _with(text: str, key: str, value: str) -> str:
    """Return TOML with a value changed, or added at the end; comments stay."""
    import tomlkit

    document = tomlkit.parse(text)
    table, _, name = key.rpartition(".")
    if table and table in document:
        document[table][name] = value
    elif table:
        document.append(tomlkit.key([table, name]), tomlkit.item(value))
    else:
        document[name] = value
    return tomlkit.dumps(document)


def unset_value(path: Path, key: str) -> None:
    """Make the line of ``key`` a comment, or remove it from a table; an absent key is an error."""
    import tomlkit

    setting_named(key)
    if key not in read_settings(path):
        raise UserError(f"{key} is not set in {path}.", hint="`mlrepo config list` shows what is.")
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    at = _line(lines, key)
    if at is not None:
        lines[at] = f"# {lines[at]}"
        text = "".join(lines)
    else:
        document = tomlkit.parse(text)
        table, _, name = key.rpartition(".")
        del (document[table] if table else document)[name]
        text = tomlkit.dumps(document)
    parse_settings(text, str(path))
    write_atomically(path, text.encode())


def set_clone_value(repository: ResultsRepository, key: str, value: str) -> None:
    """Write a setting into the clone's own Git configuration; an empty value removes it.

    Raises
    ------
    UserError
        Git cannot write its configuration.
    """
    name = setting_named(key).clone_key
    try:
        if value:
            git("config", "--local", "--replace-all", name, value, cwd=repository.root)
        elif repository.clone_setting(name):
            git("config", "--local", "--unset-all", name, cwd=repository.root)
    except GitError as error:
        raise UserError(
            f"{name} cannot be written into {repository.common_dir / 'config'}: {error.stderr}",
            hint="Check that you may write there and that no other Git command holds it.",
        ) from error
