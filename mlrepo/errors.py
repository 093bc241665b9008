"""The errors that users see; each says what is wrong, where, and what to do next.

Rule violations of a submission are values (:mod:`mlrepo.findings`), never exceptions. Any other
exception that escapes, not an :class:`MlrepoError`, is a bug in mlrepo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Self

# How much of other software's text is kept, and how much of one line is shown as a message.
LONGEST_REASON = 64 * 1024
_LONGEST_LINE = 300
_MOST_CAUSES = 5

# Exceptions whose text says nothing without their type: ``KeyError('weight')``.
_BARE = (
    LookupError,
    AttributeError,
    AssertionError,
    TypeError,
    NameError,
    ArithmeticError,
    EOFError,
)
# Lines that say where in a framework's sources it failed, not why.
_WHERE = re.compile(
    r"(?:Exception from |Traceback \(|Stack trace|File \"|During handling|The above exception|"
    r"FrontEnd API failed|Model wasn't fully|Summary:|# Metadata|While (?:executing|validating) |"
    r"Check '|Caused by: \(|For (?:more|extended)|The following call|Original traceback|"
    r"Weights only load failed|\[bt\]|[0-9]+: |[\W_]+\Z)"
)
# Words that mark a line which says why.
_WHY = re.compile(
    r"[A-Za-z](?:Error|Exception|Warning)\]?:? |Error\b|[Uu]nsupported|[Uu]nknown|[Ii]nvalid|"
    r"[Ii]ncompatible|[Mm]issing|[Ff]ailed|not (?:supported|implemented|found|registered)|"
    r"(?:is|does|are|has|was|were|can|could)(?: not |n't )|[Cc]annot |[Cc]ould not |[Uu]nable to|"
    r"[Mm]ismatch|[Ee]xpect|[Rr]equire|must |[Nn]o conversion"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")


class MlrepoError(Exception):
    """An expected failure: one message for the user, one hint, one exit code.

    Parameters
    ----------
    message:
        What is wrong, naming the file, setting or argument.
    hint:
        What the user can do next.
    detail:
        The full reason given by other software, if it says more than the message.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    @classmethod
    def caused_by(cls, tried: str, error: BaseException, *, hint: str = "") -> Self:
        """Return an error about what a framework, library or plugin raised.

        Parameters
        ----------
        tried:
            What failed, and with which file or operator, without a full stop: "OpenVINO cannot
            load resnet50.onnx".
        error:
            What was raised. Its most informative line follows ``tried``; all of it, at most
            :data:`LONGEST_REASON` characters, is the ``detail``, which a run records and ``mlrepo
            show`` prints.
        hint:
            What the user can do next.
        """
        whole = whole_reason(error)
        line = telling_line(whole)
        stop = "" if line.endswith((".", "!", "?")) else "."
        return cls(f"{tried}: {line}{stop}", hint=hint, detail="" if whole == line else whole)


def whole_reason(error: BaseException) -> str:
    """Return the text of an exception and its causes, at most :data:`LONGEST_REASON` characters.

    It never raises, whatever the exception's own methods do.
    """
    return _bounded("\n".join(dict.fromkeys(_reasons(error))), LONGEST_REASON, "\n[…]\n")


def error_line(error: BaseException) -> str:
    """Return the type of an unexpected exception and the most informative line of its text."""
    name, line = type(error).__name__, telling_line(whole_reason(error))
    return line if line.startswith(name) else f"{name}: {line}"


def telling_line(text: str) -> str:
    """Return the line of a framework's text that says why it failed, at most 300 characters.

    It is not always the first or the last: many texts begin with a place in the framework's sources
    and end with advice. A line that ends with a colon is joined with the next one.
    """
    lines = list(_lines(_bounded(text, LONGEST_REASON, "\n")))
    telling = [line for line in lines if _WHY.search(line) and not line.endswith(":")]
    # The last line of a traceback is its error; in other texts, the error comes before all advice.
    at = -1 if "Traceback (most recent call last)" in text else 0
    found = (telling or lines or [text.strip() or "no reason given"])[at]
    before = lines.index(found) - 1 if found in lines else -1
    if before >= 0 and lines[before].endswith(":") and len(lines[before]) < _LONGEST_LINE / 2:
        found = f"{lines[before]} {found}"
    return _bounded("".join(c for c in found if c.isprintable()), _LONGEST_LINE, " … ")


def _reasons(error: BaseException) -> Iterator[str]:
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return
        said = _said(cause)
        # An exception without a text is named only if no cause says more.
        if said != type(cause).__name__ or cause.__cause__ is None:
            yield said
        cause = cause.__cause__


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        said = error.message if isinstance(error, MlrepoError) else str(error)
        notes = [str(note) for note in getattr(error, "__notes__", ())]
    except Exception:  # foreign code; explaining a failure must not cause another one
        return name
    said = _COLOUR.sub("", _bounded(said, LONGEST_REASON, "\n[…]\n")).strip()
    said = f"{name}: {said}" if said and isinstance(error, _BARE) else said or name
    return "\n".join([said, *notes])


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that may say why: without source locations and the code below them."""
    quoted = False
    for line in _COLOUR.sub("", text).splitlines():
        line = line.strip().removeprefix("-- ")
        if line and not quoted and not _WHERE.match(line):
            yield line
        quoted = line.startswith('File "')


def _bounded(text: str, most: int, between: str) -> str:
    """Return a text, shortened to its beginning and end if it is longer than ``most``."""
    if len(text) <= most:
        return text
    half = (most - len(between)) // 2
    return f"{text[:half]}{between}{text[-half:]}"


class InvalidResult(MlrepoError):
    """Something was checked and found invalid (exit code 1)."""

    exit_code = 1


class UserError(MlrepoError):
    """Wrong usage, or the user's files or environment must change (exit code 2)."""

    exit_code = 2


class Unusable(UserError):
    """An option, a device or a package that was asked for cannot be used; nothing was measured."""


class RemoteUnavailable(MlrepoError):
    """A remote did not answer or refused (exit code 69, EX_UNAVAILABLE)."""

    exit_code = 69


class Unanswered(RemoteUnavailable):
    """The connection or the server failed, so that it is unknown whether a request took effect."""


class NotThere(RemoteUnavailable):
    """The remote says that the object does not exist, or that this user may not see it."""


class Busy(MlrepoError):
    """Another process holds a needed resource; retry later (exit code 75, EX_TEMPFAIL)."""

    exit_code = 75


class Interrupted(MlrepoError):
    """The user interrupted the command (exit code 130)."""

    exit_code = 130
