"""A view of part of a tree as a separate tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from mlrepo.tree import Entry, Kind, Missing, Tree


class PartialTree:
    """A view of a tree that shows the given files and links only, and the directories above them.

    Attributes
    ----------
    tree:
        The tree with the files.
    paths:
        The paths to show.
    """

    def __init__(self, tree: Tree, paths: Iterable[str]) -> None:
        self.tree, self.paths = tree, frozenset(paths)
        self._directories = {""}
        for path in self.paths:
            while (path := path.rpartition("/")[0]) not in self._directories:
                self._directories.add(path)

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        if path not in self._directories:
            return []
        below = f"{path}/" if path else ""
        return [one for one in self.tree.entries(path) if self._shows(f"{below}{one.name}", one)]

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
        found = self.tree.entry(path)
        return found if found is not None and self._shows(path, found) else None

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        return self.tree.read(self._shown(path), limit)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        return self.tree.open(self._shown(path))

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return empty strings: verdicts on a part are never cached."""
        return ["" for _ in paths]

    def _shows(self, path: str, entry: Entry) -> bool:
        return path in (self._directories if entry.kind is Kind.DIRECTORY else self.paths)

    def _shown(self, path: str) -> str:
        if path not in self.paths:
            raise Missing("is missing")
        return path
