"""Changing ``mlrepo.toml`` without losing its comments."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import read_settings
from mlrepo.repository.files import write_atomically
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
