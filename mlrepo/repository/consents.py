"""What the user typed or agreed to on this machine, stored as hashes and never committed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically


@dataclass(frozen=True)
class Consents:
    """The consents of one repository.

    Attributes
    ----------
    directory:
        In mlrepo's own store; one file per consent, so that concurrent runs need no lock.
    """

    directory: Path

    @classmethod
    def of(cls, repository: ResultsRepository) -> Consents:
        """Return the consents of a repository, kept in its Git directory, which is never cloned."""
        return cls(repository.store / "consent")

    def holds(self, what: str, words: Iterable[str]) -> bool:
        """Return whether exactly these words were typed or agreed to."""
        return self._file(what, tuple(words)).is_file()

    def remember(self, what: str, words: Iterable[str]) -> None:
        """Accept these words without asking from now on; without words, do nothing.

        Raises
        ------
        UserError
            The repository's store cannot be written.
        """
        kept = tuple(words)
        if not kept or self.holds(what, kept):
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file(what, kept), _content(what, kept))
        except OSError as error:
            raise UserError(
                f"{self.directory} cannot be written: {error.strerror}.",
                hint="Check permissions and free space.",
            ) from error

    def forget(self, what: str, words: Iterable[str]) -> bool:
        """Withdraw a consent; return whether there was one."""
        file = self._file(what, tuple(words))
        known = file.is_file()
        file.unlink(missing_ok=True)
        return known

    def _file(self, what: str, words: tuple[str, ...]) -> Path:
        return self.directory / sha256_bytes(_content(what, words))


def _content(what: str, words: tuple[str, ...]) -> bytes:
    return json.dumps({"what": what, "words": words}).encode()
