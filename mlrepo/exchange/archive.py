"""Reproducible archives: their bytes depend only on the tree and a given time.

The format of the archive is fixed here, but its compression depends on zlib: another implementation
(zlib-ng) may give other bytes. The digest of the tar inside distinguishes that case.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from mlrepo.errors import UserError
from mlrepo.repository.git_trees import CommitTree
from mlrepo.tree import Entry, Kind, walk

# Large files become a tenth smaller than with zlib's default, in twice the time.
_LEVEL = 9
_LINK = 0o777
_UNIX = 3
# MS-DOS time, which zip files use, begins here.
_OLDEST_ZIP = datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC)


def write_tar_gz(tree: CommitTree, stream: IO[bytes], moment: datetime.datetime) -> str:
    """Write all files and links of a tree and return the SHA-256 of the tar before compression."""
    with gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as compressed:
        digesting = _Digesting(cast(IO[bytes], compressed))
        with tarfile.open(fileobj=digesting, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path, entry in _files(tree):
                info = tarfile.TarInfo(path)
                info.mtime = int(moment.timestamp())
                info.mode = _mode(tree, path)
                if entry.kind is Kind.LINK:
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, _LINK
                    tar.addfile(info)
                    continue
                info.size = entry.size
                with tree.open(path) as source:
                    tar.addfile(info, source)
    return digesting.sha256.hexdigest()


def write_zip(tree: CommitTree, stream: IO[bytes], moment: datetime.datetime) -> None:
    """Write all files and links of a tree."""
    at = max(moment.astimezone(datetime.UTC), _OLDEST_ZIP).timetuple()[:6]
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for path, entry in _files(tree):
            info = zipfile.ZipInfo(path, at)
            info.create_system = _UNIX
            info.compress_type = zipfile.ZIP_DEFLATED
            if entry.kind is Kind.LINK:
                info.external_attr = (0o120000 | _LINK) << 16
                archive.writestr(info, entry.target.encode("utf-8", "surrogateescape"))
                continue
            info.external_attr = (0o100000 | _mode(tree, path)) << 16
            info.file_size = entry.size
            with tree.open(path) as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target)


def _files(tree: CommitTree) -> Iterator[tuple[str, Entry]]:
    for path, entry in walk(tree):
        if entry.kind in (Kind.FILE, Kind.LINK):
            yield path, entry
        elif entry.kind is not Kind.DIRECTORY:
            raise UserError(
                f"{path} cannot be packed: it is not a file but a {entry.kind.value}.",
                hint="Fetch what is missing, or remove it from your directory on the main branch, "
                "commit, and run `mlrepo select`.",
            )


def _mode(tree: CommitTree, path: str) -> int:
    return 0o755 if tree.is_executable(path) else 0o644


class _Digesting(io.RawIOBase):
    """Passes bytes on and keeps their SHA-256."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.sha256.update(data)
        return self._target.write(data)
