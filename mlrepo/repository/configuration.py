"""Changing ``mlrepo.toml`` without losing its comments, and the clone's own settings."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository, read_settings
from mlrepo.repository.files import write_atomically
from mlrepo.repository.process import GitError, git
from mlrepo.settings import setting_named


def set_value(path: Path, key: str, value: str) -> str:
    """Write ``key = value`` into the file and return the value as stored."""
    import tomlkit

    checked = setting_named(key).check(value, "config set")
    read_settings(path)  # raises a clear error if the file is not valid TOML
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    table_name, _, name = key.rpartition(".")
    if table_name:
        if table_name not in document:
            document[table_name] = tomlkit.table()
        document[table_name][name] = checked
    else:
        document[name] = checked
    write_atomically(path, tomlkit.dumps(document).encode())
    return checked


def unset_value(path: Path, key: str) -> None:
    """Remove ``key`` from the file; an absent key is an error."""
    import tomlkit

    setting_named(key)
    read_settings(path)  # raises a clear error if the file is not valid TOML
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    table_name, _, name = key.rpartition(".")
    table = document.get(table_name, {}) if table_name else document
    if name not in table:
        raise UserError(f"{key} is not set in {path}.", hint="`mlrepo config list` shows what is.")
    del table[name]
    write_atomically(path, tomlkit.dumps(document).encode())


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
