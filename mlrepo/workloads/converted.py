"""Data sets that are converted into one directory when they are registered.

They are small, or quick to convert, so that registering prepares them, too. Layout:
``<home>/datasets/<name>/`` with ``dataset.json``, which lists the user's files with their hashes,
beside what :meth:`ConvertedDataset.convert` wrote.
"""

from __future__ import annotations

import json
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.registered import OnSamples, Prepared, Registered, RegisteredDataset
from mlrepo.workloads.staging import whole_directory
from mlrepo.workloads.wheels import unpack_wheels

if TYPE_CHECKING:
    from mlrepo.workloads import Model

DESCRIPTION = "dataset.json"
_STAGING = ".new"


@dataclass(frozen=True)
class ConvertedSamples:
    """What a conversion found.

    Attributes
    ----------
    samples:
        How many samples there are.
    sources:
        The user's files that were read.
    warning:
        What the user should know about them.
    """

    samples: int
    sources: tuple[Path, ...]
    warning: str = ""


class ConvertedDataset(RegisteredDataset):
    """A data set whose files are converted when they are registered.

    Attributes
    ----------
    wheels:
        Python wheels that have the files, as pip requirements with hashes: ``dataset prepare``
        downloads them if the user registers nothing. Empty if no package has them.
    """

    wheels: tuple[str, ...] = ()

    @abstractmethod
    def convert(self, path: Path, files: Mapping[str, Path], target: Path) -> ConvertedSamples:
        """Write what :meth:`find` leads to into the directory ``target``; see :meth:`add`."""

    def fetch(self, target: Path) -> Path:
        """Download the files into an empty directory; return what :meth:`convert` reads.

        Raises
        ------
        UserError
            No package has them, or it cannot be downloaded.
        """
        if not self.wheels:
            raise UserError(
                f"The data set {self.name} is not registered.",
                hint=f"Tell where it is: `mlrepo dataset add {self.name} --path PATH`.",
            )
        unpack_wheels(self.wheels, target)
        return target

    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Convert the user's files; see :class:`RegisteredDataset`."""
        return self._add(home, path.absolute(), files, fetched=False)

    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Download the files if nothing is registered; registering has prepared them."""
        if not self._described(home):
            with tempfile.TemporaryDirectory(dir=_made(home)) as name:
                self._add(home, self.fetch(Path(name)), {}, fetched=True)
        return Prepared(self._directory(home), self._directory(home))

    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare the user's files and the converted ones with their hashes."""
        raw, directory = self._require(home), self._directory(home)
        for kind, root in (("sources", Path()), ("files", directory)):
            for name, digest in _pairs(raw, kind):
                path = root / name
                if not path.is_file() or sha256_file(path) != digest:
                    gone = "was changed" if path.is_file() else "has disappeared"
                    raise InvalidResult(
                        f"{path} of the data set {self.name} {gone} since it was registered.",
                        hint=f"Register it again: `mlrepo dataset add {self.name} --path PATH`.",
                    )
        return fingerprint(directory)

    def status(self, home: Path) -> Registered | None:
        """Return what is registered."""
        raw = self._described(home)
        return self._registered(raw, home) if raw else None

    def find(self, home: Path, model: Model) -> Path:
        """Return the directory with the converted files.

        Raises
        ------
        UserError
            It has to be registered first.
        """
        self._require(home)
        return self._directory(home)

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the command that registers or downloads the set."""
        return () if self._described(home) else (self._command(),)

    def _command(self) -> str:
        if self.wheels:
            return f"mlrepo dataset prepare {self.name}"
        return f"mlrepo dataset add {self.name} --path PATH"

    def _add(
        self, home: Path, path: Path, files: Mapping[str, Path], *, fetched: bool
    ) -> Registered:
        target, staging = self._directory(home), home / "datasets" / _STAGING
        with whole_directory(target, staging, lambda: None) as directory:
            found = self.convert(path, files, directory)
            sources = () if fetched else found.sources
            raw = {
                "path": "" if fetched else str(path),
                "samples": found.samples,
                "warning": found.warning,
                "sources": [[str(one), sha256_file(one)] for one in sources],
                "files": [
                    [str(one.relative_to(directory)), sha256_file(one)]
                    for one in sorted(directory.rglob("*"))
                    if one.is_file()
                ],
            }
            (directory / DESCRIPTION).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
        return self._registered(raw, home)

    def _registered(self, raw: Mapping[str, object], home: Path) -> Registered:
        path = Path(str(raw["path"])) if raw["path"] else self._directory(home)
        return Registered(int(str(raw["samples"])), path, ("yes",), str(raw["warning"]))

    def _require(self, home: Path) -> Mapping[str, object]:
        raw = self._described(home)
        if raw is None:
            raise UserError(
                f"The data set {self.name} is not on this machine.",
                hint=f"`{self._command()}` gets it."
                if self.wheels
                else f"Register your own: `{self._command()}`.",
            )
        return raw

    def _described(self, home: Path) -> Mapping[str, object] | None:
        return _read(self._directory(home) / DESCRIPTION)

    def _directory(self, home: Path) -> Path:
        return home / "datasets" / self.name


def fingerprint(directory: Path) -> str:
    """Return the SHA-256 over the names and hashes of the converted files."""
    raw = _read(directory / DESCRIPTION) or {}
    text = "".join(f"{digest}  {name}\n" for name, digest in _pairs(raw, "files"))
    return sha256_bytes(text.encode())


def _pairs(raw: Mapping[str, object], kind: str) -> list[tuple[str, str]]:
    found = raw.get(kind)
    return [(str(name), str(digest)) for name, digest in found] if isinstance(found, list) else []


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: {error}.", hint=f"Remove {path.parent} and register the set again."
        ) from error
    return raw if isinstance(raw, dict) else None


def _made(home: Path) -> Path:
    path = home / "datasets"
    path.mkdir(parents=True, exist_ok=True)
    return path
