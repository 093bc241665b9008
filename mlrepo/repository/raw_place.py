"""Places that keep full logs by their SHA-256: a directory, or anything that fsspec reaches."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mlrepo.errors import MlrepoError, RemoteUnavailable, UserError
from mlrepo.redaction import shown_url
from mlrepo.repository.files import sync_directory, write_atomically
from mlrepo.repository.remotes import refuse_credentials

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_NAME = re.compile(r"[0-9a-f]{64}\Z")
_PIN = ".origin"
_PIECE = 1 << 20
# Protocols of object stores: they need no directories, and a bucket is not made by a typing error.
_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"}
_LONGEST_PIN = 4096


class DamagedLog(Exception):
    """What was copied is not what its name says."""


class LogPlace(Protocol):
    """Where full logs are, each in a file with its SHA-256 as name."""

    @property
    def shown(self) -> str:
        """Where it is, for people."""

    def entries(self) -> dict[str, int]:
        """Return the bytes of each log by its SHA-256."""

    def digest(self, sha256: str) -> str:
        """Return the SHA-256 of what is kept under a name."""

    def open(self, sha256: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """Open a log for reading."""

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep a log under its name, which has none yet; raise :class:`DamagedLog`."""

    def set_aside(self, sha256: str) -> None:
        """Give what is kept under a name another one: it is not what the name says."""

    def pins(self) -> dict[str, str]:
        """Return the logs that were truncated by hand, and of which file."""

    def pin(self, sha256: str, origin: str) -> None:
        """Note that a log was truncated by hand."""


def place_named(text: str) -> LogPlace:
    """Return the place that a user named: a directory, or a URL such as ``s3://bucket/logs``.

    Raises
    ------
    UserError
        The URL holds credentials, or the package for its protocol is not installed.
    """
    if "::" in text:
        raise UserError(
            f"{shown_url(text)} chains several protocols.", hint="Name one place, such as s3://…."
        )
    if "://" not in text:
        return DirectoryPlace(Path(text))
    if text.startswith("file://"):
        return DirectoryPlace(Path(text.removeprefix("file://")))
    return RemotePlace(refuse_credentials(text.rstrip("/")))


