"""A view of arbitrary directories as a submission in the layout of its round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mlrepo.tree import Entry, Kind, Missing, Tree


@dataclass(frozen=True)
class PlacedTree:
    """A view of a tree in which each of ``places`` shows the file or directory it maps to.

    Attributes
    ----------
    tree:
        The tree with the files.
    places:
        Path in the view to path in the tree, with everything below it. The longest place wins.
    """

    tree: Tree
    places: Mapping[str, str]

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        there = self.origin(path)
        names = set() if there is None else {entry.name for entry in self.tree.entries(there)}
        below = f"{path}/" if path else ""
        names |= {
            place.removeprefix(below).partition("/")[0]
            for place in self.places
            if place.startswith(below)
        }
        found = [self.entry(f"{below}{name}") for name in sorted(names)]
        return [entry for entry in found if entry is not None]

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
        name, there = path.rpartition("/")[2], self.origin(path)
        if there == "" or any(place.startswith(f"{path}/") for place in self.places):
            return Entry(name, Kind.DIRECTORY)
        found = None if there is None else self.tree.entry(there)
        return None if found is None else found._replace(name=name)

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        return self.tree.read(self._there(path), limit)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        return self.tree.open(self._there(path))

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return empty strings: verdicts on a view are never cached."""
        return ["" for _ in paths]

    def origin(self, path: str) -> str | None:
        """Return the path in the tree; None if ``path`` is in none of the places."""
        shown = [place for place in self.places if f"{path}/".startswith(f"{place}/")]
        if not shown:
            return None
        place = max(shown, key=len)
        return f"{self.places[place]}{path.removeprefix(place)}".lstrip("/")

    def _there(self, path: str) -> str:
        there = self.origin(path)
        if there is None:
            raise Missing("is missing")
        return there
