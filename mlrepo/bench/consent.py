"""What of a record may become part of a process here: only what was typed or agreed to here.

A record comes with ``git fetch`` from anybody, and its author's name is whatever its author wrote.
So nothing is trusted by author. What the user types on this machine is remembered by its hash
below the Git directory, which no clone or pull brings along; the same words in a record then run
without a question. Any other words are shown, and run only when the user agrees.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlrepo.bench.request import BenchRequest
from mlrepo.errors import UserError
from mlrepo.record import RunRecord
from mlrepo.redaction import Redactor
from mlrepo.repository.consents import Consents
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, author_of

PREFIX = "command prefix"
OPTIONS = "backend options"
COMMAND = "command line"


@dataclass(frozen=True)
class Recorded:
    """Words of a record that would become part of a process.

    Attributes
    ----------
    what:
        :data:`PREFIX`, :data:`OPTIONS` or :data:`COMMAND`.
    run, author:
        Which run's record they stand in, and who says to have committed it.
    """

    what: str
    words: tuple[str, ...]
    run: str
    author: str

    def __str__(self) -> str:
        return (
            f"The record of the run {self.run}, committed by {self.author}, has the {self.what}: "
            f"{shlex.join(self.words)}"
        )


Ask = Callable[[Recorded], bool]


def refuse(recorded: Recorded) -> bool:
    """Agree to nothing: what happens where nobody can be asked."""
    return False


@dataclass(frozen=True)
class Gate:
    """Where words of records pass into processes, in one repository.

    Attributes
    ----------
    ask:
        Asks the user about words that are not known here.
    """

    repository: ResultsRepository
    ask: Ask = refuse

    @property
    def consents(self) -> Consents:
        """What was typed or agreed to here."""
        return Consents.of(self.repository)

    def taken_over(self, what: str, words: Iterable[str], run: RecordedRun) -> tuple[str, ...]:
        """Return the words of a run's record that may run: none, known ones, or agreed ones.

        Raises
        ------
        UserError
            They may not run.
        """
        author = author_of(self.repository, run)
        recorded = Recorded(what, tuple(words), run.run, author)
        known = not recorded.words or self.consents.holds(what, recorded.words)
        if not known and not self.ask(recorded):
            raise UserError(
                f"{recorded}. Nobody typed it on this machine or agreed to it, so it is not run.",
                hint="Read it; --trust-prefix runs it with your rights, and remembers that here.",
            )
        return recorded.words

    def remember_typed(self, request: BenchRequest, redactor: Redactor) -> None:
        """Remember what the user typed: a record of it may then be repeated without a question.

        What came from a record was agreed to before. Words are kept as the record will have them.
        """
        if not (request.replays or request.test):
            self.consents.remember(PREFIX, redactor.arguments(request.prefix)[0])
            self.consents.remember(OPTIONS, option_words(request.backend_options or {}))


def own_prefix(record: RunRecord) -> tuple[str, ...]:
    """Return the command prefix that the user gave, without that of the platform profile."""
    prefix = tuple(record.backend.get("prefix") or ())
    profile = tuple((record.host.get("platform") or {}).get("prefix") or ())
    return prefix[len(profile) :] if prefix[: len(profile)] == profile else prefix


def option_words(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return backend options as they are typed, sorted."""
    return tuple(f"{key}={value}" for key, value in sorted(options.items()))
