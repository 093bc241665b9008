"""The rounds that have data files."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from mlrepo.errors import UserError
from mlrepo.rounds.round import Round
from mlrepo.rounds.traits import KEY, misread_trait

if TYPE_CHECKING:
    from mlrepo.rounds.tables import RoundTables

SCHEMA = "mlrepo-rules/1"
# Where a results repository keeps the rules of its own rounds.
FOLDER = "rounds"
# The key of a data file of a repository's own that names the round it changes.
BASE = "base"
# Not by importlib.resources: a commit hook would spend more time on its import than on the file.
_SHIPPED = Path(__file__).parent / "data"
_FILE_NAME = re.compile(r"v[0-9]+\.[0-9]+\.json")


class Rounds:
    """The rounds that have rules: those that come with mlrepo, and a repository's own.

    Iteration and ``in`` use names, oldest first; ``rounds["v6.1"]`` reads one round's data file,
    once. Nothing is read before it is needed.

    Parameters
    ----------
    folder:
        The folder with data files of rounds that mlrepo does not ship; it may be None or absent. A
        file in it never replaces a shipped round: :meth:`note` says so.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._read: dict[str, Round] = {}

    @classmethod
    def of_repository(cls, root: Path) -> Self:
        """Return the rounds of the results repository whose working tree is ``root``."""
        return cls(root / FOLDER)

    def __getitem__(self, name: str) -> Round:
        """Return the round ``name`` (``v6.1``).

        Raises
        ------
        UserError
            There is no data for the round, or its file in the folder cannot be read.
        """
        if name not in self._read:
            if name not in self:
                raise UserError(
                    f"There are no rules for the round {name!r}.",
                    hint=f"Known rounds: {', '.join(self)}.",
                )
            self._read[name] = Round(name, self._tables(name))
        return self._read[name]

    def _tables(self, name: str) -> RoundTables:
        """Return the tables of a round; a file with a ``base`` has only what is different."""
        file = self._files[name]
        tables = _read(file, own=self.is_own(name))
        base = tables.pop(BASE, None)
        if base is not None:
            if not isinstance(base, str) or base not in self or _numbers(base) >= _numbers(name):
                raise UserError(
                    f"The rules in {file} cannot be read: {BASE} is not an older round.",
                    hint=f"Known rounds: {', '.join(self)}.",
                )
            tables = _changed(file, self[base].tables, tables)
        if wrong := misread_trait(tables.get(KEY, {})):
            raise UserError(
                f"The rules in {file} cannot be read: {wrong}.",
                hint="`mlrepo round show v6.1` shows the traits of a round and what each means.",
            )
        return cast("RoundTables", tables)

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def is_own(self, name: str) -> bool:
        """Say whether the rules of a round come from the folder, not from mlrepo."""
        return name in self and self._files[name].parent != _SHIPPED

    def note(self, name: str) -> str:
        """Return whose rules apply, if the folder has a file for the round; else ''."""
        if self.folder is None or name not in _files_in(self.folder):
            return ""
        file = f"{self.folder.name}/{name}.json"
        if not self.is_own(name):
            return f"{file} is ignored: mlrepo itself has the rules of {name}."
        return f"The rules of {name} are this repository's own, from {file}."

    def newest_up_to(self, name: str) -> Round:
        """Return the newest round that is not newer than ``name``; the oldest if all are newer."""
        older = [each for each in self if _numbers(each) <= _numbers(name)]
        return self[older[-1] if older else next(iter(self))]

    @functools.cached_property
    def _files(self) -> Mapping[str, Path]:
        own = {} if self.folder is None else _files_in(self.folder)
        found = {**own, **_files_in(_SHIPPED)}
        return {name: found[name] for name in sorted(found, key=_numbers)}


def _files_in(folder: Path) -> dict[str, Path]:
    """Return the data files in a folder by the name of their round."""
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".json"): file
        for file in folder.iterdir()
        if _FILE_NAME.fullmatch(file.name)
    }


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, name[1:].split(".")))


def _read(file: Path, *, own: bool) -> dict[str, object]:
    try:
        # The shipped files are read by every hook; that their keys are unique is tested.
        pairs = unique_keys if own else None
        tables = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=pairs)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The rules in {file} cannot be read: {error}.") from error
    if not isinstance(tables, dict) or tables.get("schema", BASE in tables and SCHEMA) != SCHEMA:
        raise UserError(
            f"{file} is not a round's data file of schema {SCHEMA}.",
            hint="`mlrepo round import CHECKOUT` writes such files.",
        )
    return tables


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; raise :class:`ValueError` if one of its keys is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _changed(
    file: Path, base: Mapping[str, object], changes: Mapping[str, object]
) -> dict[str, object]:
    """Return the tables of the base with the changes of a file.

    Objects are merged key by key, and null removes a key (JSON Merge Patch, RFC 7396), except that
    a whole table that is null is empty, as in the shipped files.
    """
    from mlrepo.rounds.tables import RoundTables

    for name, value in changes.items():
        if name not in RoundTables.__annotations__:
            raise UserError(
                f"The rules in {file} cannot be read: there is no table {name!r}.",
                hint=f"The tables are {', '.join(RoundTables.__annotations__)}.",
            )
        if isinstance(base.get(name), dict) and not isinstance(value, dict | None):
            raise UserError(
                f"The rules in {file} cannot be read: {name} is not an object.",
                hint="`mlrepo round show v6.1 --json` shows the tables of a round.",
            )
    merged = {name: _merged(base.get(name), value) for name, value in changes.items()}
    return {**base, **merged}


def _merged(base: object, change: object) -> object:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    kept = {name: value for name, value in base.items() if name not in change}
    new = {
        name: _merged(base.get(name), value) for name, value in change.items() if value is not None
    }
    return {**kept, **new}


# The rounds that come with mlrepo, for uses without a repository.
SHIPPED = Rounds()
