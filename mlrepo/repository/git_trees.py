"""The index and commits as read-only :class:`mlrepo.tree.Tree`\\ s, read by git itself.

``git ls-files`` and ``git ls-tree`` list 49,000 paths faster than libgit2 is imported, in byte
order, so a directory is a range of the list, found by bisection, and nothing is built in advance.
One ``git cat-file`` process provides sizes and contents.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from mlrepo.errors import UserError
from mlrepo.repository.process import BlobReader, GitError, git_bytes, open_blob
from mlrepo.tree import Entry, Kind, Missing

_KINDS = {b"120000": Kind.LINK, b"160000": Kind.SUBMODULE}
# Up to this size, a blob is read into memory rather than streamed from a separate process.
_IN_MEMORY = 16 << 20
_LONGEST_TARGET = 4096


class _ListedTree:
    """A tree whose files are records ``<mode> <object id> 0\\t<path>``, sorted by path."""

    def __init__(self, directory: Path, listing: bytes) -> None:
        self._directory = directory
        self._records = listing.split(b"\0")
        if not self._records[-1]:
            self._records.pop()
        self._width = self._records[0].index(b"\t") + 1 if self._records else 0
        self._listings: dict[str, tuple[Entry, ...]] = {}
        self._oids: dict[str, str] = {}

    def entries(self, path: str) -> Sequence[Entry]:
        """Return the entries of a directory, sorted by name; none if it is not a directory."""
        known = self._listings.get(path)
        if known is None:
            known = self._listings[path] = tuple(
                sorted(self._list(path), key=lambda entry: entry.name)
            )
        return known

    def entry(self, path: str) -> Entry | None:
        """Return the entry at the path, or None."""
        if not path:
            return Entry("", Kind.DIRECTORY)
        name = path.rpartition("/")[2]
        record = self._record(path)
        if record is not None:
            return self._files([(name, record)])[0]
        low, high = self._range(path)
        return Entry(name, Kind.DIRECTORY) if low < high else None

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most ``limit`` of them; raise :class:`Missing`."""
        with self.open(path) as stream:
            return stream.read(limit)

    def open(self, path: str) -> BinaryIO:
        """Open a file for streaming; raise :class:`Missing`."""
        record = self._record(path)
        if record is None:
            raise Missing("does not exist or is a directory")
        kind = _KINDS.get(record[:6], Kind.FILE)
        if kind is not Kind.FILE:
            raise Missing(f"is not a readable file ({kind.value})")
        oid = self._oid(record)
        [size] = self._blobs.sizes([oid])
        if size < 0:
            raise Missing(f"its content, {oid}, is not in this repository")
        if size <= _IN_MEMORY:
            return io.BytesIO(self._blobs.content(oid))
        return open_blob(self._directory, oid)

    def oids(self, paths: Sequence[str], workers: int = 1) -> list[str]:
        """Return mode and object id of files; of directories, a digest of all records below."""
        for path in paths:
            if path not in self._oids:
                self._oids[path] = self._oid_of(path)
        return [self._oids[path] for path in paths]

    def _oid_of(self, path: str) -> str:
        record = self._record(path) if path else None
        if record is not None:
            return record[: self._width - 3].decode()
        low, high = self._range(path)
        return hashlib.blake2b(b"\0".join(self._records[low:high]), digest_size=20).hexdigest()

    def is_executable(self, path: str) -> bool:
        """Return whether a file is executable."""
        record = self._record(path)
        return record is not None and record.startswith(b"100755")

    def close(self) -> None:
        """End the git process that reads contents, if one was started."""
        if "_blobs" in self.__dict__:
            self._blobs.close()

    def __getstate__(self) -> dict[str, object]:
        # A worker process starts its own git process.
        return {key: value for key, value in self.__dict__.items() if key != "_blobs"}

    @cached_property
    def _blobs(self) -> BlobReader:
        return BlobReader(self._directory)

    def _path_of(self, record: bytes) -> bytes:
        return record[self._width :]

    def _oid(self, record: bytes) -> str:
        return record[7 : self._width - 3].decode()

    def _record(self, path: str) -> bytes | None:
        wanted = _encode(path)
        at = bisect_left(self._records, wanted, key=self._path_of)
        if at < len(self._records) and self._path_of(self._records[at]) == wanted:
            return self._records[at]
        return None

    def _range(self, path: str) -> tuple[int, int]:
        if not path:
            return 0, len(self._records)
        name = _encode(path)
        # "0" follows "/" in ASCII: all that begins with "name/" sorts between the two.
        low = bisect_left(self._records, name + b"/", key=self._path_of)
        return low, bisect_left(self._records, name + b"0", lo=low, key=self._path_of)

    def _list(self, path: str) -> list[Entry]:
        at, high = self._range(path)
        skip = self._width + (len(_encode(path)) + 1 if path else 0)
        directories: list[Entry] = []
        files: list[tuple[str, bytes]] = []
        while at < high:
            record = self._records[at]
            name, slash, _ = record[skip:].partition(b"/")
            if slash:
                directories.append(Entry(_decode(name), Kind.DIRECTORY))
                after = record[self._width : skip] + name + b"0"
                at = bisect_left(self._records, after, lo=at, hi=high, key=self._path_of)
            else:
                files.append((_decode(name), record))
                at += 1
        return directories + self._files(files)

    def _files(self, named: list[tuple[str, bytes]]) -> list[Entry]:
        own = [pair for pair in named if pair[1][:6] != b"160000"]
        sizes = dict(
            zip(
                (record for _, record in own),
                self._blobs.sizes([self._oid(record) for _, record in own]) if own else [],
                strict=True,
            )
        )
        return [self._file(name, record, sizes.get(record, -1)) for name, record in named]

    def _file(self, name: str, record: bytes, size: int) -> Entry:
        kind = _KINDS.get(record[:6], Kind.FILE)
        if kind is Kind.SUBMODULE:
            return Entry(name, kind)
        if size < 0:
            return Entry(name, Kind.UNREADABLE)
        if kind is Kind.LINK:
            short = size <= _LONGEST_TARGET
            target = _decode(self._blobs.content(self._oid(record))) if short else ""
            return Entry(name, kind, -1, target)
        return Entry(name, kind, size)


