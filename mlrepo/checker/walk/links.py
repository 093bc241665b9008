"""A tree with its links followed, as the official checkers see it.

They use the operating system, which follows links. Here a link is followed only within the tree:
what is elsewhere is not part of the submission, and differs from machine to machine.
"""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Sequence
from typing import BinaryIO

from mlrepo.tree import Entry, Kind, Missing, Tree

# The number of links that Linux follows in one path.
_MOST_HOPS = 40


class FollowedTree:
    """A view of a tree in which a link has the kind and size of what it points to.

    The entry of a link keeps its ``target``; a link with no target in the tree stays a link.

    Attributes
    ----------
    tree:
        The underlying view, which follows no link.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def __copy__(self) -> FollowedTree:
        return FollowedTree(copy.copy(self.tree))

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        found = self.tree.entries(path)
        if not found and (real := self._real(path)) != path:
            path, found = real, self.tree.entries(real)
        for entry in found:
            if entry.kind is Kind.LINK:
                break
        else:
            return found
        return [self._followed(entry, posixpath.join(path, entry.name)) for entry in found]

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
        entry = self.tree.entry(path)
        if entry is not None and entry.kind is not Kind.LINK:
            return entry
        if entry is None:
            # Only a link in the path hides something from the underlying view.
            parent, _, name = path.rpartition("/")
            if (real := self._real(parent)) == parent:
                return None
            path = posixpath.join(real, name)
            entry = self.tree.entry(path)
        return entry and self._followed(entry, path)

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        try:
            return self.tree.read(path, limit)
        except Missing:
            if (real := self._real(path)) == path:
                raise
            return self.tree.read(real, limit)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        try:
            return self.tree.open(path)
        except Missing:
            if (real := self._real(path)) == path:
                raise
            return self.tree.open(real)

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return a text for each path that changes when anything at or below it does."""
        return self.tree.oids([self._real(path) for path in paths], workers)

    def _followed(self, entry: Entry, path: str) -> Entry:
        if entry.kind is not Kind.LINK:
            return entry
        found = self.tree.entry(self._real(path))
        if found is None or found.kind is Kind.LINK:
            return entry
        return Entry(entry.name, found.kind, found.size, entry.target)

    def _real(self, path: str) -> str:
        """Return the path with its links resolved; unchanged if they lead nowhere."""
        real = path
        for _ in range(_MOST_HOPS):
            place, below = self._existing(real)
            entry = self.tree.entry(place)
            if entry is None or entry.kind is not Kind.LINK:
                return real
            if entry.target.startswith("/"):
                return path
            target = posixpath.join(posixpath.dirname(place), entry.target, below)
            real = posixpath.normpath(target)
            real = "" if real == "." else real
            if real.split("/")[0] == "..":
                return path
        return path

    def _existing(self, path: str) -> tuple[str, str]:
        """Return the part of the path that exists in the tree, and the rest."""
        place, below = path, ""
        while place and self.tree.entry(place) is None:
            place, _, name = place.rpartition("/")
            below = f"{name}/{below}" if below else name
        return place, below


def leads_elsewhere(entry: Entry) -> bool:
    """Say whether a link leads out of the tree: on a checker's machine a file may be there."""
    return entry.kind is Kind.LINK and entry.target.startswith(("/", ".."))


def beneath(tree: Tree) -> Tree:
    """Return the tree without its links followed."""
    return tree.tree if isinstance(tree, FollowedTree) else tree


def link_on_the_way(tree: Tree, path: str) -> str:
    """Return the first link in a path, or ''."""
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        place = "/".join(names[:depth])
        entry = tree.entry(place)
        if entry is not None and entry.target:
            return place
    return ""
