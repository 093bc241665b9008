"""A read-only view of a file tree: a directory, the index or a commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import BinaryIO, NamedTuple, Protocol


class Kind(Enum):
    """The type of an entry. Only :attr:`FILE` is ever read; links are never followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    SUBMODULE = "submodule"
    SPECIAL = "special"
    UNREADABLE = "unreadable"


class Entry(NamedTuple):
    """One name in a directory.

    Attributes
    ----------
    name:
        One path component, as the file system or Git has it (bytes that are not UTF-8 are
        escaped with ``surrogateescape``).
    kind:
        The type of the entry.
    size:
        The size of a file in bytes; -1 if the view does not know it without reading.
    target:
        Where a link points, as text; empty for other entries.
    """

    name: str
    kind: Kind
    size: int = -1
    target: str = ""


class Missing(Exception):
    """There is no readable file at the path; the message says why."""


class Tree(Protocol):
    """The checker's interface to a tree. Paths are POSIX, relative to the root, which is ''."""

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return a text for each path that changes when anything at or below it does.

        For commits and the index it is made of object ids; for a working directory, of names,
        sizes, change times and inode numbers, which ``workers`` processes read. It is empty
        if a change so recently made might leave all of these the same.
        """


def walk(tree: Tree, path: str = "") -> Iterator[tuple[str, Entry]]:
    """Yield ``(path, entry)`` for everything below ``path``, directories before their content."""
    for entry in tree.entries(path):
        below = f"{path}/{entry.name}" if path else entry.name
        yield below, entry
        if entry.kind is Kind.DIRECTORY:
            yield from walk(tree, below)


def other_case(tree: Tree, path: str) -> str:
    """Return the path that differs from ``path`` in case only; an empty text if there is none."""
    found = ""
    for part in path.split("/"):
        names = [entry.name for entry in tree.entries(found)]
        alike = [name for name in names if name.lower() == part.lower()]
        if not alike:
            return ""
        found = f"{found}/{part if part in alike else alike[0]}".lstrip("/")
    return "" if found == path else found
