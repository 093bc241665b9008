"""A directory of the file system as a read-only :class:`mlrepo.tree.Tree`; knows nothing of Git."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlrepo.errors import UserError
from mlrepo.tree import Entry, Kind, Missing

# A FIFO or a link put in a file's place between listing and opening must not hang or lead away.
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: tuple[Entry, ...]
    by_name: dict[str, Entry]
    signature: bytes


_NOTHING = _Listing((), {}, b"")


class DirectoryTree:
    """A working directory, as it was when each directory was first looked at.

    Links are never followed, neither at the end of a path nor on the way; only regular files are
    opened. Git's own directory in the root is left out.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"The directory {root} does not exist.", hint="Check the path.")
        self._root = os.path.realpath(root)
        self._listings: dict[str, _Listing] = {}

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is no directory."""
        return self._listing(path).entries

    def entry(self, path: str) -> Entry | None:
        """Return what stands at the path, or None."""
        if not path:
            return Entry("", Kind.DIRECTORY)
        parent, _, name = path.rpartition("/")
        return self._listing(parent).by_name.get(name)

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        try:
            with self.open(path) as stream:
                return stream.read(limit)
        except OSError as error:
            raise Missing(f"cannot be read: {error.strerror}") from error

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        entry = self.entry(path)
        if entry is None:
            raise Missing("does not exist")
        if entry.kind is not Kind.FILE:
            raise Missing(f"is no file that can be read ({entry.kind.value})")
        try:
            descriptor = os.open(f"{self._root}/{path}", _OPEN_FLAGS)
        except OSError as error:
            raise Missing(f"cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Missing("is no regular file any more")
        return os.fdopen(descriptor, "rb")

    def oid(self, path: str) -> str:
        """Return a text that changes when a name, size, time or inode at or below the path does."""
        entry = self.entry(path)
        if entry is None:
            return ""
        if entry.kind is not Kind.DIRECTORY:
            try:
                return _identity(os.lstat(f"{self._root}/{path}"))
            except OSError:
                return ""
        return self._digest(path).hex()

    def _digest(self, path: str) -> bytes:
        listing = self._listing(path)
        below = [listing.signature]
        prefix = f"{path}/" if path else ""
        for entry in listing.entries:
            if entry.kind is Kind.DIRECTORY:
                below.append(self._digest(prefix + entry.name))
        return hashlib.blake2b(b"".join(below), digest_size=20).digest()

    def _listing(self, path: str) -> _Listing:
        known = self._listings.get(path)
        if known is None:
            entry = self.entry(path)
            is_directory = entry is not None and entry.kind is Kind.DIRECTORY
            known = self._scan(path) if is_directory else _NOTHING
            self._listings[path] = known
        return known

    def _scan(self, path: str) -> _Listing:
        found: list[Entry] = []
        identities: list[str] = []
        try:
            with os.scandir(f"{self._root}/{path}" if path else self._root) as names:
                for name in sorted(names, key=lambda entry: entry.name):
                    if name.name == ".git" and not path:
                        continue
                    entry, identity = _entry(name)
                    found.append(entry)
                    identities.append(f"{entry.name}\0{identity}\0{entry.target}\0")
        except OSError:
            return _NOTHING
        signature = hashlib.blake2b(
            "".join(identities).encode("utf-8", "surrogateescape"), digest_size=20
        ).digest()
        return _Listing(tuple(found), {entry.name: entry for entry in found}, signature)


def _entry(name: os.DirEntry[str]) -> tuple[Entry, str]:
    try:
        status = name.stat(follow_symlinks=False)
    except OSError:
        return Entry(name.name, Kind.UNREADABLE), ""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        # The times of a directory tell nothing that its listing does not.
        kind = Kind.DIRECTORY if _readable(name, status, 0o500) else Kind.UNREADABLE
        return Entry(name.name, kind), kind.value
    identity = _identity(status)
    if stat.S_ISREG(mode):
        kind = Kind.FILE if _readable(name, status, 0o400) else Kind.UNREADABLE
        return Entry(name.name, kind, status.st_size), identity
    if stat.S_ISLNK(mode):
        try:
            # A Path would tidy the target up; what stands in the link is wanted.
            return Entry(name.name, Kind.LINK, -1, os.readlink(name.path)), identity  # noqa: PTH115
        except OSError:
            return Entry(name.name, Kind.UNREADABLE), identity
    return Entry(name.name, Kind.SPECIAL), identity


def _readable(name: os.DirEntry[str], status: os.stat_result, wanted: int) -> bool:
    # The system call is spared where the mode of one's own file says enough.
    if status.st_uid == _USER and status.st_mode & wanted == wanted:
        return True
    return os.access(name.path, os.R_OK | (os.X_OK if wanted & 0o100 else 0))


def _identity(status: os.stat_result) -> str:
    return (
        f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} "
        f"{status.st_ino}"
    )


_USER = os.geteuid()