class IndexTree(_ListedTree):
    """The tree that a commit made now would have.

    Parameters
    ----------
    root:
        The top of the working tree.
    index_file:
        The index to read if it is not the repository's own: Git gives it to hooks in
        ``GIT_INDEX_FILE``.

    Raises
    ------
    UserError
        A merge is unfinished: such an index is not a tree.
    """

    def __init__(self, root: Path, index_file: Path | None = None) -> None:
        extra = {} if index_file is None else {"GIT_INDEX_FILE": str(index_file)}
        listing = git_bytes("ls-files", "--stage", "-z", "--full-name", cwd=root, extra=extra)
        super().__init__(root, listing)
        stage = self._width - 2
        # Examining each of 49,000 records takes 8 ms; searching their bytes takes hardly any time.
        may_be_unmerged = any(mark in listing for mark in (b" 1\t", b" 2\t", b" 3\t"))
        if may_be_unmerged and any(record[stage] != 0x30 for record in self._records):
            raise UserError(
                "The index holds paths with conflicts of a merge.",
                hint="Resolve them and `git add` them, then check again.",
            )


class CommitTree(_ListedTree):
    """The tree of a commit.

    Parameters
    ----------
    directory:
        Any directory in the repository, which may be bare.
    rev:
        Whatever ``git rev-parse`` accepts as a tree or commit.

    Raises
    ------
    UserError
        There is no such revision.
    """

    def __init__(self, directory: Path, rev: str) -> None:
        try:
            [name] = git_bytes(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{rev}^{{tree}}",
                cwd=directory,
            ).split()
        except GitError as error:
            raise UserError(
                f"{rev!r} names no commit of this repository.",
                hint="`git log --oneline --all` lists commits; `git fetch` brings those of others.",
            ) from error
        listing = git_bytes("ls-tree", "-r", "-z", "--full-tree", name.decode(), cwd=directory)
        super().__init__(directory, b"\0".join(map(_staged, listing.split(b"\0"))))


def _staged(record: bytes) -> bytes:
    """Return ``<mode> <type> <object id>\\t<path>`` as the index would list it."""
    front, tab, path = record.partition(b"\t")
    return front[:7] + front[front.rfind(b" ") + 1 :] + b" 0" + tab + path if tab else b""


def _encode(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
