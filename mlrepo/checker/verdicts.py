"""Cached verdicts: nothing is judged again while all of its inputs are unchanged.

A unit is a part of the tree that is judged by itself: a submitter, a benchmark of a system. What
its judges read below its own roots is covered by the ids of the roots; every other query to the
tree is recorded, and repeated before the verdict is trusted. So a verdict depends on everything
that its rules read.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from mlrepo import __version__
from mlrepo.checker.outcome import Outcome, from_values, to_values
from mlrepo.rounds import Round
from mlrepo.tree import Entry, Tree

# Queries outside of a unit's roots: method, path, and a digest of the answer.
Asked = frozenset[tuple[str, str, str]]


class Store(Protocol):
    """Where verdicts are stored: one value for each name, the last one wins."""

    def get(self, name: str) -> bytes | None:
        """Return what is stored under the name; None if there is nothing readable."""

    def put(self, name: str, value: bytes) -> None:
        """Store the value under the name; losing it is not an error."""


class TracedTree:
    """A tree that records queries outside of ``roots``."""

    def __init__(self, tree: Tree, roots: Iterable[str]) -> None:
        self._tree = tree
        self._inside = tuple(f"{root}/" for root in roots)
        self._asked: dict[tuple[str, str], str] = {}

    @property
    def asked(self) -> Asked:
        """Return the queries recorded so far."""
        return frozenset((how, path, answer) for (how, path), answer in self._asked.items())

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        self._note("entries", path)
        return self._tree.entries(path)

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
        self._note("entry", path)
        return self._tree.entry(path)

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        self._note("oid", path)
        return self._tree.read(path, limit)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        self._note("oid", path)
        return self._tree.open(path)

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return a text for each path that changes when anything at or below it does."""
        for path in paths:
            self._note("oid", path)
        return self._tree.oids(paths, workers)

    def _note(self, how: str, path: str) -> None:
        if not f"{path}/".startswith(self._inside) and (how, path) not in self._asked:
            # Recorded before the read, so that a later change cannot pass for what was read.
            self._asked[how, path] = _answer(self._tree, how, path)


class Verdicts:
    """The cached verdicts by one round's rules.

    Parameters
    ----------
    round:
        The round whose rules apply.
    store:
        Where verdicts are stored.
    """

    def __init__(self, round: Round, store: Store) -> None:
        self._round = round
        self._store = store
        tables = json.dumps(round.tables, sort_keys=True)
        self._rules = _digest(f"{__version__}\0{state_of_the_code()}\0{round.name}\0{tables}")

    def recall(
        self, tree: Tree, unit: str, roots: Sequence[str], arguments: object
    ) -> Outcome | None:
        """Return the unit's outcome if one is stored and all inputs are unchanged.

        Parameters
        ----------
        unit:
            A name for the part of the tree.
        roots:
            The paths it mainly reads; everything below them counts as its input.
        arguments:
            A JSON value: everything else that the outcome depends on.
        """
        data = self._store.get(self._name(unit))
        if data is None:
            return None
        key, _, rest = data.partition(b"\n")
        if key.decode("ascii", "replace") != self._key(tree, roots, arguments):
            return None
        try:
            kept = json.loads(rest)
            if any(_answer(tree, how, path) != answer for how, path, answer in kept["asked"]):
                return None
            return from_values(kept["outcome"])
        except (ValueError, KeyError, TypeError, RecursionError):  # damaged or of another version
            return None

    def keep(
        self,
        tree: Tree,
        unit: str,
        roots: Sequence[str],
        arguments: object,
        outcome: Outcome,
        asked: Asked,
    ) -> None:
        """Store the outcome, unless an input changed so recently that a change may go unnoticed."""
        key = self._key(tree, roots, arguments)
        if key and all(answer for _, _, answer in asked):
            kept = {"asked": sorted(asked), "outcome": to_values(outcome)}
            self._store.put(self._name(unit), f"{key}\n{json.dumps(kept)}".encode())

    def _name(self, unit: str) -> str:
        return _digest(f"{self._round.name}\0{unit}")

    def _key(self, tree: Tree, roots: Sequence[str], arguments: object) -> str:
        oids = tree.oids(roots)
        return _digest(json.dumps([self._rules, list(roots), oids, arguments])) if all(oids) else ""


def _answer(tree: Tree, how: str, path: str) -> str:
    if how == "oid":
        return tree.oids([path])[0]
    entries = tree.entries(path) if how == "entries" else [tree.entry(path)]
    said = [entry and [entry.name, entry.kind.value, entry.size, entry.target] for entry in entries]
    return _digest(json.dumps(said))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


@functools.cache
def state_of_the_code() -> str:
    """Return a text that changes when the checker does: size and time of each of its files."""
    package = Path(__file__).parents[1]
    files = list(package.glob("*.py"))
    for room in ("checker", "compliance", "logs", "rounds"):
        files += [*(package / room).rglob("*.py"), *(package / room).glob("*.json")]
    states = [(file, file.stat()) for file in sorted(files) if file.is_file()]
    return json.dumps([[str(file), state.st_size, state.st_mtime_ns] for file, state in states])
