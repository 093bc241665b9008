"""A directory of the file system as a read-only :class:`mlrepo.tree.Tree`; knows nothing of Git."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import time
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from mlrepo.errors import UserError
from mlrepo.tree import Entry, Kind, Missing

# A FIFO or a link put in a file's place between listing and opening must not hang or lead away.
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Listing(NamedTuple):
    entries: tuple[Entry, ...]
    by_name: dict[str, Entry]
    statuses: tuple[os.stat_result | None, ...]


_NOTHING = _Listing((), {}, ())


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
        self._digests: dict[str, tuple[bytes, int]] = {}

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
        descriptor, size = self._open(path)
        try:
            wanted = size if limit < 0 else min(size, limit)
            data = os.read(descriptor, wanted)
            while len(data) < wanted and (more := os.read(descriptor, wanted - len(data))):
                data += more
            return data
        except OSError as error:
            raise Missing(f"cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        descriptor, _ = self._open(path)
        # Readers ask for large pieces: a buffer between would only be one more copy.
        return cast(BinaryIO, os.fdopen(descriptor, "rb", buffering=0))

    def oid(self, path: str) -> str:
        """Return a text that changes when a name, size, time or inode at or below the path does."""
        return self._digest(path)[0].hex()

    def is_settled(self, path: str) -> bool:
        """Say whether nothing at or below the path changed in the last two seconds.

        A change within one tick of the file system's clock (10 ms here, 2 s on some) may leave
        size and times as they were.
        """
        return self._digest(path)[1] < time.time_ns() - 2_000_000_000

    def _open(self, path: str) -> tuple[int, int]:
        """Return a descriptor of a regular file and its size; raise :class:`Missing`."""
        entry = self.entry(path)
        if entry is None:
            raise Missing("does not exist")
        if entry.kind is not Kind.FILE:
            raise Missing(f"is no file that can be read ({entry.kind.value})")
        try:
            descriptor = os.open(f"{self._root}/{path}", _OPEN_FLAGS)
        except OSError as error:
            raise Missing(f"cannot be opened: {error.strerror}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Missing("is no regular file any more")
        return descriptor, status.st_size

    def _digest(self, path: str) -> tuple[bytes, int]:
        """Return a digest of all at and below the path, and its latest change in ns."""
        known = self._digests.get(path)
        if known is None:
            known = self._digests[path] = self._digest_anew(path)
        return known

    def _digest_anew(self, path: str) -> tuple[bytes, int]:
        entry = self.entry(path)
        if entry is None:
            return b"", 0
        if entry.kind is not Kind.DIRECTORY:
            parent = self._listing(path.rpartition("/")[0])
            status = parent.statuses[parent.entries.index(entry)]
            return _hash([entry.kind.value, _identity(status), entry.target]), _changed(status)
        listing = self._listing(path)
        prefix = f"{path}/" if path else ""
        said: list[object] = []
        latest = 0
        for below, status in zip(listing.entries, listing.statuses, strict=True):
            content: object
            if below.kind is Kind.DIRECTORY:
                content, newest = self._digest(prefix + below.name)
            else:
                content, newest = _identity(status), _changed(status)
            latest = max(latest, newest)
            said.append((below.name, below.kind.value, content, below.target))
        return _hash(said), latest

    def _listing(self, path: str) -> _Listing:
        known = self._listings.get(path)
        if known is not None:
            return known
        entry = self.entry(path)
        if entry is not None and entry.kind is Kind.DIRECTORY:
            try:
                return self._scan(os.open(f"{self._root}/{path}", _DIRECTORY_FLAGS), path)
            except OSError:
                pass
        return self._listings.setdefault(path, _NOTHING)

    def _scan(self, descriptor: int, path: str) -> _Listing:
        """List an open directory, and close it.

        A submitter is listed with all below it: one who looks there looks everywhere, and
        relative to an open directory no call walks the whole path again.
        """
        goes_on = 0 < path.count("/") < _DEEPEST_AT_ONCE
        found: list[tuple[Entry, os.stat_result | None]] = []
        try:
            with os.scandir(descriptor) as names:
                for name in names:
                    if not name.is_dir(follow_symlinks=False):
                        found.append(_entry(name, descriptor))
                    elif path or name.name != ".git":
                        below = f"{path}/{name.name}" if goes_on else ""
                        found.append((self._directory(name.name, descriptor, below), None))
        except OSError:
            found = []
        finally:
            os.close(descriptor)
        found.sort(key=_entry_of)
        entries, statuses = zip(*found, strict=True) if found else ((), ())
        listing = _Listing(entries, {entry[0]: entry for entry in entries}, statuses)
        self._listings[path] = listing
        return listing

    def _directory(self, name: str, parent: int, path: str) -> Entry:
        """Return the entry of a directory; list it too where a path is given."""
        try:
            descriptor = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
        except OSError:
            return Entry(name, Kind.UNREADABLE)
        if path:
            self._scan(descriptor, path)
        else:
            os.close(descriptor)
        return Entry(name, Kind.DIRECTORY)


# Names are unique within a directory, so that entries compare by them.
_entry_of = itemgetter(0)


def _entry(name: os.DirEntry[str], directory: int) -> tuple[Entry, os.stat_result | None]:
    try:
        status = name.stat(follow_symlinks=False)
    except OSError:
        return Entry(name.name, Kind.UNREADABLE), None
    mode = status.st_mode
    if stat.S_ISREG(mode):
        kind = Kind.FILE if _readable(name, directory, status) else Kind.UNREADABLE
        return Entry(name.name, kind, status.st_size), status
    if stat.S_ISLNK(mode):
        try:
            target = os.readlink(name.name, dir_fd=directory)
        except OSError:
            return Entry(name.name, Kind.UNREADABLE), status
        return Entry(name.name, Kind.LINK, -1, target), status
    return Entry(name.name, Kind.SPECIAL), status


def _readable(name: os.DirEntry[str], directory: int, status: os.stat_result) -> bool:
    # The system call is spared where the mode of one's own file says enough.
    if status.st_uid == _USER and status.st_mode & stat.S_IRUSR:
        return True
    return os.access(name.name, os.R_OK, dir_fd=directory)


def _identity(status: os.stat_result | None) -> tuple[int, ...]:
    """Return what tells one state of a file from another."""
    if status is None:
        return ()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_mode, status.st_size, status.st_ino, *times)


def _changed(status: os.stat_result | None) -> int:
    return status.st_ctime_ns if status else 0


def _hash(value: Any) -> bytes:
    # Version 2 of marshal has no references: equal values give equal bytes.
    return hashlib.blake2b(marshal.dumps(value, 2), digest_size=20).digest()


_USER = os.geteuid()
# Each level of a listing made at once holds one descriptor open.
_DEEPEST_AT_ONCE = 40
