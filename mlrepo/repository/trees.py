"""A file system directory as a read-only :class:`mlrepo.tree.Tree`, independent of Git."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from mlrepo.errors import UserError
from mlrepo.lifetime import worker_pool
from mlrepo.tree import Entry, Kind, Missing

# A FIFO or a link put in a file's place between listing and opening must not hang or lead away.
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


# A text that changes with the content of a path, and the time of its latest change in ns.
_State = tuple[str, int]


class _Listing(NamedTuple):
    entries: tuple[Entry, ...]
    by_name: dict[str, Entry]


_NOTHING = _Listing((), {})


class DirectoryTree:
    """A working directory, each directory as it was when first read.

    Links are never followed, neither at the end of a path nor on the way; only regular files are
    opened. Git's own directory in the root is left out.

    Attributes
    ----------
    root:
        The directory, without links.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"The directory {root} does not exist.", hint="Check the path.")
        self.root = os.path.realpath(root)
        self._listings: dict[str, _Listing] = {}
        self._states: dict[str, _State] = {}

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        return self._listing(path).entries

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
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
        # Readers request large pieces: a buffer would only add a copy.
        return cast(BinaryIO, os.fdopen(descriptor, "rb", buffering=0))

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return a text for each path that changes when a name, size, time or inode does.

        It is empty if something changed in the last two seconds: a second change within one tick of
        the file system's clock could leave sizes and times as they are.
        """
        missing = [path for path in paths if path not in self._states]
        if workers > 1 and len(missing) > workers:
            # Submitters differ in size by a factor of a hundred: workers share the directories two
            # levels below, and the upper levels are computed from those.
            small = [below for path in missing for below in self._two_levels_below(path)]
            with worker_pool(workers) as pool:
                for states in pool.map(partial(_states_now, self.root, {}), small, chunksize=8):
                    self._states.update(states)
        for path in missing:
            self._states.update(_states_now(self.root, self._states, path))
        settled = time.time_ns() - 2_000_000_000
        return [
            oid if newest < settled else ""
            for oid, newest in (self._states[path] for path in paths)
        ]

    def _open(self, path: str) -> tuple[int, int]:
        """Return a descriptor of a regular file and its size; raise :class:`Missing`."""
        entry = self.entry(path)
        if entry is None:
            raise Missing("does not exist")
        if entry.kind is not Kind.FILE:
            raise Missing(f"is not a readable file ({entry.kind.value})")
        try:
            descriptor = os.open(f"{self.root}/{path}", _OPEN_FLAGS)
        except OSError as error:
            raise Missing(f"cannot be opened: {error.strerror}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Missing("is no longer a regular file")
        return descriptor, status.st_size

    def _two_levels_below(self, path: str) -> Iterator[str]:
        for entry in self.entries(path):
            if entry.kind is Kind.DIRECTORY:
                for below in self.entries(f"{path}/{entry.name}"):
                    if below.kind is Kind.DIRECTORY:
                        yield f"{path}/{entry.name}/{below.name}"

    def _listing(self, path: str) -> _Listing:
        known = self._listings.get(path)
        if known is not None:
            return known
        entry = self.entry(path)
        if entry is not None and entry.kind is Kind.DIRECTORY:
            try:
                return self._scan(os.open(f"{self.root}/{path}", _DIRECTORY_FLAGS), path)
            except OSError:
                pass
        return self._listings.setdefault(path, _NOTHING)

    def _scan(self, descriptor: int, path: str) -> _Listing:
        """List an open directory, and close it.

        From the fourth level (the results of one system) on, everything below is listed too:
        readers of one part read all of it, and calls relative to an open directory do not resolve
        the whole path again.
        """
        goes_on = 2 < path.count("/") < _DEEPEST_AT_ONCE
        found: list[Entry] = []
        try:
            with os.scandir(descriptor) as names:
                for name in names:
                    if not name.is_dir(follow_symlinks=False):
                        found.append(_entry(name, descriptor))
                    elif path or name.name != ".git":
                        below = f"{path}/{name.name}" if goes_on else ""
                        found.append(self._directory(name.name, descriptor, below))
        except OSError:
            found = []
        finally:
            os.close(descriptor)
        found.sort(key=_name)
        listing = _Listing(tuple(found), {entry.name: entry for entry in found})
        self._listings[path] = listing
        return listing

    def _directory(self, name: str, parent: int, path: str) -> Entry:
        """Return the entry of a directory; also list it if ``path`` is not empty."""
        try:
            descriptor = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
        except OSError:
            return Entry(name, Kind.UNREADABLE)
        if path:
            self._scan(descriptor, path)
        else:
            os.close(descriptor)
        return Entry(name, Kind.DIRECTORY)


_name = attrgetter("name")


def _entry(name: os.DirEntry[str], directory: int) -> Entry:
    try:
        status = name.stat(follow_symlinks=False)
    except OSError:
        return Entry(name.name, Kind.UNREADABLE)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        kind = Kind.FILE if _readable(name, directory, status) else Kind.UNREADABLE
        return Entry(name.name, kind, status.st_size)
    if stat.S_ISLNK(mode):
        try:
            return Entry(name.name, Kind.LINK, -1, os.readlink(name.name, dir_fd=directory))
        except OSError:
            return Entry(name.name, Kind.UNREADABLE)
    return Entry(name.name, Kind.SPECIAL)


def _readable(name: os.DirEntry[str], directory: int, status: os.stat_result) -> bool:
    # No system call is needed if the mode of the user's own file suffices.
    if status.st_uid == _USER and status.st_mode & stat.S_IRUSR:
        return True
    return os.access(name.name, os.R_OK, dir_fd=directory)


def _states_now(root: str, known: Mapping[str, _State], path: str) -> dict[str, _State]:
    """Return the states of the path and of the directories below that are not known yet."""
    states: dict[str, _State] = {}
    try:
        status = os.lstat(f"{root}/{path}")
        if stat.S_ISDIR(status.st_mode):
            descriptor = os.open(f"{root}/{path}", _DIRECTORY_FLAGS)
            _note_states(descriptor, path, known, states)
        else:
            states[path] = (_hash(_identity(status)), status.st_ctime_ns)
    except FileNotFoundError:
        return {path: ("absent", 0)}
    except OSError:
        return {path: ("unreadable", 0)}
    return states


def _note_states(
    descriptor: int, path: str, known: Mapping[str, _State], states: dict[str, _State]
) -> _State:
    """Add the states of an open directory and of those below to ``states``, and close it.

    Known ones are reused. (A listing for the checker holds more than needed here and takes twice
    as long.)
    """
    said: list[tuple[str | int, ...]] = []
    latest = 0
    try:
        with os.scandir(descriptor) as names:
            for item in names:
                name = item.name
                if item.is_dir(follow_symlinks=False):
                    place = f"{path}/{name}"
                    state = known.get(place)
                    if state is None:
                        try:
                            below = os.open(name, _DIRECTORY_FLAGS, dir_fd=descriptor)
                        except OSError:
                            said.append((name, "unreadable"))
                            continue
                        state = _note_states(below, place, known, states)
                    oid, newest = state
                    said.append((name, oid))
                else:
                    status = item.stat(follow_symlinks=False)
                    said.append((name, *_identity(status)))
                    newest = status.st_ctime_ns
                latest = max(latest, newest)
    finally:
        os.close(descriptor)
    said.sort()
    state = (_hash(said), latest)
    if path.count("/") <= _DEEPEST_NOTED:
        states[path] = state
    return state


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what distinguishes one state of a file from another."""
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_mode, status.st_size, status.st_ino, *times)


def _hash(value: Any) -> str:
    # Version 2 of marshal has no references: equal values give equal bytes.
    return hashlib.blake2b(marshal.dumps(value, 2), digest_size=20).hexdigest()


_USER = os.geteuid()
# A recursive listing keeps one file descriptor open per level.
_DEEPEST_AT_ONCE = 40
# <division>/<submitter>/results/<system>/<benchmark>: the units whose verdicts are kept.
_DEEPEST_NOTED = 4