@dataclass(frozen=True)
class DirectoryPlace:
    """A directory of this machine; it is made when the first log is put there."""

    root: Path

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.root)

    def entries(self) -> dict[str, int]:
        """Return the bytes of each log by its SHA-256."""
        with _told(self.root), contextlib.suppress(FileNotFoundError):
            paths = [path for path in self.root.iterdir() if _NAME.match(path.name)]
            return {path.name: path.stat().st_size for path in sorted(paths)}
        return {}

    def digest(self, sha256: str) -> str:
        """Return the SHA-256 of what is kept under a name."""
        with _told(self.root), (self.root / sha256).open("rb") as stream:
            return _digest(stream)

    @contextlib.contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """Open a log for reading."""
        with (self.root / sha256).open("rb") as stream:
            yield stream

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep a log under its name; raise :class:`DamagedLog` if it is another one."""
        with _told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            temporary = self.root / f".{sha256}.{secrets.token_hex(4)}.part"
            try:
                with temporary.open("xb") as stream:
                    copied = _copy(source, stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                if copied != sha256:
                    raise DamagedLog(sha256)
                with temporary.open("rb") as stream:
                    if _digest(stream) != sha256:
                        raise _not_kept(self.shown)
                temporary.chmod(0o444)
                temporary.replace(self.root / sha256)
                sync_directory(self.root)
            finally:
                temporary.unlink(missing_ok=True)

    def set_aside(self, sha256: str) -> None:
        """Give what is kept under a name another one."""
        with _told(self.root):
            (self.root / sha256).rename(self.root / _aside(sha256))

    def pins(self) -> dict[str, str]:
        """Return the logs that were truncated by hand, and of which file."""
        return {
            path.name.removesuffix(_PIN): path.read_text(errors="replace").strip()
            for path in self.root.glob(f"*{_PIN}")
        }

    def pin(self, sha256: str, origin: str) -> None:
        """Note that a log was truncated by hand."""
        with _told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / f"{sha256}{_PIN}", f"{origin}\n".encode())


@dataclass(frozen=True)
class RemotePlace:
    """A directory or bucket that fsspec reaches by a URL; credentials are those of its package."""

    url: str

    @property
    def shown(self) -> str:
        """The URL, without a login."""
        return shown_url(self.url)

    @cached_property
    def _found(self) -> tuple[AbstractFileSystem, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise UserError(
                f"{self.shown} is not a directory, and the package fsspec is not installed.",
                hint="`pip install 'mlrepo[raw]'`, and the package of the protocol, such as s3fs.",
            ) from error
        try:
            system, path = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UserError.caused_by(
                f"{self.shown} cannot be reached",
                error,
                hint="Install the package of its protocol: s3fs, gcsfs, adlfs, or paramiko for "
                "sftp://.",
            ) from error
        except Exception as error:  # whatever the package of the protocol raises
            raise self._failed("reached", error) from error
        return system, str(path).rstrip("/")

    def entries(self) -> dict[str, int]:
        """Return the bytes of each log by its SHA-256."""
        return {name: size for name, size in self._listed() if _NAME.match(name)}

    def _listed(self) -> list[tuple[str, int]]:
        system, path = self._found
        try:
            system.invalidate_cache()
            found = system.ls(path, detail=True)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._failed("read", error) from error
        files = [one for one in found if one.get("type") != "directory"]
        pairs = [(str(one["name"]).rpartition("/")[2], int(one.get("size") or 0)) for one in files]
        return sorted(pairs)

    def digest(self, sha256: str) -> str:
        """Return the SHA-256 of what is kept under a name."""
        with self.open(sha256) as stream:
            return _digest(stream)

    @contextlib.contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """Open a log for reading."""
        system, path = self._found
        with self._told("read"), system.open(f"{path}/{sha256}", "rb") as stream:
            yield stream

    def put(self, sha256: str, source: BinaryIO) -> None:
        """Keep a log under its name; raise :class:`DamagedLog` if it is another one."""
        self._write(sha256, source, sha256)

    def _write(self, name: str, source: BinaryIO, sha256: str) -> None:
        """Write a file under another name, read it back, and rename it."""
        system, path = self._found
        temporary = f"{path}/.{name}.{secrets.token_hex(4)}.part"
        with self._told("written to"):
            if self.url.partition("://")[0].lower() not in _BUCKETS:
                system.makedirs(path, exist_ok=True)
            try:
                with system.open(temporary, "wb") as stream:
                    copied = _copy(source, stream)
                if copied != sha256:
                    raise DamagedLog(sha256)
                with system.open(temporary, "rb") as stream:
                    if _digest(stream) != sha256:
                        raise _not_kept(self.shown)
                system.mv(temporary, f"{path}/{name}")
            except BaseException:
                with contextlib.suppress(Exception):
                    system.rm_file(temporary)
                raise

    def set_aside(self, sha256: str) -> None:
        """Give what is kept under a name another one."""
        system, path = self._found
        with self._told("written to"):
            system.mv(f"{path}/{sha256}", f"{path}/{_aside(sha256)}")

    def pins(self) -> dict[str, str]:
        """Return the logs that were truncated by hand, and of which file."""
        system, path = self._found
        found = {}
        for name, size in self._listed():
            if name.endswith(_PIN) and _NAME.match(name.removesuffix(_PIN)) and size < _LONGEST_PIN:
                with self._told("read"):
                    text = system.cat_file(f"{path}/{name}").decode("utf-8", "replace")
                found[name.removesuffix(_PIN)] = text.strip()
        return found

    def pin(self, sha256: str, origin: str) -> None:
        """Note that a log was truncated by hand."""
        data = f"{origin}\n".encode()
        self._write(f"{sha256}{_PIN}", io.BytesIO(data), hashlib.sha256(data).hexdigest())

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (MlrepoError, DamagedLog):
            raise
        except Exception as error:  # of fsspec and of the package behind it
            raise self._failed(doing, error) from error

    def _failed(self, doing: str, error: Exception) -> RemoteUnavailable:
        failed = RemoteUnavailable.caused_by(
            f"{self.shown} cannot be {doing}",
            error,
            hint="Check the URL, the credentials and the network, and run the command again: it "
            "continues with what is missing.",
        )
        failed.message, failed.detail = shown_url(failed.message), shown_url(failed.detail)
        return failed


@contextlib.contextmanager
def _told(root: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(
            f"{root} cannot be used: {error.strerror}.",
            hint="Make room, or name a directory that you may write; what was copied is intact.",
        ) from error


def _not_kept(where: str) -> RemoteUnavailable:
    return RemoteUnavailable(
        f"{where} returned something else than what was written there.",
        hint="Its disk or the connection damages files; use another place.",
    )


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    """Copy a stream and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _aside(sha256: str) -> str:
    return f".{sha256}.{secrets.token_hex(4)}.damaged"
