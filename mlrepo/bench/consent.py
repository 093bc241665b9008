"""Decide which recorded words may be executed here: only those typed or agreed to here.

Records and tuned settings can come from anybody through ``git fetch``, and an author's name is not
verified. So authors are not trusted. What the user types on this machine is remembered by its hash
below the Git directory, which no clone or pull transfers; the same words from others then run
without asking. Any other words are shown, and run only if the user agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.bench.request import BenchRequest
from mlrepo.bench.tuned import Tuned
from mlrepo.errors import UserError
from mlrepo.record import RunRecord
from mlrepo.record.first_requests import own_prefix
from mlrepo.record.plans import SuitePlan
from mlrepo.record.request import AnyRequest, argv
from mlrepo.redaction import Redactor
from mlrepo.repository.consents import Consents
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, author_of, author_of_file
from mlrepo.shell import shell_command

PREFIX = "command prefix"
OPTIONS = "backend options"
ENDPOINT = "endpoint"
COMMAND = "command line"
TUNED = "tuned settings"


@dataclass(frozen=True)
class RecordedWords:
    """Words of a record, or of ``tuned.json``, that would become part of a process.

    Attributes
    ----------
    what:
        :data:`PREFIX`, :data:`OPTIONS`, :data:`ENDPOINT`, :data:`COMMAND` or :data:`TUNED`.
    source:
        Where they are and who, by name, committed them; for people.
    """

    what: str
    words: tuple[str, ...]
    source: str

    def __str__(self) -> str:
        return f"{self.source}, has the {self.what}: {shell_command(self.words)}"


Ask = Callable[[RecordedWords], bool]


def refuse(recorded: RecordedWords) -> bool:
    """Agree to nothing; used if nobody can be asked."""
    return False


@dataclass(frozen=True)
class Gate:
    """The gate of one repository between other people's words and processes.

    Attributes
    ----------
    ask:
        Asks the user about words that are unknown here.
    """

    repository: ResultsRepository
    ask: Ask = refuse

    @property
    def consents(self) -> Consents:
        """What was typed or agreed to here."""
        return Consents.of(self.repository)

    def taken_over(self, what: str, words: Iterable[str], run: RecordedRun) -> tuple[str, ...]:
        """Return words of a run's record if they may run: none, known ones, or agreed ones.

        Raises
        ------
        UserError
            They may not run.
        """
        author = author_of(self.repository, run)
        source = f"The record of the run {run.run}, committed by {author}"
        recorded = RecordedWords(what, tuple(words), source)
        self._pass(recorded)
        return recorded.words

    def prefix(self, record: RunRecord, run: RecordedRun) -> tuple[str, ...]:
        """Return the command prefix of a run's record: see :meth:`taken_over`."""
        return self.taken_over(PREFIX, own_prefix(record), run)

    def options(self, record: RunRecord, run: RecordedRun) -> dict[str, str]:
        """Return the backend options of a run's record: see :meth:`taken_over`."""
        options = dict(record.backend.asked_options)
        self.taken_over(OPTIONS, option_words(options), run)
        return options

    def endpoint(self, record: RunRecord, run: RecordedRun) -> None:
        """Accept the endpoint of a run's record, which gets the user's token: see taken_over."""
        found = record.backend.endpoint
        if found is not None:
            self.taken_over(ENDPOINT, endpoint_words(found.url, found.authority), run)

    def tuned(self, path: Path, entry: Tuned) -> None:
        """Accept an entry of ``systems/<name>/tuned.json`` that was found or agreed to here.

        Raises
        ------
        UserError
            It may not be used.
        """
        author = author_of_file(self.repository, path)
        committed = f"last committed by {author}" if author else "not committed"
        source = f"{path.relative_to(self.repository.root)}, {committed}"
        self._pass(
            RecordedWords(TUNED, tuned_words(entry), source),
            otherwise="`mlrepo bench tune --benchmark NAME` finds your own; "
            "--threads leaves them out. ",
        )

    def _pass(self, recorded: RecordedWords, otherwise: str = "") -> None:
        known = not recorded.words or self.consents.holds(recorded.what, recorded.words)
        if not known and not self.ask(recorded):
            raise UserError(
                f"{recorded}. Nobody typed it on this machine or agreed to it, so it is not run.",
                hint=f"Read it; {otherwise}--trust-prefix runs it with your rights, and remembers "
                "that here.",
            )

    def suite(self, request: AnyRequest, run: RecordedRun) -> None:
        """Accept the command of a recorded suite: see :meth:`taken_over`."""
        self.taken_over(COMMAND, suite_words(request), run)

    def remember_suite(self, request: AnyRequest, redactor: Redactor) -> None:
        """Remember a suite that was requested here, so that any record of it may be resumed."""
        self.consents.remember(COMMAND, suite_words(request.redacted(redactor)))

    def remember_tuned(self, entry: Tuned) -> None:
        """Remember what tuning found here, so that runs use it without asking."""
        self.consents.remember(TUNED, tuned_words(entry))

    def remember_typed(self, request: BenchRequest, redactor: Redactor) -> None:
        """Remember what the user typed, so that a record of it may be repeated without asking.

        Words from others were agreed to before. Words are kept in the form of the record.
        """
        if not (request.recorded or request.test):
            self.consents.remember(PREFIX, redactor.arguments(request.prefix)[0])
            self.consents.remember(OPTIONS, option_words(request.backend_options or {}))
            words = endpoint_words(request.endpoint, str(request.endpoint_ca or ""))
            self.consents.remember(ENDPOINT, redactor.arguments(words)[0])


def suite_words(request: AnyRequest) -> tuple[str, ...]:
    """Return the command of a suite, without when it began."""
    plan = request.plan
    began = replace(plan, since="") if isinstance(plan, SuitePlan) else plan
    return argv(replace(request, plan=began))


def tuned_words(entry: Tuned) -> tuple[str, ...]:
    """Return tuned settings as words: the backend, and everything that reaches it."""
    numbers = (f"threads={entry.threads}", f"max_batch={entry.max_batch}")
    return (entry.backend, *numbers, *option_words(entry.options))


def endpoint_words(url: str, authority: str) -> tuple[str, ...]:
    """Return where an endpoint is and whom it is trusted by; nothing for none."""
    return tuple(word for word in (url, authority) if word)


def option_words(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return backend options as they are typed, sorted."""
    return tuple(f"{key}={value}" for key, value in sorted(options.items()))
