"""Verdicts that are remembered: nothing is judged again whose every input is unchanged.

A unit is a part of the tree that is judged by itself: a submitter, a benchmark of a system. What a
unit's judges look at below its own roots is told by the ids of the roots; whatever else they ask of
the tree is written down while they ask it, and asked again before the verdict is believed. So no
rule can read what its verdict does not depend on.
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

# What was asked outside of a unit's roots: how, path, and a text for the answer.
Asked = frozenset[tuple[str, str, str]]


class Store(Protocol):
    """Where verdicts are kept: one value for each name, the last one wins."""

    def get(self, name: str) -> bytes | None:
        """Return what is kept under the name; None where nothing is, or it cannot be read."""

    def put(self, name: str, value: bytes) -> None:
        """Keep the value under the name; losing it is no error."""


class TracedTree:
    """A tree that writes down what is asked of it outside of ``roots``."""

    def __init__(self, tree: Tree, roots: Iterable[str]) -> None:
        self._tree = tree
        self._inside = tuple(f"{root}/" for root in roots)
        self._asked: dict[tuple[str, str], str] = {}

    @property
    def asked(self) -> Asked:
        """Return what was asked so far."""
        return frozenset((how, path, answer) for (how, path), answer in self._asked.items())

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is no directory."""
        self._note("entries", path)
        return self._tree.entries(path)

    def entry(self, path: str) -> Entry | None:
        """Return what stands at the path, or None."""
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
            # Before it is read: what changes meanwhile must not pass for what was read.
            self._asked[how, path] = _answer(self._tree, how, path)


class Verdicts:
    """The remembered verdicts by one round's rules.

    Parameters
    ----------
    round:
        Whose rules hold.
    store:
        Where verdicts are kept.
    """

    def __init__(self, round: Round, store: Store) -> None:
        self._round = round
        self._store = store
        tables = json.dumps(round.tables, sort_keys=True)
        self._rules = _digest(f"{__version__}\0{state_of_the_code()}\0{round.name}\0{tables}")

    def recall(
        self, tree: Tree, unit: str, roots: Sequence[str], arguments: object
    ) -> Outcome | None:
        """Return the unit's outcome if one is kept and every input is as it was.

        Parameters
        ----------
        unit:
            A name of the part of the tree.
        roots:
            What it reads most of; all below counts as its input.
        arguments:
            What JSON knows: everything else that the outcome depends on.
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
        """Keep the outcome, unless something changed so lately that it may change unseen."""
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
    """Return what changes when the checker does: size and time of each of its files."""
    package = Path(__file__).parents[1]
    files = list(package.glob("*.py"))
    for room in ("checker", "compliance", "logs", "rounds"):
        files += [*(package / room).rglob("*.py"), *(package / room).glob("*.json")]
    states = [(file, file.stat()) for file in sorted(files) if file.is_file()]
    return json.dumps([[str(file), state.st_size, state.st_mtime_ns] for file, state in states])
